"""The key file: master keys outside every database. Who has only the database, or only the file, can read nothing.

One line for each key, `<id> <key>`, the newest first: it wraps what is new, the others still open what they wrapped.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from crm_kit.settings import SettingsError

Masters = dict[str, bytes]
"""Id → master key, the newest first."""


def read(file: Path) -> Masters:
    """The master keys of a file. Raises `SettingsError` where there are none to be had."""
    try:
        lines = file.read_text("ascii").splitlines()
        masters = {_id(key): key for line in lines if line.strip() for key in [_key(line)]}
    except OSError as error:
        raise SettingsError(f"KEY_FILE {file} cannot be read: {error.strerror}") from error
    except ValueError:
        raise SettingsError(f"KEY_FILE {file} is damaged: a line must be `<id> <key>` as the suite wrote it") from None
    if not masters:
        raise SettingsError(f"KEY_FILE {file} holds no key")
    return masters


def make(file: Path) -> Masters:
    """Make the file with its first key unless it is there; of several processes one makes it."""
    if not file.exists():
        try:
            new = _beside(file, {_id(key): key for key in [secrets.token_bytes(32)]})
            with suppress(FileExistsError):  # another process was faster
                os.link(new, file)
            new.unlink()
            _settle(file.parent)
        except OSError as error:
            raise SettingsError(f"KEY_FILE {file} cannot be made: {error.strerror}") from error
    return read(file)


def add(file: Path) -> str:
    """Put a new master key first; its id. The file is whole at every moment."""
    key = secrets.token_bytes(32)
    masters = {_id(key): key, **read(file)}
    try:
        _beside(file, masters).replace(file)
        _settle(file.parent)
    except OSError as error:
        raise SettingsError(f"KEY_FILE {file} cannot be written: {error.strerror}") from error
    return _id(key)


def _beside(file: Path, masters: Masters) -> Path:
    """A new file in the same folder, on the disk, for its owner only."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent)  # mode 0600
    with os.fdopen(descriptor, "w") as output:
        output.writelines(f"{i} {base64.b64encode(key).decode()}\n" for i, key in masters.items())
        output.flush()
        os.fsync(output.fileno())
    return Path(name)


def _settle(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _id(key: bytes) -> str:
    """Made of the key, so that a line which was copied wrongly is noticed."""
    return hashlib.sha256(b"master key " + key).hexdigest()[:12]


def _key(line: str) -> bytes:
    name, _, text = line.strip().partition(" ")
    key = base64.b64decode(text, validate=True)
    if len(key) != 32 or _id(key) != name:
        raise ValueError
    return key
