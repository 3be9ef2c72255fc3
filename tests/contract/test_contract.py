"""R28: protos, rights, routes and OpenAPI document say the same, all of it."""

import re
from functools import cache
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from crm import rule_pb2
from crm_kit import audit
from gateway import create_app
from gateway.comments import comments
from gateway.contract import SERVICES, address, methods, operations, records
from gateway.openapi import build
from gateway.settings import Settings
from identity import rights

pytestmark = pytest.mark.figure("R28")

ACTIONS = {
    "read",
    "create",
    "update",
    "delete",
    "approve",
    "assign",
    "import",
    "export",
    "print",
    "configure",
    "reveal",
    "view_as",
}
NOT_RECORDS = {
    "customer_brief",  # what is seen of customers beyond one's scope
    "report",  # numbers over everything in scope
    "{record_type}",  # any of them
}
ANNOUNCED_PARTS = {
    "custom_field",
    "dictionary_entry",
    "number_format",
    "pool_share",
    "team_member",
    "job",
    "act",
    "follower",
}  # of records
OWN_ROUTES = {
    "/",
    "/docs",
    "/docs.js",
    "/why",
    "/why.js",
    "/pages.css",
    "/openapi.json",
    "/livez",
    "/readyz",
    "/metrics",
}
OF_THE_RECORD = {"id", "etag"}

RPCS = [method for _, method in methods()]
RECORDS = records()


@cache
def document() -> dict[str, Any]:
    return build()


@cache
def routes() -> set[tuple[str, str]]:
    """Verb and path of every route, with parameters as the document writes them."""
    app = create_app(Settings())
    found = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<part:(?:\w*__)?(\w+?)>", lambda name: "{" + camel(name[1]) + "}", rule.rule)
        found |= {(verb, path) for verb in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    return found


def camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def rule(method: Any) -> Any:
    return method.GetOptions().Extensions[rule_pb2.rule]


def reachable() -> set[str]:
    """Messages that an RPC takes or answers, with their parts."""
    found: set[str] = set()
    left = [part for method in RPCS for part in (method.input_type, method.output_type)]
    while left:
        message = left.pop()
        if message.full_name not in found:
            found.add(message.full_name)
            left += [field.message_type for field in message.fields if field.message_type]
    return found


def names(methods: Any) -> Any:
    return pytest.mark.parametrize("method", methods, ids=[method.full_name for method in methods])


@names(RPCS)
def test_every_rpc_says_who_may_call_it_what_it_does_and_where(method):
    assert rule(method).WhichOneof("who"), "has no rule"
    assert comments().get(method.full_name), "has no comment"
    assert address(method), "has no address"
    assert not method.client_streaming
    assert not method.server_streaming


@names([method for method in RPCS if rule(method).WhichOneof("who") == "right"])
def test_every_right_is_an_action_on_a_known_resource(method):
    resource, _, action = rule(method).right.partition(".")

    assert action in ACTIONS
    assert resource in RECORDS or resource in NOT_RECORDS
    if resource == "{record_type}":
        assert "record_type" in method.input_type.fields_by_name


@names([method for method in RPCS if rule(method).also])
def test_every_right_looked_at_besides_is_one_that_can_be_given(method):
    for right in rule(method).also:
        resource, _, action = right.partition(".")
        assert action in ACTIONS
        assert right in rights.every() or resource == "{record_type}"


@names([method for method in RPCS if rule(method).parts])
def test_every_part_of_an_answer_has_a_service_labels_and_an_address_of_the_contract(method, measured):
    parts = rule(method).parts
    known = {path for verb, path in routes() if verb == "GET"}

    assert len({part.code for part in parts}) == len(parts)
    for part in parts:
        assert part.service in SERVICES.values()
        assert re.search("[\u4e00-\u9fff]", part.zh)
        assert part.en
        assert not part.right or part.right in rights.every()
        path, _, query = part.address.partition("?")
        assert any(re.fullmatch(re.sub(r"\\{\w+\\}", r"\\{id\\}", re.escape(one)), path) for one in known), path
        assert not query or query.startswith("filter=")
    measured(f"{len(parts)} parts of {len({part.service for part in parts})} services")


@names([method for method in RPCS if rule(method).announces])
def test_what_is_announced_is_something_that_happened_to_a_record(method):
    for announced in rule(method).announces:
        kind, _, action = announced.partition(".")
        assert kind in RECORDS or kind in ANNOUNCED_PARTS
        assert re.fullmatch(r"[a-z][a-z_]*", action)


@names([method for method in RPCS if rule(method).audited])
def test_what_is_told_to_the_audit_trail_has_a_known_action(method):
    assert audit.action_of(method, rule(method)) in ACTIONS


@names([operation.method for operation in operations()])
def test_the_names_in_the_address_are_fields_of_the_request(method):
    operation = next(each for each in operations() if each.method is method)
    fields = operation.request.DESCRIPTOR.fields_by_name
    assert operation.body in ("", "*") or operation.body in fields
    assert (operation.verb in ("GET", "DELETE")) == (operation.body == "")
    for dotted in re.findall(r"\{(.+?)\}", operation.path):
        message = operation.request.DESCRIPTOR
        for name in dotted.split("."):
            assert name in message.fields_by_name
            message = message.fields_by_name[name].message_type
    assert not method.GetOptions().Extensions[_http()].additional_bindings


def _http() -> Any:
    from google.api import annotations_pb2

    return annotations_pb2.http


@pytest.mark.parametrize(
    "kind", sorted(kind for kind, (_, message) in RECORDS.items() if message.full_name in reachable())
)
def test_every_record_has_id_and_version_and_every_field_a_chinese_label(kind):
    message = RECORDS[kind][1]

    assert set(message.fields_by_name) >= OF_THE_RECORD
    assert [f.name for f in message.fields if not f.GetOptions().Extensions[rule_pb2.field].zh] == []
    assert comments().get(message.full_name), "has no comment"


def test_no_two_rpcs_share_a_route():
    found = [(operation.verb, re.sub(r"\{.+?\}", "{}", operation.path)) for operation in operations()]

    assert len(found) == len(set(found))


def test_routes_document_and_rpcs_are_the_same(measured):
    of_protos = {(operation.verb, operation.template) for operation in operations()}
    of_document = {(verb.upper(), path) for path, verbs in document()["paths"].items() for verb in verbs}
    of_app = {(verb, path) for verb, path in routes() if path not in OWN_ROUTES}

    assert of_protos == of_document == of_app
    assert len(of_protos) == len(RPCS)
    assert {path for _, path in routes()} >= OWN_ROUTES
    measured(f"{len(RPCS)} RPCs = {len(of_app)} routes = {len(of_document)} operations, {len(RECORDS)} record types")


def test_the_document_tells_each_right_and_event():
    told = {
        (verb.upper(), path): (operation["x-right"], operation["x-announces"])
        for path, verbs in document()["paths"].items()
        for verb, operation in verbs.items()
    }

    for operation in operations():
        who = operation.rule.WhichOneof("who")
        right = operation.rule.right if who == "right" else who
        assert told[operation.verb, operation.template] == (right, list(operation.rule.announces))


def test_only_public_operations_go_without_a_token():
    for operation in operations():
        said = document()["paths"][operation.template][operation.verb.lower()]
        assert (said["security"] == []) == operation.rule.public


def test_the_document_is_openapi_3_1():
    assert [error.message for error in OpenAPIV31SpecValidator(document()).iter_errors()] == []


def test_every_operation_has_a_name_of_its_own():
    found = [op["operationId"] for verbs in document()["paths"].values() for op in verbs.values()]

    assert len(found) == len(set(found))


def _fields_of_records():
    """Every field of a record and of its parts."""
    found, waiting = {}, [message for _, message in RECORDS.values()]
    while waiting:
        message = waiting.pop()
        if message.full_name.startswith("crm.") and message.full_name not in found:
            found[message.full_name] = message
            waiting += [f.message_type for f in message.fields if f.message_type]
    return [f for _, message in sorted(found.items()) for f in message.fields]


def test_every_value_that_is_fixed_has_a_chinese_label():
    fixed = {f.full_name: f.GetOptions().Extensions[rule_pb2.field] for f in _fields_of_records()}
    fixed = {name: rule for name, rule in fixed.items() if rule.values}

    assert len(fixed) > 60
    assert [name for name, rule in fixed.items() if len(rule.values_zh) != len(rule.values)] == []
    latin = {label for rule in fixed.values() for label in rule.values_zh if label.isascii()}
    assert latin == {"OpenID Connect"}


def test_the_document_tells_what_fixed_values_are_called():
    state = document()["components"]["schemas"]["Visit"]["properties"]["state"]
    sex = document()["components"]["schemas"]["ContactInput"]["properties"]["sex"]

    assert state["enum"] == list(state["x-enum-zh"]) == list(state["x-enum-en"])
    assert (state["x-enum-zh"]["planned"], state["x-enum-en"]["checked_in"]) == ("计划中", "Checked in")
    assert (sex["enum"], sex["x-enum-zh"]) == (["male", "female", None], {"male": "男", "female": "女"})
