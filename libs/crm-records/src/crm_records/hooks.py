"""What a service may do with its records beyond what it says of them, and when it is asked to: by itself nothing."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crm_kit.errors import Problem
from crm_kit.rpc import Call

if TYPE_CHECKING:
    from crm_records.record import Row


class Hooks:
    """Overridden by the records of a service; each says when it is called, and what it may refuse."""

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        """Derive values and check rules that need more than one field. Raises `errors.Invalid`."""

    def prepare_many(self, call: Call, rows: Sequence[Row]) -> None:
        """Like `prepare` for new rows of a bulk act, where something is cheaper at once; runs before each `prepare`."""

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        """Something to do in the same transaction after the row is stored."""

    def written_many(self, call: Call, pairs: Sequence[tuple[Row | None, Row]]) -> None:
        """The same for each (before, after): overridden instead where something is cheaper for several at once."""
        for before, after in pairs:
            self.written(call, after, before)

    def foresee(self, call: Call, rows: Sequence[Row]) -> None:
        """Work out what `written_many` will need of new rows of a bulk act, without asking the database: it is done
        while the database takes the rows."""

    def created(self, call: Call, rows: Sequence[Row], *, many: bool) -> None:
        """Something to do in the same transaction after new rows are stored and told; `many`: by an import."""

    def handed_over(self, call: Call, pairs: Sequence[tuple[Row, Row]]) -> None:
        """Refuse a handover of (before, after), which are stored already; each is then tried for itself."""

    def taken_back(self, call: Call, pairs: Sequence[tuple[Row, Row]]) -> None:
        """Refuse what (before, after), stored already, became as an act was taken back, where records that came
        meanwhile do not allow it."""

    def relinks(self, call: Call, before: Row, after: Row) -> None:
        """A merge makes the row point at another record: settle in `after` what then cannot stay."""

    def find_merged(self, call: Call, keys: Collection[str]) -> dict[str, str]:
        """Of keys that no living record has: those of records that were merged, with the record they went into."""
        return {}

    def stays(self, call: Call, record_id: str) -> str:
        """The id of the record that one went into by merges; its own where it did not."""
        return record_id

    def went_into(self, call: Call, record_id: str) -> Sequence[str]:
        """The ids of the records that went into one by merges, at any remove."""
        return ()

    def import_begins(self, call: Call, messages: Sequence[Any]) -> None:
        """Look up at once what the rows of an import share; runs before any of them is looked at."""

    def import_hints(self, call: Call, messages: Sequence[Any]) -> Sequence[tuple[str, Problem | None]]:
        """Of new rows of a file, for a dry run: what two rows are alike by, empty for nothing, and which record is
        alike already, if any. It refuses nothing."""
        return [("", None)] * len(messages)

    def decorate(self, call: Call, messages: Sequence[Any]) -> None:
        """Fill computed fields of what is about to be answered."""

    def decorate_wanted(self, call: Call, messages: Sequence[Any], wanted: Container[str]) -> None:
        """Like `decorate`, told which fields are shown: overridden where filling one of them costs a query."""
        self.decorate(call, messages)

    def veiled(self, call: Call) -> frozenset[str]:
        """Fields that `kept_back` may name for this caller: not compared, sorted or counted by."""
        return frozenset()

    def kept_back(self, call: Call, record_ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Fields that the caller does not see of some of these records by more than rules and pools say, by id: what
        `decorate` takes out of them, the log of changes leaves out."""
        return {}

    def may_delete(self, call: Call, row: Row) -> None:
        """Refuse a deletion for reasons beyond dependents."""

    def may_delete_many(self, call: Call, rows: Sequence[Row]) -> None:
        """The same for each, refused if one is: overridden instead where several are cheaper to look at at once."""
        for row in rows:
            self.may_delete(call, row)

    def export_besides(self, call: Call, row: Row) -> Iterable[tuple[str, dict[str, Any]]]:
        """What is known of a person beside records, as (kind, what): part of an export."""
        return ()

    def erase_besides(self, call: Call, before: Row, after: Row) -> None:
        """Something to erase beside the columns of the contract. `after` is stored already."""
