"""Whether whoever makes customers in a call wants them given away by the rules."""

from __future__ import annotations

from crm_kit.rpc import Call

_ASKED = "allocation asked for"


def ask(call: Call) -> None:
    """Customers that are made in this call are to be given away."""
    call.memo[_ASKED] = True


def is_asked(call: Call) -> bool:
    """Whether they are."""
    return _ASKED in call.memo
