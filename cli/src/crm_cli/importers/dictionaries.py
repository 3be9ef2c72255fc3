"""Dictionary entries that an import needs: those there are used, missing ones are added."""

from collections.abc import Iterable
from typing import NamedTuple

from crm_cli.client import Client, Refused


class Entry(NamedTuple):
    """One entry as the suite keeps it."""

    code: str
    label_zh: str
    label_en: str


def ensure(client: Client, record_type: str, dictionary: str, wanted: Iterable[Entry]) -> dict[str, str]:
    """Wanted code → code in the suite: the same one, or that of an entry with the same English label."""
    there = [
        entry
        for entry in client.get(f"/v1/records/{record_type}/dictionaries").get("entries") or []
        if entry["dictionary"] == dictionary and not entry.get("retired")
    ]
    codes = {entry["code"] for entry in there}
    labels = {entry["labelEn"].casefold(): entry["code"] for entry in there}
    found: dict[str, str] = {}
    for entry in wanted:
        if entry.code in codes:
            found[entry.code] = entry.code
        elif entry.label_en.casefold() in labels:
            found[entry.code] = labels[entry.label_en.casefold()]
        else:
            _create(client, record_type, dictionary, entry, len(codes) + len(found))
            found[entry.code] = entry.code
    return found


def _create(client: Client, record_type: str, dictionary: str, entry: Entry, position: int) -> None:
    body = {"code": entry.code, "labelZh": entry.label_zh, "labelEn": entry.label_en, "position": position}
    try:
        client.post(f"/v1/records/{record_type}/dictionaries/{dictionary}/entries", body)
    except Refused as refusal:
        if refusal.status != 409:  # somebody added it meanwhile, or retired it: then rows that use it say so
            raise
