"""The comments of the protos, which say what a field means and when an RPC refuses."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from crm_protos import DESCRIPTORS

MESSAGE, ENUM, SERVICE = 4, 5, 6
FIELD, NESTED, VALUE, METHOD = 2, 3, 2, 2


@cache
def comments() -> dict[str, str]:
    """Full name → its comment, as one text."""
    found: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        if file.name.startswith("crm/"):
            said = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
            for path, name in _names(file):
                if text := said.get(path, "").strip():
                    found[name] = " ".join(line.strip() for line in text.splitlines())
    return found


def _names(file: Any) -> Iterator[tuple[tuple[int, ...], str]]:
    for index, message in enumerate(file.message_type):
        yield from _message((MESSAGE, index), f"{file.package}.{message.name}", message)
    for index, enum in enumerate(file.enum_type):
        yield from _parts((ENUM, index), f"{file.package}.{enum.name}", VALUE, enum.value)
    for index, service in enumerate(file.service):
        yield from _parts((SERVICE, index), f"{file.package}.{service.name}", METHOD, service.method)


def _message(path: tuple[int, ...], name: str, message: Any) -> Iterator[tuple[tuple[int, ...], str]]:
    yield from _parts(path, name, FIELD, message.field)
    for index, nested in enumerate(message.nested_type):
        yield from _message((*path, NESTED, index), f"{name}.{nested.name}", nested)


def _parts(path: tuple[int, ...], name: str, kind: int, parts: Any) -> Iterator[tuple[tuple[int, ...], str]]:
    yield path, name
    for index, part in enumerate(parts):
        yield (*path, kind, index), f"{name}.{part.name}"
