"""The tables of this library, for a service's wiring and migrations."""

from pathlib import Path

from crm_records import changes, custom_fields, dictionaries, following, handover_tables, images, numbers, selecting
from crm_records.imports import tables as import_tables

METADATA = (
    changes.metadata,
    custom_fields.metadata,
    dictionaries.metadata,
    numbers.metadata,
    handover_tables.metadata,
    images.metadata,
    selecting.metadata,
    following.metadata,
    import_tables.metadata,
)
VERSIONS = Path(__file__).parent / "migrations" / "versions"
