"""Identity providers: whose word is taken for who somebody is, and what accounts they may bring along."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
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
        "not_of_this_kind": (
            "{label}不适用于此类身份提供方",
            "{label} is no setting of this kind of provider",
        ),
        "not_https": ("{label}应为 https 地址", "{label} must be an https address"),
        "provider_needs_administrator": (
            "能代替任何人登录的设置只能由系统管理员修改",
            "What lets anybody be signed in as is changed only by an administrator of the system",
        ),
    }
)

FIELDS = ("external_id", "username", "name", "email", "phone")
"""What of a user may come from a provider."""


class Kind(NamedTuple):
    """What a kind of provider needs, may have besides, and calls the `FIELDS` unless told otherwise."""

    needs: frozenset[str]
    may_have: frozenset[str]
    claims: tuple[str, str, str, str, str]


_ADDRESSES = frozenset({"login_address", "api_address"})
OPENID = "openid"
KINDS = {
    OPENID: Kind(
        frozenset({"issuer"}),
        frozenset({"scopes", "after_logout_uri"}),
        ("sub", "preferred_username", "name", "email", "phone_number"),
    ),
    "wecom": Kind(frozenset({"agent_id"}), _ADDRESSES, ("userid", "userid", "name", "email", "mobile")),
    "dingtalk": Kind(frozenset({"tenant_id"}), _ADDRESSES, ("unionId", "unionId", "nick", "email", "mobile")),
    "feishu": Kind(
        frozenset(), _ADDRESSES | {"tenant_id", "scopes"}, ("union_id", "union_id", "name", "email", "mobile")
    ),
}
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
        row["kind"] = kind_of(row)
        row["match_by"] = row["match_by"] or "external_id"
        row["scopes"] = list(dict.fromkeys(row["scopes"]))
        if row["kind"] == OPENID:
            row["scopes"] = [s for s in row["scopes"] if s != "openid"] or ["profile", "email"]
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
    return str(row[f"{field}_claim"] or standard_claim(row, field))


def standard_claim(row: Row, field: str) -> str:
    """The claim of this kind of provider for a field of the user."""
    return KINDS[kind_of(row)].claims[FIELDS.index(field)]


def kind_of(row: Row) -> str:
    """What a provider speaks; one that was stored without a kind speaks OpenID Connect."""
    return str(row["kind"] or OPENID)


def _problems(row: Row) -> Iterator[Problem]:
    fields, kind, insecure = IDENTITY_PROVIDERS.fields, KINDS[row["kind"]], row["allow_insecure"]
    for name in sorted(set().union(*(k.needs | k.may_have for k in KINDS.values()))):
        key = "required" if name in kind.needs and not row[name] else ""
        if row[name] and name not in kind.needs | kind.may_have:
            key = "not_of_this_kind"
        if key:
            yield Problem(fields[name].json_name, key, {"label": fields[name].label})
    for name in ("issuer", "login_address", "api_address", "after_logout_uri"):
        base = name != "after_logout_uri"
        if row[name] and (not _is_address(row[name], insecure=insecure) or (base and urlsplit(row[name]).query)):
            yield Problem(fields[name].json_name, "not_https", {"label": fields[name].label})
    for i, uri in enumerate(row["redirect_uris"]):
        if not _is_address(uri, insecure=insecure):
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
