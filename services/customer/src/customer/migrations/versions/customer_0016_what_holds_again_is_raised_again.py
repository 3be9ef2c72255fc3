"""An alert is known by its reason as long as that holds; an item of care by its occasion and that day, not by a year.

An occasion of a contact or customer that was merged away is that of the one that stayed.
"""

from alembic import op

revision = "customer_0016"
down_revision = "customer_0015"
branch_labels = None
depends_on = None

# Of several open ones of a reason, as two birthdays in a year, the newest stays.
_ENDED = """
    UPDATE alert SET state = 'done', done_time = now() WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER (PARTITION BY kind, record_id ORDER BY id DESC) AS n
            FROM alert WHERE state <> 'done') AS lasting
        WHERE n > 1)
"""

# Of two on one day, as a birthday by both calendars, the first is the one that is looked for.
_CARE = """
    UPDATE care_item SET occasion_key = named.key || CASE WHEN named.n > 1 THEN ':' || named.n ELSE '' END
    FROM (
        SELECT id, key, row_number() OVER (PARTITION BY plan_id, record_id, key, occasion_date ORDER BY id) AS n
        FROM (
            SELECT id, plan_id, record_id, occasion_date,
                   CASE occasion WHEN 'occasion' THEN split_part(occasion_key, ':', 1) ELSE occasion END AS key
            FROM care_item) AS keyed) AS named
    WHERE care_item.id = named.id
"""


def upgrade() -> None:
    op.execute("DROP INDEX uq_alert_unique_key")
    op.execute(_ENDED)
    op.execute("UPDATE alert SET unique_key = kind || ':' || record_id WHERE state <> 'done'")
    op.execute("CREATE UNIQUE INDEX uq_alert_lasting ON alert (unique_key) WHERE state <> 'done'")
    op.execute("DROP INDEX uq_care_item_occasion")
    op.execute(_CARE)
    op.execute(
        "CREATE UNIQUE INDEX uq_care_item_occasion ON care_item (plan_id, record_id, occasion_key, occasion_date)"
    )
    op.execute(
        "UPDATE occasion SET record_id = coalesce(contact_id, customer_id)"
        " WHERE record_id <> coalesce(contact_id, customer_id)"
    )
