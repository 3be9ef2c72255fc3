"""What is kept of secrets: hashes of those that come back, and those we must read again sealed."""

from __future__ import annotations

import hashlib

from cryptography.fernet import Fernet, InvalidToken

from identity.keys import key_file, secret_of


def digest(token: str) -> bytes:
    """What is stored of a token that is random and long: one round is enough."""
    return hashlib.sha256(token.encode()).digest()


def seal(plain: bytes) -> bytes:
    """Encrypted with the key file, which is not in the database."""
    return Fernet(secret_of(key_file())).encrypt(plain)


def unseal(sealed: bytes) -> bytes | None:
    """What was sealed; None where the key file is another one."""
    try:
        return Fernet(secret_of(key_file())).decrypt(sealed)
    except InvalidToken:
        return None
