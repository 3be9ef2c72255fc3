"""The keys that sign access tokens.

The private key lies encrypted in the database, so that every process of identity signs with the same one; what it
is encrypted with lies in a file outside. The public key is announced: every service verifies tokens by itself.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.utils import base64url_encode
from sqlalchemy import Connection, insert, select, text, update

from crm.identity.v1.keys_pb2 import SigningKey
from crm.records.v1.event_pb2 import Event
from crm_kit import ids, tokens
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_kit.settings import SettingsError
from identity.tables import signing_key
from identity.transactions import as_system

_ONE_MAKES_IT = 0x43524D11
ACCESS_SECONDS = 15 * 60
"""How long an access token is good."""
LOOKS_AGAIN = 1.0
"""Seconds after which a process asks whether there is a newer key."""
LEAD = timedelta(seconds=5)
"""A new key is published so long before it signs: nobody sees a token of a key that they cannot know yet."""
LAST_TOKEN = timedelta(seconds=ACCESS_SECONDS + tokens.LEEWAY)
"""How long a token that was signed with a key just before the next one took over is good."""


class Keys:
    """Signs for one process. The key is read, or made, when it is first needed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._signing: tuple[str, Ed25519PrivateKey] | None = None
        self._looked = 0.0
        self._looking = threading.Lock()

    def sign(self, claims: tokens.Claims) -> str:
        """The access token of these claims."""
        kid, private = self.current()
        return tokens.sign(claims, private, kid)

    def current(self) -> tuple[str, Ed25519PrivateKey]:
        """The key to sign with: the newest, once everybody can know it."""
        with self._looking:
            if self._signing is None or time.monotonic() > self._looked + LOOKS_AGAIN:
                self._signing = self._find_or_make()
                self._looked = time.monotonic()
            return self._signing

    def _find_or_make(self) -> tuple[str, Ed25519PrivateKey]:
        secret = sealer()
        with self._service.reader.connect() as connection:
            found = _newest(connection, secret)
        if found is not None:
            return found
        with as_system(self._service) as call:
            call.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_MAKES_IT})
            return _newest(call.connection, secret) or _make(call, secret)


def rotate(service: Service) -> str:
    """Make a new key, publish it, and let it sign after LEAD; its kid. The old one is retired by the clock."""
    with as_system(service) as call:
        call.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_MAKES_IT})
        return _make(call, Fernet(secret_of(key_file())))[0]


def rotate_command(service: Service) -> None:
    """`python -m identity rotate-signing-key`."""
    kid = rotate(service)
    sys.stdout.write(f"{kid} is published and signs in {LEAD.total_seconds():.0f} seconds\n")


def retire(call: Call) -> None:
    """Withdraw keys whose last token has ended."""
    now = datetime.now(UTC)
    living = select(signing_key).where(~signing_key.c.retired).order_by(signing_key.c.create_time.desc())
    newer = None
    for row in call.connection.execute(living).all():
        if newer is not None and newer + LEAD + LAST_TOKEN + timedelta(seconds=2 * LOOKS_AGAIN) < now:
            call.connection.execute(update(signing_key).where(signing_key.c.id == row.id).values(retired=True))
            event = Event(record_type="signing_key", action="retired", record_id=row.id, version=2)
            event.record.Pack(SigningKey(id=row.id, kid=row.kid, x=row.x, retired=True, etag="2"))
            call.announce(event)
        newer = row.create_time


def key_file() -> Path:
    """IDENTITY_KEY_FILE, or `identity.key` in the data folder."""
    return Path(os.environ.get("IDENTITY_KEY_FILE") or Path(os.environ.get("CRM_DATA") or ".data") / "identity.key")


def sealer() -> Fernet:
    """Encrypts what this service must read again with the key file, which is not in the database."""
    return Fernet(secret_of(key_file()))


def _newest(connection: Connection, secret: Fernet) -> tuple[str, Ed25519PrivateKey] | None:
    """The newest key that the key file opens and that everybody can know; a newer one where there is no other.

    With another file we start anew, and old tokens stay valid.
    """
    query = select(signing_key).where(~signing_key.c.retired).order_by(signing_key.c.create_time.desc())
    newest = None
    for row in connection.execute(query):
        with suppress(InvalidToken):
            newest = row.kid, Ed25519PrivateKey.from_private_bytes(secret.decrypt(bytes(row.private_key)))
            if row.create_time + LEAD <= datetime.now(UTC):
                break
    return newest


def _make(call: Call, secret: Fernet) -> tuple[str, Ed25519PrivateKey]:
    private = Ed25519PrivateKey.generate()
    x = base64url_encode(private.public_key().public_bytes_raw()).decode()
    key_id, kid = ids.uuid7(), ids.uuid7()
    values = {"id": key_id, "kid": kid, "x": x, "retired": False, "create_time": datetime.now(UTC)}
    sealed = secret.encrypt(private.private_bytes_raw())
    call.connection.execute(insert(signing_key).values(private_key=sealed, **values))
    event = Event(record_type="signing_key", action="created", record_id=key_id, version=1)
    event.record.Pack(SigningKey(id=key_id, kid=kid, x=x, etag="1"))
    call.announce(event)
    return kid, private


def secret_of(file: Path) -> bytes:
    """The content of the key file; made at the first start, whole or not at all."""
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor, new = tempfile.mkstemp(dir=file.parent)  # mode 0600
            with os.fdopen(descriptor, "wb") as output:
                output.write(Fernet.generate_key())
            with suppress(FileExistsError):  # another process was faster
                os.link(new, file)
            Path(new).unlink()
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"IDENTITY_KEY_FILE {file}: {error.strerror}") from error
