"""How encrypted values are found: by their exact value, however it is spelt.

Each table with encrypted fields has a column `blind_index`: keyed hashes of its values in one spelling. They are asked
for by filters and by the search box; see `crm_kit.sealing`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Table

from crm import rule_pb2
from crm_kit import sealing
from crm_kit.sealing import Keyring
from crm_records import fields as kinds
from crm_records import search
from crm_records.fields import Field

COLUMN = "blind_index"
_BETWEEN = re.compile(r"[\s\-.·]+")
_NUMBER = re.compile(r"\d+x?")
_FORMS: dict[int, re.Pattern[str]] = {
    **dict.fromkeys(kinds.PHONES, re.compile(r"[\d\s\-()+.]{5,40}")),
    rule_pb2.FORMAT_EMAIL: re.compile(r"[^\s@]+@[^\s@]+"),
    rule_pb2.FORMAT_IDENTITY_NUMBER: re.compile(r"[\dx\s\-]{15,30}"),
}
"""What words must look like to be a value of a format at all."""


class Index:
    """The blind index of one table."""

    def __init__(self, table: str, fields: Iterable[Field]) -> None:
        self._table = table
        self._fields = {f.name: f for f in fields if f.encrypted and f.kind == kinds.TEXT}
        self._addresses = [n for n, f in self._fields.items() if f.format == rule_pb2.FORMAT_EMAIL]

    def tokens(self, keys: Keyring, connection: Connection, row: Mapping[str, Any]) -> list[str]:
        """What a row is found by, from its plain values."""
        values = [self._value(f, row[n]) for n, f in self._fields.items() if row.get(n)]
        for name in self._addresses:
            values += self.domains(name, [domain] if (domain := domain_of(row.get(name) or "")) else [])
        return keys.tokens(connection, values) if values else []

    def values(self, name: str, texts: Iterable[str]) -> list[tuple[str, str]]:
        """What to look for where a field is to equal one of the texts."""
        return [self._value(self._fields[name], text) for text in texts]

    def domains(self, name: str, domains: Iterable[str]) -> list[tuple[str, str]]:
        """What to look for where a field with an address is to be under one of the domains."""
        return [(f"{self._table}.{name}@", domain) for domain in domains]

    def searched(self, names: Iterable[str], words: str) -> list[tuple[str, str]]:
        """What to look for where words may be the whole value of one of these fields."""
        text = search.normal(words)
        fields = [self._fields[n] for n in names if n in self._fields]
        return [self._value(f, text) for f in fields if f.format not in _FORMS or _FORMS[f.format].fullmatch(text)]

    def _value(self, field: Field, text: str) -> tuple[str, str]:
        return f"{self._table}.{field.name}", normal(field.format, text)


def put(table: Table, fields: Iterable[Field]) -> None:
    """Give a table its index, and the change of keys a way to make it anew."""
    index = table.info[COLUMN] = Index(table.name, fields)

    def again(keys: Keyring, connection: Connection, plain: Mapping[str, bytes]) -> list[str]:
        return index.tokens(keys, connection, {n: value.decode() for n, value in plain.items()})

    table.info["tokens"] = again


def of(table: Table) -> Index:
    """The index of a table with encrypted fields."""
    index: Index = table.info[COLUMN]
    return index


def sought(connection: Connection, values: Iterable[tuple[str, str]]) -> list[str]:
    """What `blind_index` holds where one of the values stands."""
    wanted = list(values)
    return sealing.of(connection).sought(connection, wanted) if wanted else []


def domain_of(address: str) -> str:
    """What stands behind the @ of an address; empty where there is none."""
    return search.normal(address).rpartition("@")[2] if "@" in address else ""


def normal(form: int, text: str) -> str:
    """One spelling for everything that means the same value."""
    match form:
        case rule_pb2.FORMAT_PHONE | rule_pb2.FORMAT_MOBILE:
            return phone(text)
        case rule_pb2.FORMAT_IDENTITY_NUMBER:
            return _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper()
    plain = search.normal(text)
    number = _BETWEEN.sub("", plain)
    return number if _NUMBER.fullmatch(number) else plain  # an account is the same in groups of four


def phone(text: str) -> str:
    """A number as it is dialled in China: no separators, no 86 before it, the area code with its 0."""
    number = re.sub(r"[^\d+]", "", unicodedata.normalize("NFKC", text))
    number = re.sub(r"^00", "+", number)
    number = "+" * number.startswith("+") + number.replace("+", "")
    if re.fullmatch(r"861[3-9]\d{9}", number):
        return number[2:]
    if not number.startswith("+86"):
        return number
    number = number[3:]
    as_it_is = number.startswith("0") or re.fullmatch(r"1\d{10}|[48]00\d{7}", number)
    return number if as_it_is else f"0{number}"
