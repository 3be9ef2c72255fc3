"""Single sign-on: there with a state that is good once, back with a code, and whose account that is."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import delete, func, insert, select, update

from crm.identity.v1 import identity_providers_pb2 as pb
from crm.identity.v1.auth_pb2 import Tokens
from crm.identity.v1.users_pb2 import User
from crm.records.v1 import records_pb2 as records_pb
from crm_kit import errors, rpc
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_records import fields as kinds
from crm_records import listing, storing, writing
from crm_records.record import Row
from identity import entering, openid, secret, signing_out
from identity.identity_providers import FIELDS, IDENTITY_PROVIDERS, OPENID, claim_of, kind_of, standard_claim
from identity.keys import Keys
from identity.outgoing import Failed
from identity.provider import Begun, Provider, Refused, Settings
from identity.tables import identity_provider, single_sign_on, user
from identity.users import USERS
from identity.vendors import VENDORS

log = logging.getLogger("single_sign_on")

GOOD_FOR = timedelta(minutes=10)

errors.texts(
    {
        "sso_provider_away": (
            "身份提供方暂时无法使用，请稍后再试",
            "The identity provider cannot be used now; try again later",
        ),
        "sso_unknown_user": (
            "这里没有与您对应的账号，请联系管理员",
            "There is no account for you here; ask an administrator",
        ),
        "sso_user_disabled": ("您的账号已停用，请联系管理员", "Your account is disabled; ask an administrator"),
        "sso_claim_missing": (
            "身份提供方没有给出{label}，或没有确认它，请联系管理员",
            "The identity provider did not tell, or not confirm, your {label}; ask an administrator",
        ),
        "sso_not_created": (
            "无法按身份提供方的信息创建账号，请联系管理员",
            "No account can be made of what the identity provider tells; ask an administrator",
        ),
        "redirect_not_listed": ("{label}不在允许的列表中", "{label} is not in the provider's list"),
    }
)

_known: dict[tuple[str, bool], openid.Provider] = {}
_knowing = threading.Lock()


def start(call: Call, request: pb.StartSingleSignOnRequest) -> pb.StartSingleSignOnResponse:
    """Remember that somebody is sent to a provider, and where the browser goes."""
    row = _enabled(call, request.provider_id)
    if row is None:
        raise errors.NotFound()
    if request.redirect_uri not in row["redirect_uris"]:
        label = kinds.of(request.DESCRIPTOR)["redirect_uri"].label
        raise errors.Invalid(Problem("redirectUri", "redirect_not_listed", {"label": label}))
    state = secrets.token_hex(32)  # WeCom takes letters and digits
    begun = Begun(request.redirect_uri, secrets.token_urlsafe(48), secrets.token_urlsafe(24))
    try:
        url = _provider(row).authorization_url(_settings(row), begun, state)
    except Failed as error:
        raise _away(row, error) from None
    call.connection.execute(
        insert(single_sign_on).values(
            hash=_hash(state),
            provider_id=row["id"],
            redirect_uri=begun.redirect_uri,
            verifier=secret.seal(begun.verifier.encode()),
            nonce=begun.nonce,
            expire_time=datetime.now(UTC) + GOOD_FOR,
        )
    )
    return pb.StartSingleSignOnResponse(authorization_url=url, state=state)


def spend(call: Call, state: str) -> tuple[str, Begun]:
    """Use a state up: the provider it belongs to, and what was remembered. Of many at once one wins."""
    gone = delete(single_sign_on).where(single_sign_on.c.hash == _hash(state)).returning(single_sign_on)
    row = call.connection.execute(gone).one_or_none()
    if row is None or row.expire_time <= datetime.now(UTC):
        raise errors.Unauthenticated("sso_refused")
    verifier = secret.unseal(bytes(row.verifier))
    if verifier is None:
        raise errors.Unauthenticated("sso_refused")
    return str(row.provider_id), Begun(row.redirect_uri, verifier.decode(), row.nonce)


def account(
    call: Call, service: Service, provider_id: str, begun: Begun, request: pb.FinishSingleSignOnRequest
) -> tuple[Any, bytes | None]:
    """The row of the user whom the provider names, and how to sign out there. Made if there is none and it may be."""
    row = _enabled(call, provider_id)
    if row is None:
        raise errors.Unauthenticated("sso_refused")
    needed = [claim_of(row, row["match_by"]), *([claim_of(row, f) for f in FIELDS] if row["create_missing"] else [])]
    try:
        told = _provider(row).told(_settings(row), begun, request.code, request.issuer, needed)
    except Refused as error:
        log.warning("%s: %s", row["name"], error)
        raise error.refusal() from None
    except Failed as error:
        raise _away(row, error) from None
    claims = told.claims
    system = replace(rpc.system_call(call.connection, service.name, service.organisation), events=call.events)
    system.after_commit, system.metadata = call.after_commit, call.metadata
    user_id = _find(system, row, claims)
    if not user_id:
        if not row["create_missing"]:
            raise errors.Denied("sso_unknown_user")
        user_id = _create(system, row, claims)
    found = call.connection.execute(select(user).where(user.c.id == user_id)).one()
    if not found.active:
        raise errors.Denied("sso_user_disabled")
    return found, signing_out.note(row, told)


def let_in(call: Call, keys: Keys, found: Any, device: str, sign_on: bytes | None) -> Tokens:
    """What follows once it is clear who somebody is: as after a right password, second factor and policies too."""
    noted = update(user).where(user.c.id == found.id, user.c.active, user.c.delete_time.is_(None))
    if call.connection.scalar(noted.values(last_login_time=func.now()).returning(user.c.id)) is None:
        raise errors.Denied("sso_user_disabled")
    return entering.enter(call, keys, found, device, sign_on=sign_on)


def sweep(call: Call) -> None:
    """Forget who never came back."""
    call.connection.execute(delete(single_sign_on).where(single_sign_on.c.expire_time < datetime.now(UTC)))


def _find(system: Call, row: Row, claims: dict[str, Any]) -> str | None:
    """The account that a claim names, or none. One that was deleted is refused: it does not come back as a new one."""
    by = row["match_by"]
    value = _value(row, claims, by)
    unsure = by in ("email", "phone") and not row["trust_unverified"] and not _verified(row, claims, by)
    if not value or unsure:
        raise errors.Denied("sso_claim_missing", label=USERS.fields[by].label)
    living, deleted = _matching(system, by, value, deleted=False), []
    if not living:
        deleted = _matching(system, by, value, deleted=True)
    if deleted:
        raise errors.Denied("sso_user_disabled")
    if len(living) > 1:
        log.warning("%s: several accounts have the same %s", row["name"], by)
        raise errors.Denied("sso_unknown_user")
    return living[0] if living else None


def _matching(system: Call, by: str, value: str, *, deleted: bool) -> list[str]:
    """Ids of accounts, two at most. Capitals count in an external id only."""
    if by in ("external_id", "username"):
        column = user.c.external_id if by == "external_id" else func.lower(user.c.username)
        query = select(user.c.id).where(column == (value if by == "external_id" else value.lower()))
        gone = user.c.delete_time.is_not(None) if deleted else user.c.delete_time.is_(None)
        return list(system.connection.scalars(query.where(gone).limit(2)))
    # By the filter language: it knows how such a field is stored.
    spellings = dict.fromkeys([value, value.lower()])
    wanted = " OR ".join(f"{by}={json.dumps(s, ensure_ascii=False)}" for s in spellings)
    asked = records_pb.ListRequest(filter=wanted, fields="id", page_size=2, deleted=deleted)
    return [m.id for m in listing.page(system, USERS, asked).messages]


def _create(system: Call, row: Row, claims: dict[str, Any]) -> str:
    """A new account with the provider's department and roles. Without a password: it signs in there only."""
    values = {field: _value(row, claims, field) for field in FIELDS}
    message = User(department_id=row["department_id"], role_ids=row["role_ids"], external_id=values["external_id"])
    message.username, message.name = values["username"], values["name"] or values["username"]
    for field in ("email", "phone"):
        if row["trust_unverified"] or _verified(row, claims, field):
            setattr(message, field, values[field])
    try:
        with system.connection.begin_nested():
            return str(writing.create(system, USERS, message).id)
    except (errors.Refusal, psycopg.IntegrityError) as error:
        log.warning("%s: no account can be made: %s", row["name"], type(error).__name__)
        raise errors.Denied("sso_not_created") from None


def _value(row: Row, claims: dict[str, Any], field: str) -> str:
    value = claims.get(claim_of(row, field))
    return value.strip() if isinstance(value, str) and len(value) <= 200 and "\0" not in value else ""


def _verified(row: Row, claims: dict[str, Any], field: str) -> bool:
    """Whether the provider vouches for it: its word is about the claim of the standard, not about one of its own."""
    standard = kind_of(row) == OPENID and claim_of(row, field) == standard_claim(row, field)
    return standard and claims.get("email_verified" if field == "email" else "phone_number_verified") is True


def _enabled(call: Call, provider_id: str) -> Row | None:
    if not kinds.is_id(provider_id):
        return None
    table = identity_provider
    query = select(table).where(table.c.id == provider_id, table.c.enabled, table.c.delete_time.is_(None))
    row = call.connection.execute(query).one_or_none()
    return storing.as_row(call, IDENTITY_PROVIDERS, row) if row else None


def _provider(row: Row) -> Provider:
    kind = kind_of(row)
    if kind != OPENID:
        return VENDORS[kind]
    key = (row["issuer"], row["allow_insecure"])
    with _knowing:
        return _known.setdefault(key, openid.Provider(key[0], insecure=key[1]))


def _settings(row: Row) -> Settings:
    known = secret.unseal(bytes(row["sealed_secret"])) if row["sealed_secret"] else b""
    if known is None:
        raise _away(row, "its secret was encrypted with another key file: set it again")
    return Settings(
        client_id=row["client_id"],
        client_secret=known.decode(),
        insecure=row["allow_insecure"],
        scopes=row["scopes"],
        agent_id=row["agent_id"] or "",
        tenant_id=row["tenant_id"] or "",
        login_address=(row["login_address"] or "").rstrip("/"),
        api_address=(row["api_address"] or "").rstrip("/"),
    )


def _away(row: Row, why: object) -> errors.Refusal:
    log.warning("%s: %s", row["name"], why)
    return errors.Unavailable("sso_provider_away", retry_after=10)


def _hash(state: str) -> bytes:
    """Random and long, so one round is enough."""
    return hashlib.sha256(state.encode()).digest()
