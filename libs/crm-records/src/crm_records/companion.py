"""Parts that a record's row of a file may bring along, like the first contact of a customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crm_kit.field_names import camel

if TYPE_CHECKING:
    from crm_records.record import Record


@dataclass(frozen=True, slots=True)
class Companion:
    """A part of a record that the record's own row of a file may bring along, in columns of its own."""

    type: str
    """The record type of the part."""
    name: str
    """What the columns are called by: `name.field`, in JSON `name` in camel case."""
    label: tuple[str, str]
    """What stands before the field in a heading."""
    fields: Sequence[str]
    """The columns. By the first, which is required, a part that the record has already is found and then changed."""
    mark: str = ""
    """A mark that one part of a record has: a new one gets it where none has it."""

    @property
    def path(self) -> str:
        return camel(self.name)

    def of(self, record: Record) -> Record:
        """The part's kind of record, beside that of the whole."""
        return record.registry.records[self.type]
