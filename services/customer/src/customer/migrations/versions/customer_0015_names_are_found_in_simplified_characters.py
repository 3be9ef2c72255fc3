"""Customers and contacts whose names hold traditional characters are found by simplified ones, too.

Only their rows are written; at 1,000,000 customers they are looked for in half a minute, in which customers are read
but not written. What duplicates are compared by is derived again after the start, by a job.
"""

import sqlalchemy as sa
from alembic import op

from customer.traditional import SIMPLIFIED

revision = "customer_0015"
down_revision = "customer_0014"
branch_labels = None
depends_on = None

_FULL, _SIMPLE = "".join(map(chr, SIMPLIFIED)), "".join(SIMPLIFIED.values())
_BOUND = {"full": _FULL, "simple": _SIMPLE, "any": f"[{_FULL}]"}
_LINES = """
    UPDATE {table} AS t SET
        search_text = t.search_text || E'\\n' || new.lines,
        search_grams = ARRAY(
            SELECT unnest(t.search_grams)
            UNION SELECT key FROM
                regexp_split_to_table(new.lines, E'\\n') AS line,
                generate_series(1, length(line)) AS i,
                LATERAL (VALUES (substr(line, i, 1)), (substr(line, i, 2)), (substr(line, i, 3))) AS of (key)
            WHERE length(key) = 2 OR key ~ '^[\u3400-\u9fff]$' OR key ~ '^[a-z]{{3}}$' OR (key = right(line, 1)))
    FROM (
        SELECT id, (
            SELECT string_agg(DISTINCT translate(line, :full, :simple), E'\\n')
            FROM regexp_split_to_table(search_text, E'\\n') AS line WHERE line ~ :any) AS lines
        FROM {table} WHERE search_text ~ :any) AS new
    WHERE t.id = new.id
"""


def upgrade() -> None:
    connection = op.get_bind()
    for table in ("contact", "customer"):
        connection.execute(sa.text(_LINES.format(table=table)), _BOUND)
    # A name that only one may have is held as it is compared from now on. Of two with the same one, one has it: they
    # stay until somebody merges them.
    connection.execute(
        sa.text(
            "INSERT INTO hard_key (field, value, customer_id)"
            " SELECT field, translate(value, :full, :simple), customer_id FROM hard_key"
            " WHERE field LIKE '%.name' AND value ~ :any ON CONFLICT DO NOTHING"
        ),
        _BOUND,
    )
    connection.execute(sa.text("DELETE FROM hard_key WHERE field LIKE '%.name' AND value ~ :any"), _BOUND)
