"""JSON schemas of the messages. What is answered and what is sent differ: a request names what is required, may set
null to clear a field, and has no fields that only the service fills."""

from typing import Any, cast

from google.api import field_behavior_pb2 as behavior
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm import rule_pb2
from crm_kit.codec import labels, value_labels
from gateway.comments import comments

F = FieldDescriptor
Schema = dict[str, Any]

DEFAULT_LENGTH = 200
WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Any": {
        "type": "object",
        "required": ["@type"],
        "properties": {"@type": {"type": "string", "description": "The message, `type.googleapis.com/crm.….v1.…`."}},
    },
}
WHOLE: dict[int, Schema] = {
    F.TYPE_INT32: {"type": "integer", "format": "int32"},
    F.TYPE_SINT32: {"type": "integer", "format": "int32"},
    F.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    F.TYPE_INT64: {"type": "string", "pattern": "^-?[0-9]{1,19}$"},
    F.TYPE_SINT64: {"type": "string", "pattern": "^-?[0-9]{1,19}$"},
    F.TYPE_UINT64: {"type": "string", "pattern": "^[0-9]{1,20}$"},
}
PLAIN: dict[int, Schema] = {
    F.TYPE_STRING: {"type": "string"},
    F.TYPE_BOOL: {"type": "boolean"},
    F.TYPE_DOUBLE: {"type": "number", "format": "double"},
    F.TYPE_FLOAT: {"type": "number", "format": "float"},
    F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    **WHOLE,
}
FORMATS: dict[int, Schema] = {
    rule_pb2.FORMAT_DATE: {"format": "date"},
    rule_pb2.FORMAT_ID: {"format": "uuid"},
    rule_pb2.FORMAT_EMAIL: {"format": "email"},
    rule_pb2.FORMAT_URL: {"format": "uri"},
    rule_pb2.FORMAT_PHONE: {"format": "phone"},
    rule_pb2.FORMAT_MOBILE: {"format": "phone"},
    rule_pb2.FORMAT_CREDIT_CODE: {"pattern": "^[0-9A-HJ-NPQRTUWXY]{18}$"},
    rule_pb2.FORMAT_CODE: {"pattern": "^[a-z0-9_.-]+$"},
}
DECIMAL_DIGITS = 18


class Schemas:
    """The components of the document, filled as operations name them."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._owners: dict[str, tuple[str, str]] = {}

    def answer(self, message: Descriptor) -> Schema:
        return self._named(message, "answer", _short(message))

    def request(self, message: Descriptor) -> Schema:
        return self._named(message, "request", f"{_short(message)}Input")

    def change(self, message: Descriptor) -> Schema:
        return self._named(message, "change", f"{_short(message)}Change")

    def body(self, message: Descriptor, name: str, left_out: set[str]) -> Schema:
        """A request without what the path tells."""
        return self._named(message, "request", name, left_out)

    def _named(self, message: Descriptor, use: str, name: str, left_out: set[str] = frozenset()) -> Schema:  # type: ignore[assignment]
        if message.full_name in WELL_KNOWN:
            return dict(WELL_KNOWN[message.full_name])
        owner = (message.full_name, use)
        if self._owners.setdefault(name, owner) != owner:
            raise ValueError(f"two messages are called {name}: {owner[0]} and {self._owners[name][0]}")
        if name not in self.components:
            self.components[name] = {}  # stands already while its fields are written, as types may recur
            self.components[name] = self._object(message, use, left_out)
        return {"$ref": f"#/components/schemas/{name}"}

    def _object(self, message: Descriptor, use: str, left_out: set[str]) -> Schema:
        schema: Schema = {"type": "object"}
        if text := comments().get(message.full_name):
            schema["description"] = text
        fields = [f for f in message.fields if f.name not in left_out and not (use != "answer" and _output_only(f))]
        schema["properties"] = {field.json_name: self.field(field, use) for field in fields}
        if use != "answer":
            schema["additionalProperties"] = False
        required = [f.json_name for f in fields if required_field(f)]
        if use == "request" and required:
            schema["required"] = required
        return schema

    def field(self, field: FieldDescriptor, use: str) -> Schema:
        """Type, checks and labels of one field."""
        schema = self._values(field, use)
        if text := comments().get(field.full_name):
            schema["description"] = text
        zh, en = labels(field)
        if zh != en:
            schema["title"], schema["x-title-zh"] = en, zh
        if use == "answer":
            if _output_only(field):
                schema["readOnly"] = True
        elif use != "query" and not required_field(field):
            schema = _nullable(schema)
        return schema

    def _values(self, field: FieldDescriptor, use: str) -> Schema:
        entry = field.message_type
        if entry and entry.GetOptions().map_entry:
            return {"type": "object", "additionalProperties": self._one(entry.fields_by_name["value"], use)}
        one = self._one(field, use)
        return {"type": "array", "items": one} if field.is_repeated else one

    def _one(self, field: FieldDescriptor, use: str) -> Schema:
        if field.message_type:
            named = self.answer if use == "answer" else self.request
            return named(field.message_type)
        if field.enum_type:
            return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
        return {**PLAIN[field.type], **_checks(field)}


def _checks(field: FieldDescriptor) -> Schema:
    """What `(crm.field)` says of the values."""
    options = field.GetOptions()
    if not options.HasExtension(cast(Any, rule_pb2.field)):
        return {}
    rule: Any = options.Extensions[cast(Any, rule_pb2.field)]
    checks: Schema = {}
    if field.type == F.TYPE_STRING:
        if rule.format == rule_pb2.FORMAT_DECIMAL:
            scale = rule.scale or 2
            checks["pattern"] = rf"^-?[0-9]{{1,{DECIMAL_DIGITS - scale}}}(\.[0-9]{{1,{scale}}})?$"
        else:
            checks |= {"maxLength": rule.max_length or DEFAULT_LENGTH, **FORMATS.get(rule.format, {})}
        if rule.values:
            checks = {"enum": list(rule.values)}
            if rule.values_zh:
                for which, language in enumerate(("zh", "en")):
                    called = [both[which] for both in value_labels(field)]
                    checks[f"x-enum-{language}"] = dict(zip(rule.values, called, strict=True))
    elif field.type in WHOLE:
        checks |= {name: int(value) for name, value in (("minimum", rule.min), ("maximum", rule.max)) if value}
    for name in ("dictionary", "references"):
        if value := getattr(rule, name):
            checks[f"x-{name}"] = value
    return checks


def _nullable(schema: Schema) -> Schema:
    """The same, or null for "unset"."""
    if "$ref" in schema:
        return {"anyOf": [{"$ref": schema.pop("$ref")}, {"type": "null"}], **schema}
    if "type" in schema:
        schema["type"] = [schema["type"], "null"]
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return schema


def required_field(field: FieldDescriptor) -> bool:
    """An etag may be given as If-Match instead."""
    return behavior.REQUIRED in behaviors(field) and field.name != "etag"


def _output_only(field: FieldDescriptor) -> bool:
    return behavior.OUTPUT_ONLY in behaviors(field)


def behaviors(field: FieldDescriptor) -> Any:
    return field.GetOptions().Extensions[cast(Any, behavior.field_behavior)]


def _short(message: Descriptor) -> str:
    """`CountCustomersResponse.Group` → CountCustomersResponseGroup."""
    return message.full_name.removeprefix(f"{message.file.package}.").replace(".", "")
