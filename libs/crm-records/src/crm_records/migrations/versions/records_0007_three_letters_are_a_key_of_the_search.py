"""Three letters are a key of the search.

Every row that is searched gets them; at 1,000,000 customers that takes minutes, in which those rows are read but not
written.
"""

import sqlalchemy as sa
from alembic import op

revision = "records_0007"
down_revision = "records_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    searched = sa.text(
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND column_name = 'search_grams' ORDER BY table_name"
    )
    for table in op.get_bind().scalars(searched).all():
        op.execute(
            f"""UPDATE "{table}" SET search_grams = ARRAY(
                SELECT unnest(search_grams)
                UNION SELECT substr(search_text, i, 3) FROM generate_series(1, length(search_text) - 2) AS i
                WHERE substr(search_text, i, 3) ~ '^[a-z]{{3}}$')
            WHERE search_text ~ '[a-z]{{3}}'"""  # noqa: S608
        )
