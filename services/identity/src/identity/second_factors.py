"""Second factor: codes of an authenticator application, each good once, and codes to recover with.

Time-based codes (RFC 6238) of thirty seconds; a clock may be one step off. The secret is kept sealed.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from crm_kit import errors
from crm_kit.rpc import Call
from identity import tries
from identity.secret import digest, seal, unseal
from identity.tables import login_challenge, recovery_code, second_factor

ISSUER = "CRM"
STEP = 30
"""Seconds of one code."""
OFF_BY = 1
"""Steps that a clock may be off."""
RECOVERY_CODES = 10
CHALLENGE = timedelta(minutes=5)

errors.texts(
    {
        "second_factor_on": ("双重验证已启用，请先停用", "The second factor is on; turn it off first"),
        "second_factor_off": ("双重验证未启用", "The second factor is off"),
        "nothing_to_confirm": ("没有待确认的双重验证", "There is no second factor to confirm"),
        "code_wrong": ("{label}不正确或已用过", "{label} is wrong or was used already"),
        "code_refused": ("验证码不正确或已用过", "The code is wrong or was used already"),
        "challenge_refused": ("验证请求无效或已过期，请重新登录", "The challenge is invalid or over; log in again"),
    }
)


def enrol(call: Call, user_id: str, username: str) -> tuple[str, str]:
    """A new secret and its otpauth address; good for nothing before `confirm`."""
    from pyotp import TOTP, random_base32

    secret = random_base32()
    call.connection.execute(delete(second_factor).where(second_factor.c.user_id == user_id, ~second_factor.c.confirmed))
    row = {"user_id": user_id, "secret": seal(secret.encode()), "confirmed": False, "last_step": 0}
    call.connection.execute(insert(second_factor).values(row))
    return secret, TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def confirm(call: Call, user_id: str, code: str) -> bool:
    """Whether the code is one of the new secret; from then on it is asked."""
    if not _take_code(call, user_id, code, confirmed=False):
        return False
    call.connection.execute(update(second_factor).where(second_factor.c.user_id == user_id).values(confirmed=True))
    return True


def is_waiting(call: Call, user_id: str) -> bool:
    """Whether there is a secret that was not confirmed yet."""
    waiting = select(second_factor.c.user_id).where(second_factor.c.user_id == user_id, ~second_factor.c.confirmed)
    return call.connection.scalar(waiting) is not None


def take(call: Call, user_id: str, code: str) -> bool:
    """Whether the code is a good one, of the application or to recover with. It is used up."""
    typed = "".join(c for c in code if c.isalnum())
    if typed.isascii() and typed.isdigit():
        return _take_code(call, user_id, typed, confirmed=True)
    used = update(recovery_code).where(
        recovery_code.c.user_id == user_id,
        recovery_code.c.hash == digest(typed.upper()),
        recovery_code.c.used_time.is_(None),
    )
    return call.connection.scalar(used.values(used_time=tries.now()).returning(recovery_code.c.user_id)) is not None


def _take_code(call: Call, user_id: str, code: str, *, confirmed: bool) -> bool:
    """Of many at once with the same code one succeeds: the step is taken by a guarded update."""
    from pyotp import TOTP

    mine = (second_factor.c.user_id == user_id) & (second_factor.c.confirmed == confirmed)
    sealed = call.connection.scalar(select(second_factor.c.secret).where(mine))
    secret = unseal(bytes(sealed)) if sealed is not None else None
    if secret is None:
        return False
    totp, now = TOTP(secret.decode()), int(tries.now().timestamp()) // STEP
    steps = range(now - OFF_BY, now + OFF_BY + 1)
    fitting = [s for s in steps if hmac.compare_digest(totp.generate_otp(s).encode(), code.strip().encode())]
    if not fitting:
        return False
    taken = update(second_factor).where(mine, second_factor.c.last_step < fitting[-1]).values(last_step=fitting[-1])
    return call.connection.scalar(taken.returning(second_factor.c.user_id)) is not None


def new_recovery_codes(call: Call, user_id: str) -> list[str]:
    """Ten codes, each good once; those before are good no longer."""
    call.connection.execute(delete(recovery_code).where(recovery_code.c.user_id == user_id))
    codes = [base64.b32encode(secrets.token_bytes(10)).decode() for _ in range(RECOVERY_CODES)]
    call.connection.execute(insert(recovery_code), [{"user_id": user_id, "hash": digest(c)} for c in codes])
    return ["-".join(c[i : i + 4] for i in range(0, 16, 4)) for c in codes]


def recovery_codes_left(call: Call, user_id: str) -> int:
    """How many were not used yet."""
    left = select(func.count()).where(recovery_code.c.user_id == user_id, recovery_code.c.used_time.is_(None))
    return int(call.connection.scalar(left) or 0)


def remove(call: Call, user_id: str) -> None:
    """Forget the secret and the recovery codes."""
    call.connection.execute(delete(second_factor).where(second_factor.c.user_id == user_id))
    call.connection.execute(delete(recovery_code).where(recovery_code.c.user_id == user_id))


def challenge(call: Call, user_id: str, device: str, sign_on: bytes | None = None) -> str:
    """What the second step of a login is asked with; bound to where the first one came from."""
    token = secrets.token_urlsafe(32)
    row = {
        "hash": digest(token),
        "user_id": user_id,
        "device": device[:200],
        "address": call.metadata.address,
        "expire_time": tries.now() + CHALLENGE,
        "sign_on": sign_on,
    }
    call.connection.execute(insert(login_challenge).values(row))
    return token


def challenged(call: Call, token: str) -> Any:
    """The first step that a challenge belongs to. UNAUTHENTICATED if unknown, over or of another address."""
    query = select(login_challenge).where(
        login_challenge.c.hash == digest(token),
        login_challenge.c.expire_time > tries.now(),
        login_challenge.c.address == call.metadata.address,
    )
    row = call.connection.execute(query).one_or_none()
    if row is None:
        raise errors.Unauthenticated("challenge_refused")
    return row


def answered(call: Call, row: Any) -> bool:
    """Use a challenge up; of many at once one succeeds."""
    used = delete(login_challenge).where(login_challenge.c.hash == row.hash).returning(login_challenge.c.user_id)
    return call.connection.scalar(used) is not None
