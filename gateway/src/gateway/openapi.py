"""The OpenAPI 3.1 document, made from the same operations as the routes."""

from functools import cache
from typing import Any

import orjson

from gateway.comments import comments
from gateway.contract import PARAMETER, Operation, operations
from gateway.problems import CONTENT_TYPE
from gateway.reading import query_fields
from gateway.routes import location
from gateway.schemas import Schema, Schemas, required_field

TITLE, VERSION = "CRM", "v1"
DESCRIPTION = """\
Every operation of the suite. Times are RFC 3339 in UTC, amounts decimal text, names camelCase; fields that are
not set are left out. A change names the version it was read with (`If-Match`, or `etag` in the query or the body):
412 where it is out of date, 428 where it is missing. A write that carries `Idempotency-Key` may be sent again and
has one effect. Errors are `application/problem+json` and name every wrong field, in Chinese or English by
`Accept-Language`."""

PROBLEM: Schema = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "reason", "requestId"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string", "description": "For programs: what was refused, in capitals."},
        "requestId": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message", "reason"],
                "properties": {
                    "field": {"type": "string", "description": "Path in the JSON document, `lines[2].unitPrice`."},
                    "message": {"type": "string"},
                    "reason": {"type": "string"},
                },
            },
        },
    },
}
REFUSED: Schema = {
    "description": "What was refused, and why",
    "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
HEADER_PARAMETERS: dict[str, Schema] = {
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "description": "The version that was read, in quotes.",
        "schema": {"type": "string", "maxLength": 200},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A repeat with the same key gets the first answer.",
        "schema": {"type": "string", "pattern": "^[!-~]{8,100}$"},
    },
    "Accept-Language": {
        "name": "Accept-Language",
        "in": "header",
        "description": "zh-CN (default) or en.",
        "schema": {"type": "string", "maxLength": 200},
    },
}


@cache
def document() -> bytes:
    """The document as it is served."""
    return orjson.dumps(build())


def build() -> dict[str, Any]:
    schemas, paths = Schemas(), dict[str, Any]()
    for operation in operations():
        paths.setdefault(operation.template, {})[operation.verb.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": _tags(),
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Problem": PROBLEM, **dict(sorted(schemas.components.items()))},
            "parameters": HEADER_PARAMETERS,
            "responses": {"Problem": REFUSED},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _tags() -> list[Schema]:
    services = {op.method.containing_service.full_name: op for op in operations()}
    return [{"name": _tag(op), "description": comments().get(name, "")} for name, op in services.items()]


def _tag(operation: Operation) -> str:
    return operation.method.containing_service.name.removesuffix("Service")


def _operation(operation: Operation, schemas: Schemas) -> Schema:
    text = comments().get(operation.method.full_name, "")
    name = operation.method.name
    who = operation.rule.WhichOneof("who")
    said: Schema = {
        "operationId": name[0].lower() + name[1:],
        "summary": text.partition(". ")[0].rstrip("."),
        "description": text,
        "tags": [_tag(operation)],
        "parameters": _parameters(operation, schemas),
        "responses": _responses(operation, schemas),
        "security": [] if who == "public" else [{"bearer": []}],
        "x-right": operation.rule.right if who == "right" else who,
        "x-announces": list(operation.rule.announces),
        "x-service": _who_answers(operation),
    }
    if operation.takes_file:
        whole = {"schema": {"type": "string", "format": "binary"}}
        said["requestBody"] = {"required": True, "content": {"*/*": whole}, "description": "The file as it is."}
    elif operation.body:
        schema = _body(operation, schemas)
        required = "required" in schemas.components.get(schema.get("$ref", "").rpartition("/")[2], {})
        said["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
        if operation.rule.oauth:
            fields = {field.name: {"type": "string"} for field in operation.request.DESCRIPTOR.fields}
            form = {"schema": {"type": "object", "properties": fields}}
            said["requestBody"]["content"]["application/x-www-form-urlencoded"] = form
    return said


def _who_answers(operation: Operation) -> str:
    if operation.everywhere:
        return "every service with records"
    return operation.service or "the owner of the record type"


def _parameters(operation: Operation, schemas: Schemas) -> list[Schema]:
    found = []
    for dotted in PARAMETER.findall(operation.path):
        message = operation.request.DESCRIPTOR
        *holders, leaf = dotted.split(".")
        for holder in holders:
            message = message.fields_by_name[holder].message_type
        field = message.fields_by_name[leaf]
        schema = {"minLength": 1, **schemas.field(field, "query")}
        found.append({"name": field.json_name, "in": "path", "required": True, "schema": schema})
    for field in query_fields(operation):
        schema = schemas.field(field, "query")
        place = {"name": field.json_name, "in": "query", "required": required_field(field), "schema": schema}
        if text := schema.pop("description", ""):
            place["description"] = text
        found.append(place)
    wanted = ["Accept-Language"]
    if operation.verb != "GET":
        wanted.append("Idempotency-Key")
        if "etag" in operation.request.DESCRIPTOR.fields_by_name:
            wanted.append("If-Match")
    return [*found, *({"$ref": f"#/components/parameters/{name}"} for name in wanted)]


def _body(operation: Operation, schemas: Schemas) -> Schema:
    message = operation.request.DESCRIPTOR
    if operation.body != "*":
        part = message.fields_by_name[operation.body].message_type
        return schemas.change(part) if operation.verb == "PATCH" else schemas.request(part)
    return schemas.body(message, f"{operation.method.name}Body", set(PARAMETER.findall(operation.path)))


def _responses(operation: Operation, schemas: Schemas) -> Schema:
    message = operation.response.DESCRIPTOR
    answer: Schema
    if operation.is_file:
        name = {"description": "Its name", "schema": {"type": "string"}}
        answer = {"description": "The file", "content": {"*/*": {}}, "headers": {"Content-Disposition": name}}
    else:
        answer = {"description": "Done", "content": {"application/json": {"schema": schemas.answer(message)}}}
    if "etag" in message.fields_by_name:
        answer["headers"] = {"ETag": {"description": "The record's version", "schema": {"type": "string"}}}
    refused = {"400", "429", "503", "504"}
    who = operation.rule.WhichOneof("who")
    refused |= set() if who == "public" else {"401"}
    refused |= {"403"} if who == "right" else set()
    refused |= {"404"} if PARAMETER.search(operation.path) else set()
    refused |= {"409", "422"} if operation.verb != "GET" else set()
    refused |= {"413", "415"} if operation.body else set()
    if operation.verb != "GET" and "etag" in operation.request.DESCRIPTOR.fields_by_name:
        refused |= {"412", "428"}
    return {
        "201" if location(operation) else "200": answer,
        **{code: {"$ref": "#/components/responses/Problem"} for code in [*sorted(refused), "default"]},
    }
