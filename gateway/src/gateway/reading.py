"""From an HTTP request to the RPC's request, compiled once per operation.

Path parameters, query parameters and body fill one message; every wrong field of all three is named at once.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_kit import errors
from crm_kit.codec import filler
from crm_kit.errors import Problem
from gateway.contract import PARAMETER, Operation
from gateway.limits import read_body
from gateway.problems import Refused
from gateway.settings import Settings

_WHOLE = re.compile(r"-?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?", re.ASCII)
_ETAG = re.compile(r'(?:W/)?"([^"]*)"')
_JSON = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(?:;.*)?", re.ASCII | re.IGNORECASE)
_F = FieldDescriptor
_FLOATS = (_F.TYPE_DOUBLE, _F.TYPE_FLOAT)
_NO_NUMBERS = (_F.TYPE_STRING, _F.TYPE_BYTES, _F.TYPE_BOOL, _F.TYPE_ENUM, _F.TYPE_MESSAGE)
QUERY_FIELDS = 100

Read = Callable[[dict[str, Any], dict[str, str]], Any]


def reader(operation: Operation, settings: Settings) -> Read:
    """The function that makes the request message from (WSGI environ, path parameters)."""
    kind: Descriptor = operation.request.DESCRIPTOR
    make, fill, body = operation.request, filler(kind), operation.body
    parameters = [(name.replace(".", "__"), name.split(".")) for name in PARAMETER.findall(operation.path)]
    query = query_fields(operation)
    names = {name: field for field in query for name in (field.name, field.json_name)}
    limit = settings.bulk_body_limit if operation.bulk else settings.body_limit
    has_etag = "etag" in kind.fields_by_name
    masked = operation.verb == "PATCH" and "update_mask" in kind.fields_by_name
    if operation.takes_file:
        limit = settings.upload_limit
    part = kind.fields_by_name[body] if body not in ("", "*") else None
    fill_part = filler(part.message_type) if part else fill

    def read(environ: dict[str, Any], args: dict[str, str]) -> Any:
        request = make()
        problems: list[Problem] = []
        if text := environ["QUERY_STRING"]:
            fill(request, _query(text, names, problems), "", 1, problems)
        if operation.takes_file:
            _file(environ, limit, getattr(request, body))
        elif body:
            document = _document(environ, limit)
            target = getattr(request, body) if part else request
            if part:
                target.SetInParent()
            fill_part(target, document, "", 1, problems)
            if masked and not problems:
                _mask(request, target, document, parameters, has_etag)
        if problems:
            raise errors.Invalid(*problems)
        for key, path in parameters:
            holder = request
            for name in path[:-1]:
                holder = getattr(holder, name)
            setattr(holder, path[-1], args[key])
        if has_etag and not request.etag and (given := environ.get("HTTP_IF_MATCH")):
            request.etag = _etag(given)
        return request

    return read


def query_fields(operation: Operation) -> list[FieldDescriptor]:
    """The fields of the request that are told in the query: what neither path nor body gives."""
    if operation.body == "*":
        return []
    taken = {name.partition(".")[0] for name in PARAMETER.findall(operation.path)} | {operation.body, "update_mask"}
    return [field for field in operation.request.DESCRIPTOR.fields if field.name not in taken]


def _query(text: str, names: dict[str, FieldDescriptor], problems: list[Problem]) -> dict[str, Any]:
    """Query parameters as the JSON document they stand for."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=QUERY_FIELDS)
    except ValueError:  # too many, or no UTF-8
        raise errors.Invalid(key="bad_query") from None
    data: dict[str, Any] = {}
    for name, value in pairs:
        field = names.get(name)
        if field is None:
            problems.append(Problem(name[:60], "unknown_field", {"name": name[:60]}))
        elif field.is_repeated:
            data.setdefault(field.json_name, []).append(_value(field, value))
        elif field.json_name in data:
            problems.append(Problem(field.json_name, "given_twice", {"name": field.json_name}))
        else:
            data[field.json_name] = _value(field, value)
    return data


def _value(field: FieldDescriptor, text: str) -> Any:
    """A text that does not fit stays text, and is then refused like a JSON text in its place."""
    if field.type == _F.TYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    if field.type in _FLOATS:
        return float(text) if _NUMBER.fullmatch(text) else text
    if field.type not in _NO_NUMBERS:
        return int(text) if _WHOLE.fullmatch(text) else text
    return text


def _document(environ: dict[str, Any], limit: int) -> dict[str, Any]:
    """The JSON object of the body; none at all is an empty one, for verbs that need no content."""
    body = read_body(environ, limit)
    if not body:
        return {}
    if not _JSON.fullmatch(environ.get("CONTENT_TYPE", "")):
        raise Refused("unsupported_media_type")
    if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise Refused("unsupported_media_type")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise errors.Invalid(key="bad_json") from None
    if type(document) is not dict:
        raise errors.Invalid(key="not_an_object")
    return document


def _file(environ: dict[str, Any], limit: int, target: Any) -> None:
    """The body as the file that it is, under the type that the client gives it."""
    if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise Refused("unsupported_media_type")
    kind = environ.get("CONTENT_TYPE", "")
    if len(kind) > 200 or kind.lower().startswith("multipart/"):
        raise Refused("unsupported_media_type")
    target.content_type, target.data = kind, read_body(environ, limit)


def _mask(
    request: Any, target: Any, document: dict[str, Any], parameters: list[tuple[str, list[str]]], has_etag: bool
) -> None:
    """What a PATCH changes is what its body names; the version it was read with is a condition, not a change."""
    fields = target.DESCRIPTOR
    by_name = {**fields.fields_by_camelcase_name, **fields.fields_by_name}
    skipped = {path[-1] for _, path in parameters if len(path) > 1}
    if has_etag and "etag" in document:
        skipped.add("etag")
        request.etag = request.etag or target.etag
    paths: dict[str, None] = {}
    for key, value in document.items():
        name = by_name[key].name
        if name == "custom" and type(value) is dict:
            paths.update(dict.fromkeys(f"custom.{inner}" for inner in value))
        elif name not in skipped:
            paths[name] = None
    request.update_mask.paths.extend(paths)


def _etag(given: str) -> str:
    """`"7"`, `W/"7"` or a bare 7. `*` names no version, and we ask for one."""
    quoted = _ETAG.fullmatch(given.strip())
    found = quoted[1] if quoted else given.strip()
    return "" if found == "*" else found.encode("latin-1").decode("utf-8", "replace")[:200]


errors.texts(
    {
        "bad_query": ("查询参数有误", "The query parameters are wrong"),
        "given_twice": ("{name} 只能给出一次", "{name} may be given once"),
    }
)
