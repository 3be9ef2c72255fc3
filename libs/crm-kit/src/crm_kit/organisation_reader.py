"""Who calls, and what they may do: read from the organisation's copy.

An answer is kept for a second per person and dropped at once when an event changes the organisation, so a
changed right acts everywhere within two seconds.
"""

from __future__ import annotations

import threading
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.utils import base64url_decode
from sqlalchemy import Engine, select

from crm_kit import access, errors
from crm_kit.access import Access
from crm_kit.organisation import ended_session, signing_key, user
from crm_kit.reach import RoleAccess


class Organisation:
    """Reads the copy; one for each process."""

    KEPT = 1.0
    """Seconds that an answer is kept: a change made in another process acts within that time."""

    def __init__(self, reader: Engine) -> None:
        self._reader = reader
        self._kept: dict[tuple[str, str], tuple[float, Access]] = {}
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._lock = threading.Lock()

    def access(self, user_id: str, session_id: str) -> Access:
        """Who the caller is. UNAUTHENTICATED if disabled or the session ended, UNAVAILABLE if not here yet."""
        now = time.monotonic()
        kept = self._kept.get((user_id, session_id))
        if kept and kept[0] > now:
            return kept[1]
        access = self._load(user_id, session_id)
        with self._lock:
            if len(self._kept) > 20_000:
                self._kept.clear()
            self._kept[(user_id, session_id)] = (now + self.KEPT, access)
        return access

    def person(self, user_id: str) -> Access:
        """What a person may do now, in whose name something is done without a session. UNAUTHENTICATED if disabled."""
        with self._reader.connect() as connection:
            row = connection.execute(select(user).where(user.c.id == user_id, ~user.c.deleted)).one_or_none()
            if row is None or not row.active:
                raise errors.Unauthenticated("account_disabled")
            return access.read(connection, self._reader, row)

    def system(self) -> Access:
        """What the suite itself may do when nobody asked it: everything, under no person's name."""
        return Access(
            user_id="",
            name="",
            username="",
            department_id=None,
            manager_id=None,
            locale=errors.ZH,
            time_zone="Asia/Shanghai",
            role_codes=(),
            rights=frozenset({"*"}),
            denials=frozenset(),
            roles=(RoleAccess(frozenset({"*"}), ({"resource": "*", "scope": "all"},)),),
            _engine=self._reader,
            suite=True,
        )

    def forget(self) -> None:
        """Something changed: ask the database again."""
        self._kept.clear()
        self._keys.clear()

    def key(self, kid: str) -> Ed25519PublicKey | None:
        """The public key of a token, None if there is none of that name."""
        found = self._keys.get(kid)
        if found is None:
            query = select(signing_key.c.x).where(signing_key.c.kid == kid, ~signing_key.c.retired)
            with self._reader.connect() as connection:
                x = connection.scalar(query)
            if x is None:
                return None
            found = self._keys[kid] = Ed25519PublicKey.from_public_bytes(base64url_decode(x))
        return found

    def _load(self, user_id: str, session_id: str) -> Access:
        deadline = time.monotonic() + 2
        with self._reader.connect() as connection:
            while True:
                if connection.scalar(select(ended_session.c.id).where(ended_session.c.id == session_id)):
                    raise errors.Unauthenticated("bad_token")
                row = connection.execute(select(user).where(user.c.id == user_id)).one_or_none()
                if row is not None:
                    break
                # The token is genuine, so the account exists: its event is under way.
                if time.monotonic() > deadline:
                    raise errors.Unavailable("organisation_not_here", retry_after=1)
                time.sleep(0.05)
            if not row.active or row.deleted:
                raise errors.Unauthenticated("account_disabled")
            return access.read(connection, self._reader, row)
