"""Field rules of roles: that they make sense, and that nobody opens a field to others that is closed to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any, cast

from google.api import field_behavior_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

from crm import rule_pb2
from crm_kit import errors, field_access
from crm_kit.access import Access
from crm_kit.errors import Problem
from crm_kit.field_access import HIDDEN, REQUIRED, FieldRules
from crm_kit.field_names import camel
from crm_protos import DESCRIPTORS
from crm_records.record import Row
from identity import rights
from identity.scopes import Power, role

ALWAYS = ("id", "etag")
"""What no rule is about: without them a record cannot be read or changed at all."""
CUSTOM = "custom."

errors.texts(
    {
        "field_has_no_rule": ("“{field}”不能设字段规则", "There are no rules for “{field}”"),
        "field_is_not_filled": (
            "“{field}”由系统填写，不能设为必填",
            "“{field}” is filled by the system, nobody is required to",
        ),
        "field_not_held": (
            "不能授予自己受限的字段：{resource}.{field}",
            "You cannot open a field to others that is closed to you: {resource}.{field}",
        ),
    }
)


@cache
def fields() -> dict[str, dict[str, bool]]:
    """Record type → its fields by the contract's name, and whether somebody fills them in."""
    found = {}
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        for message in file.message_type:
            kind = cast(rule_pb2.Record, message.options.Extensions[cast(Any, rule_pb2.record)]).type
            if kind:
                found[kind] = {f.name: _filled_in(f) for f in message.field}
    return found


def _filled_in(field: FieldDescriptorProto) -> bool:
    behaviour = field.options.Extensions[cast(Any, field_behavior_pb2.field_behavior)]
    computed = cast(rule_pb2.Field, field.options.Extensions[cast(Any, rule_pb2.field)]).computed
    return not computed and field_behavior_pb2.OUTPUT_ONLY not in behaviour


def settle(row: Row, known: Collection[Any]) -> None:
    """Write fields as the contract does; refuse rules beyond those `known` that can never hold."""
    problems: list[Problem] = []
    settled = []
    for i, rule in enumerate(row["field_rules"]):
        described = fields().get(rule["resource"])
        names = {camel(n): n for n in described or ()}
        settled.append({**rule, "field": names.get(rule["field"], rule["field"])})
        if settled[-1] not in known:
            problems += _problems(f"fieldRules[{i}]", settled[-1], described)
    if problems:
        raise errors.Invalid(*problems)
    row["field_rules"] = settled


def _problems(path: str, rule: dict[str, Any], described: dict[str, bool] | None) -> Iterator[Problem]:
    name = rule["field"]
    if described is None:
        yield Problem(f"{path}.resource", "unknown_resource", {"resource": rule["resource"]})
    elif name in ALWAYS:
        yield Problem(f"{path}.field", "field_has_no_rule", {"field": name})
    elif name.startswith(CUSTOM):
        # Which custom fields there are is known to the service that has them, and may change.
        if "custom" not in described or name == CUSTOM:
            yield Problem(f"{path}.field", "unknown_field", {"name": name})
    elif name not in described:
        yield Problem(f"{path}.field", "unknown_field", {"name": name})
    elif rule["rule"] == "required" and (name == "custom" or not described[name]):
        yield Problem(f"{path}.field", "field_is_not_filled", {"field": name})


def restricts(access: Access) -> bool:
    """Whether any field of anything is closed to a person in part."""
    return any(access.fields(resource) for resource in _resources(access))


def refuse_opening_role(access: Access, row: Row, before: Row | None) -> None:
    """PERMISSION_DENIED if a role comes to open a field that is closed to the caller."""
    old, new = role(before) if before else None, role(row)
    for resource in _resources(access):
        reads = _holds_any(new.rights, resource)
        if old is None and not reads:
            continue
        known = None
        if old is not None and (_holds_any(old.rights, resource) or not reads):
            known = field_access.combine([old], resource)
        _refuse(access, resource, field_access.combine([new], resource), known)


def refuse_opening(access: Access, after: Power, before: Power) -> None:
    """PERMISSION_DENIED if a person comes to see or change more of a field than the caller."""
    for resource in _resources(access):
        rules = _rules(after, resource)
        if rules is not None:
            _refuse(access, resource, rules, _rules(before, resource))


def _rules(power: Power, resource: str) -> FieldRules | None:
    """The field rules that a power comes to; None where it does not show the resource at all."""
    held = {*power.granted, *(right for r in power.roles for right in r.rights)}
    if not _holds_any(held, resource) or rights.holds(power.denied, f"{resource}.read"):
        return None
    return field_access.of(power.roles, resource)


def _refuse(access: Access, resource: str, after: FieldRules, before: FieldRules | None) -> None:
    """What is required of the caller is open to them: they may see and change it."""
    own = access.fields(resource)
    for name, states in own.fields.items():
        named = {*states, *after.fields.get(name, ()), *(before.fields.get(name, ()) if before else ())}
        for state in named:
            had = HIDDEN if before is None else before.level(name, state)
            if min(after.level(name, state), REQUIRED) > max(had, own.level(name, state)):
                raise errors.Denied("field_not_held", resource=resource, field=name)


def _resources(access: Access) -> Sequence[str]:
    """The record types that the caller's roles have rules for."""
    return sorted({rule["resource"] for r in access.roles for rule in r.field_rules})


def _holds_any(held: Collection[str], resource: str) -> bool:
    return any(right == "*" or right.partition(".")[0] == resource for right in held)
