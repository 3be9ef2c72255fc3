"""What an import keeps: the file's rows as they came, what is to become of each, and what became."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    false,
)
from sqlalchemy.dialects.postgresql import JSONB

from crm_kit import sealing

metadata = MetaData()

READING, READY, CHECKING, CHECKED = "reading", "ready", "checking", "checked"
STORING, DONE, FAILED, CANCELLED = "storing", "done", "failed", "cancelled"
OPEN = (READY, CHECKED)
"""States in which the mapping can be changed and the next step begun."""
BUSY = (READING, CHECKING, STORING)

record_import = Table(
    "record_import",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("record_type", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    # xlsx or csv, and its encoding or the name of the sheet.
    Column("format", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("size", Integer, nullable=False),
    Column("hash", Text, nullable=False),
    # Whether the numbers that are days are counted from 1904.
    Column("since_1904", Boolean, nullable=False, server_default=false()),
    # [{header, field, proposed, why}] in the order of the file
    Column("columns", JSONB, nullable=False, server_default="[]"),
    # {key, existing, ownerId, departmentId, keepOrigin}
    Column("options", JSONB, nullable=False, server_default="{}"),
    # [{name, hidden}] of a workbook
    Column("sheets", JSONB, nullable=False, server_default="[]"),
    Column("header_row", Integer, nullable=False, server_default="0"),
    Column("rows", Integer, nullable=False, server_default="0"),
    # Of the last dry run, or of the storing.
    Column("counts", JSONB, nullable=False, server_default="{}"),
    Column("reason", Text),
    Column("job_id", Uuid(as_uuid=False)),
    # The job that stored it, and the act that can be taken back.
    Column("act_id", Uuid(as_uuid=False)),
    Column("same_as", Uuid(as_uuid=False)),
    Column("creator_id", Uuid(as_uuid=False)),
    Column("creator_name", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("finish_time", DateTime(timezone=True)),
    Column("version", Integer, nullable=False, server_default="1"),
)
Index("ix_record_import_record_type", record_import.c.record_type, record_import.c.id)
Index("ix_record_import_hash", record_import.c.hash)
Index("ix_record_import_create_time", record_import.c.create_time)

import_row = Table(
    "import_row",
    metadata,
    Column("import_id", ForeignKey(record_import.c.id, ondelete="CASCADE"), primary_key=True),
    # As the spreadsheet program counts.
    Column("row", Integer, primary_key=True, autoincrement=False),
    # JSON of the cells.
    Column("cells", LargeBinary, nullable=False, info=sealing.SEALED),
    # created, updated, unchanged, skipped, rejected; empty before it was tried
    Column("outcome", Text, nullable=False, server_default=""),
    Column("record_id", Uuid(as_uuid=False)),
    # JSON of {"problems": [{column, field, reason, message}], "changes": [[field, before, after]]};
    # of a new row in a dry run also "hints", like problems.
    Column("result", LargeBinary, info=sealing.SEALED),
)
Index("ix_import_row_outcome", import_row.c.import_id, import_row.c.outcome, import_row.c.row)
Index("ix_import_row_record_id", import_row.c.record_id, postgresql_where=import_row.c.record_id.is_not(None))

import_value = Table(
    "import_value",
    metadata,
    Column("import_id", Uuid(as_uuid=False), primary_key=True),
    # Of a value that no two records may share.
    Column("hash", BigInteger, primary_key=True, autoincrement=False),
    Column("row", Integer, nullable=False),
)
"""Which row of the file has a value first."""
