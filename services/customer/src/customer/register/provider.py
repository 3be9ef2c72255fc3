"""What a register must be able to do, and which one is set up.

A provider is a class without arguments with the two methods of `Provider`. `COMPANY_REGISTER` names it as
`module:Class`; without it, `COMPANY_REGISTER_FILE` sets up the one that works offline from a file.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from crm.customer.v1 import company_register_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_kit.settings import SettingsError

errors.texts(
    {
        "register_not_set": (
            "尚未接入工商信息：请设置 COMPANY_REGISTER_FILE 或 COMPANY_REGISTER",
            "No company register is set up: set COMPANY_REGISTER_FILE or COMPANY_REGISTER",
        ),
        "register_empty": (
            "工商信息文件尚未导入：请运行 crm import-register",
            "The register file was not imported yet: run crm import-register",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Found:
    """One page of candidates."""

    companies: Sequence[pb.RegisteredCompany]
    next_token: str = ""
    capped: bool = False
    """There are more than can be looked at."""


class Provider(Protocol):
    """A register. It runs within an RPC, so it answers within seconds, and raises `errors.Unavailable` if it cannot."""

    def search(self, call: Call, name: str, size: int, token: str) -> Found:
        """Candidates by a part of the name, best first, `size` at most; `token` is one that it gave, or empty."""
        ...

    def facts(self, call: Call, credit_code: str) -> pb.RegisteredCompany | None:
        """Everything about one company, with its risks; None if the register does not have it."""
        ...


def register_file() -> str:
    """The path of the register file; empty where none is set."""
    return os.environ.get("COMPANY_REGISTER_FILE", "")


def configured() -> Provider:
    """The register that is set up. FAILED_PRECONDITION without one."""
    named = os.environ.get("COMPANY_REGISTER", "")
    if not named and not register_file():
        raise errors.Conflict("register_not_set")
    return _load(named or "customer.register.from_file:FromFile")


def _load(named: str) -> Provider:
    module, _, name = named.partition(":")
    try:
        made: Provider = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"COMPANY_REGISTER names {named!r}, which cannot be loaded: {error}") from error
    return made
