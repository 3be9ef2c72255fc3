"""The tables of this library, for a service's wiring and migrations."""

from pathlib import Path

from crm_records import changes, custom_fields, dictionaries, numbers

METADATA = (changes.metadata, custom_fields.metadata, dictionaries.metadata, numbers.metadata)
VERSIONS = Path(__file__).parent / "migrations" / "versions"
