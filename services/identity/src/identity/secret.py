"""What is kept of secrets: hashes of those that come back, and those we must read again sealed."""

from __future__ import annotations

import hashlib

from cryptography.fernet import InvalidToken

from identity.keys import sealer


def digest(token: str) -> bytes:
    """What is stored of a token that is random and long: one round is enough."""
    return hashlib.sha256(token.encode()).digest()


def seal(plain: bytes) -> bytes:
    """Encrypted with the key file, which is not in the database."""
    return sealer().encrypt(plain)


def unseal(sealed: bytes) -> bytes | None:
    """What was sealed; None where the key file is another one."""
    try:
        return sealer().decrypt(sealed)
    except InvalidToken:
        return None
