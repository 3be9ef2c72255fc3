"""What a new installation starts with. Added where it is missing, never put back once an administrator changed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from crm_kit.rpc import Call
from crm_records import definitions, dictionaries

Entry = tuple[str, str, str]
"""(code, Chinese, English)"""


def dictionary_entries(call: Call, wanted: Mapping[str, Sequence[Entry]]) -> None:
    """Entries of dictionaries, in their order; announced like those that an administrator adds."""
    table = dictionaries.entry
    known = {(row.dictionary, row.code) for row in call.connection.execute(select(table.c.dictionary, table.c.code))}
    for dictionary, entries in wanted.items():
        for position, (code, zh, en) in enumerate(entries):
            if (dictionary, code) in known:
                continue
            values = {"dictionary": dictionary, "code": code, "label_zh": zh, "label_en": en, "position": position}
            row = call.connection.execute(
                insert(table).values(**values, retired=False, version=1).on_conflict_do_nothing().returning(table)
            ).one_or_none()
            if row is not None:
                definitions.announce(call, "dictionary_entry", "created", definitions.entry_message(row), 1)
    call.after_commit.append(dictionaries.KEPT.forget)
