"""API clients: programs that call in their own name. They are given rights like a role, never more than one has."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from typing import Any

from crm.identity.v1 import api_clients_pb2 as pb
from crm_kit import errors, policy
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Dependent, Record, Row
from identity import giving, trees
from identity.departments import DEPARTMENTS
from identity.roles import refuse_unknown
from identity.tables import api_client, department

errors.texts(
    {
        "client_manages_client": (
            "API 客户端不能管理 API 客户端",
            "An API client cannot manage API clients",
        ),
        "scope_not_for_client": (
            "API 客户端没有下属和自己的数据，范围只能是 {choices}",
            "An API client has neither subordinates nor records of its own; its scope is one of {choices}",
        ),
        "scope_needs_department": (
            "部门范围要求填写客户端的部门",
            "A scope by department needs the department of the client",
        ),
        "bad_fingerprint": (
            "证书指纹应为 64 位十六进制 SHA-256",
            "The fingerprint is the SHA-256 of the certificate, 64 hexadecimal digits",
        ),
    }
)

RELATIVE = ("department", "department_tree")
SCOPES = ("all", "chosen", *RELATIVE)


class ApiClients(Record):
    """See the contract for the fields."""

    message = pb.ApiClient
    table = api_client
    plural = "api_clients"
    made_of = {"client_id": ("id",)}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        DEPARTMENTS.dependents.append(Dependent(api_client.c.department_id, self.label))

    def decorate_wanted(self, call: Call, messages: Sequence[Any], wanted: Container[str]) -> None:
        if "client_id" in wanted:
            for message in messages:
                message.client_id = message.id

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is not None:
            refuse_mightier(call, before)
        row["rights"] = list(dict.fromkeys(row["rights"]))
        row["certificate_sha256"] = _fingerprint(row["certificate_sha256"])
        problems = list(_problems(row))
        if problems:
            raise errors.Invalid(*problems)
        old = set(before["rights"]) if before else set()
        refuse_unknown(call, row, set(row["rights"]) - old)
        if row["department_id"]:
            trees.hold(call, self, row, trees.unless_restored(before), "department_id", department)
        refuse_mightier(call, row)

    def may_delete(self, call: Call, row: Row) -> None:
        refuse_mightier(call, row)


API_CLIENTS = ApiClients()


UNLIMITED: Row = {"field_rules": [], "policy": None}
"""A client is as a role that hides no field and may be used at any time."""


def refuse_mightier(call: Call, row: Row) -> None:
    """PERMISSION_DENIED for a client that has more than the caller: whoever makes its secret has all of it.

    A client manages none: it would give away what it may do without the limits that it has itself.
    """
    if call.access.client:
        raise errors.Denied("client_manages_client")
    giving.refuse_stronger_role(call, {**row, **UNLIMITED}, None)
    if row["department_id"]:
        tree = any(s["scope"] == "department_tree" for s in row["scopes"])
        here = row["department_id"]
        giving.refuse_beyond_reach(
            call, set(), trees.below(call, department, "parent_id", here) if tree else {str(here)}
        )


def _problems(row: Row) -> Iterator[Problem]:
    for i, scope in enumerate(row["scopes"]):
        if scope["scope"] not in SCOPES:
            yield Problem(f"scopes[{i}].scope", "scope_not_for_client", {"choices": ", ".join(SCOPES)})
        elif scope["scope"] in RELATIVE and not row["department_id"]:
            yield Problem("departmentId", "scope_needs_department")
    for i, address in enumerate(row["allowed_addresses"]):
        try:
            policy.network(address)
        except ValueError:
            yield Problem(f"allowedAddresses[{i}]", "bad_network", {"value": address[:60]})
    if row["certificate_sha256"] and not re.fullmatch(r"[0-9a-f]{64}", row["certificate_sha256"]):
        yield Problem("certificateSha256", "bad_fingerprint")


def _fingerprint(said: str | None) -> str | None:
    """As we compare it: openssl writes `AB:CD:…`."""
    return said.replace(":", "").lower() if said else said
