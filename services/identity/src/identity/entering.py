"""What happens once somebody has proved who they are: policies, the second factor, the session, its tokens."""

from __future__ import annotations

from typing import Any

from crm.identity.v1 import auth_pb2 as pb
from crm.identity.v1.keys_pb2 import Session
from crm_kit import ids
from crm_kit.rpc import Call
from crm_kit.service import Service
from identity import devices, role_policies, second_factors, sessions, signing_out
from identity.keys import Keys
from identity.transactions import beside


def enter(
    call: Call, keys: Keys, user: Any, device: str, device_token: str = "", sign_on: bytes | None = None
) -> pb.Tokens:
    """Let in who has proved who they are: with tokens, or with a challenge where there is a second factor.

    `user` is the row of the account, `sign_on` a note of `signing_out`. PERMISSION_DENIED (OUTSIDE_POLICY) where no
    role may be used from here or now.
    """
    role_policies.of(call, user).refuse_outside(call.metadata.address)
    if user.second_factor:
        return pb.Tokens(
            user_id=user.id, second_factor_challenge=second_factors.challenge(call, user.id, device, sign_on)
        )
    return open_session(call, keys, user, device, device_token, sign_on)


def open_session(
    call: Call, keys: Keys, user: Any, device: str, device_token: str = "", sign_on: bytes | None = None
) -> pb.Tokens:
    """The tokens of a new session, after every factor; the device is known from now on."""
    device_id, token = devices.remember(call, device_token, user.id)
    session_id = sessions.start(call, user, device, device_id)
    if sign_on is not None:
        signing_out.keep(call, session_id, sign_on)
    answer = sessions.tokens(call, keys, user, session_id)
    answer.device_token = token
    return answer


def tell_refused(service: Service, call: Call, device: str, user_id: str) -> None:
    """Announce a failed login, or a wrong password or code within a session, although its RPC is refused.

    The name typed is not told: it may be a password.
    """
    with beside(service, call) as other:
        attempt = Session(id=user_id or ids.uuid7(), user_id=user_id, device=device[:200])
        attempt.address = call.metadata.address
        sessions.tell(other, "refused", 1, attempt)
