"""Signing out at the provider, too, after signing out here (OpenID Connect RP-Initiated Logout 1.0).

What that takes is kept beside a session from when it was opened; it holds an ID token and is sealed. The browser goes
there itself: we ask nobody, and signing out here never waits for a provider.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from sqlalchemy import delete, insert, select

from crm_kit.rpc import Call
from crm_records.record import Row
from identity import secret
from identity.provider import Told
from identity.tables import identity_provider, provider_session, session

LONGEST = 4000
"""Characters of an ID token that is sent along in an address; without it the provider asks the person."""


def note(row: Row, told: Told) -> bytes | None:
    """What is kept of a sign-on at a provider of this row; nothing where one cannot sign out there."""
    if not told.end_session:
        return None
    hint = told.id_token if len(told.id_token) <= LONGEST else ""
    return secret.seal(json.dumps([row["id"], told.end_session, hint]).encode())


def keep(call: Call, session_id: str, sign_on: bytes) -> None:
    """Keep it beside a session."""
    call.connection.execute(insert(provider_session).values(session_id=session_id, sign_on=sign_on))


def url(call: Call, session_id: str) -> str:
    """Where the browser goes to sign out at the provider of a session, once; empty where there is no such place."""
    gone = delete(provider_session).where(provider_session.c.session_id == session_id)
    sealed = call.connection.scalar(gone.returning(provider_session.c.sign_on))
    known = secret.unseal(bytes(sealed)) if sealed is not None else None
    if known is None:
        return ""
    provider_id, address, hint = json.loads(known)
    columns = (identity_provider.c.client_id, identity_provider.c.after_logout_uri)
    row = call.connection.execute(select(*columns).where(identity_provider.c.id == provider_id)).one_or_none()
    if row is None:
        return ""
    query = {"id_token_hint": hint, "client_id": row.client_id, "post_logout_redirect_uri": row.after_logout_uri}
    asked = urlencode({name: value for name, value in query.items() if value}, quote_via=quote)
    return f"{address}{'&' if urlsplit(address).query else '?'}{asked}"


def sweep(call: Call) -> None:
    """Forget what belongs to sessions that are over."""
    unexpired = session.c.expire_time.is_(None) | (session.c.expire_time > datetime.now(UTC))
    living = select(session.c.id).where(session.c.end_time.is_(None), unexpired)
    call.connection.execute(delete(provider_session).where(provider_session.c.session_id.not_in(living)))
