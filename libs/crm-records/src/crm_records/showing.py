"""Which fields of a record are shown, and the columns that they are read from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from crm_kit import errors
from crm_records.record import Record


@lru_cache(maxsize=1000)
def chosen_fields(record: Record, wanted: str, default: Sequence[str]) -> tuple[str, ...]:
    """The fields of a comma-separated list; the default ones where it is empty, all where there are none."""
    if not wanted.strip():
        return tuple(default or record.fields)
    if wanted.strip() == "*":
        return tuple(record.fields)
    by_json = {f.json_name: n for n, f in record.fields.items()}
    names = []
    for one in (w.strip() for w in wanted.split(",")):
        name = one if one in record.fields else by_json.get(one)
        if name is None:
            raise errors.Invalid(errors.Problem("fields", "unknown_field", {"name": one[:60]}))
        names.append(name)
    return tuple(names)


@lru_cache(maxsize=1000)
def columns_of(record: Record, names: Sequence[str]) -> tuple[str, ...]:
    """The columns that hold fields or what they are made of; `id` and the version come along."""
    stored = [c for n in names for c in ((n,) if n in record.stored else record.made_of.get(n, ()))]
    return tuple(dict.fromkeys(["id", *stored, "version"]))
