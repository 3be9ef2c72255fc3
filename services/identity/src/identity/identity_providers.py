"""Identity providers: whose word is taken for who somebody is, and what accounts they may bring along."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from crm.identity.v1 import identity_providers_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Dependent, Record, Row
from identity import trees
from identity.departments import DEPARTMENTS
from identity.scopes import Giver
from identity.tables import department, identity_provider, role

errors.texts(
    {
        "not_https": ("{label}应为 https 地址", "{label} must be an https address"),
        "provider_needs_administrator": (
            "能代替任何人登录的设置只能由系统管理员修改",
            "What lets anybody be signed in as is changed only by an administrator of the system",
        ),
    }
)

CLAIMS = {
    "external_id": "sub",
    "username": "preferred_username",
    "name": "name",
    "email": "email",
    "phone": "phone_number",
}
"""Field of the user → the claim it comes from unless told otherwise."""
_HERE = ("localhost", "127.0.0.1", "::1")
_ODD = re.compile(r"[\s<>\"'\\]")


class IdentityProviders(Record):
    """See the contract for the fields."""

    message = pb.IdentityProvider
    table = identity_provider
    plural = "identity_providers"

    def __init__(self) -> None:
        super().__init__()
        DEPARTMENTS.dependents.append(Dependent(identity_provider.c.department_id, self.label))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        refuse_weaker(call)
        row["match_by"] = row["match_by"] or "external_id"
        row["scopes"] = [s for s in dict.fromkeys(row["scopes"]) if s != "openid"] or ["profile", "email"]
        problems = list(_problems(row))
        if problems:
            raise errors.Invalid(*problems)
        if row["department_id"]:
            trees.hold(call, self, row, trees.unless_restored(before), "department_id", department)
        trees.hold(call, self, row, trees.unless_restored(before), "role_ids", role)

    def may_delete(self, call: Call, row: Row) -> None:
        refuse_weaker(call)


IDENTITY_PROVIDERS = IdentityProviders()


def refuse_weaker(call: Call) -> None:
    """PERMISSION_DENIED unless the caller administers the system: a provider can say that it is anybody."""
    if call.access.client or not Giver(call.access).does_everything():
        raise errors.Denied("provider_needs_administrator")


def claim_of(row: Row, field: str) -> str:
    """The claim that a field of the user comes from."""
    return str(row[f"{field}_claim"] or CLAIMS[field])


def _problems(row: Row) -> Iterator[Problem]:
    fields = IDENTITY_PROVIDERS.fields
    if not _is_address(row["issuer"], insecure=row["allow_insecure"]) or urlsplit(row["issuer"]).query:
        yield Problem("issuer", "not_https", {"label": fields["issuer"].label})
    for i, uri in enumerate(row["redirect_uris"]):
        if not _is_address(uri, insecure=row["allow_insecure"]):
            yield Problem(f"redirectUris[{i}]", "not_https", {"label": fields["redirect_uris"].label})
    if row["create_missing"] and not row["department_id"]:
        yield Problem("departmentId", "required", {"label": fields["department_id"].label})


def _is_address(text: str, *, insecure: bool) -> bool:
    """An https address without fragment or password; http on this machine where that is allowed."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.fragment or parts.username is not None or _ODD.search(text):
        return False
    return parts.scheme == "https" or (insecure and parts.scheme == "http" and host in _HERE)
