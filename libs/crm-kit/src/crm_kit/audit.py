"""What the audit trail is told beside the changes of records: what left the house unchanged, and what was refused.

Both are events of the record type `access` (`crm.records.v1.Access`). A caller who is refused again and again does
not fill the stream with it: the first refusals of a minute are told one by one, the rest as one event with their
number.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crm import rule_pb2
from crm.records.v1.audited_pb2 import Access
from crm.records.v1.event_pb2 import Event
from crm_kit import errors, ids
from crm_kit.caller import Caller, Metadata
from crm_kit.contract import Descriptor

log = logging.getLogger("audit")

TOLD = 20
"""Refusals of one caller in one process that are told one by one within MINUTE."""
MINUTE = 60.0
RECORD_TYPE, REFUSED = "access", "refused"

_WORD = re.compile(r"[\w:.-]{1,100}", re.ASCII)
_MASK = "***"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[a-z0-9_-]+)?"
_PART = re.compile(
    rf"""
    (?P<space>\s+)
    | (?P<text>"(?:\\.|[^"\\])*(?:"|\\?\Z))             # a text, or the rest where it does not end
    | (?P<sign>!=|<=|>=|[=<>:(),])
    | (?P<name>{_NAME})(?=\s*(?:[=<>:!]|(?i:in)\s*\())        # a field, because something is compared with it
    | (?P<word>[^\s()",=<>!:]+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_KEPT = {"AND", "OR", "NOT", "null", "true", "false"}
"""Words of a condition that say nothing of anybody."""
_COMPARING = {"=", "!=", "<", "<=", ">", ">=", ":"}
_LONGEST = 4000

Tell = Callable[[Caller, Metadata, Event], None]
"""Queues an event in a short transaction of its own."""


def action_of(method: Descriptor, rule: rule_pb2.Rule) -> str:
    """The action that an audited RPC is told as: that of its right, else the first word of its name."""
    return rule.right.rpartition(".")[2] or re.sub(r"(?<!^)[A-Z].*", "", method.name).lower()


def done(method: Descriptor, rule: rule_pb2.Rule, request: Any, noted: Mapping[str, Any] | None) -> Event:
    """The event of an RPC that is told although it changed nothing. `noted` says what the request does not,
    as it may be told."""
    what = _about(method, rule, request)
    for name, value in (noted or {}).items():
        setattr(what, name, value)
    return _event(action_of(method, rule), what)


def masked(condition: str) -> str:
    """A condition without the values in it: its fields, signs, AND, OR, NOT and `in`, null, true and false stay.

    A value may be of an encrypted field or name somebody, and this does not know the fields. What is no condition at
    all, like the words of a search, is one value after the other.
    """
    parts: list[str] = []
    before, listed = "", False
    for match in _PART.finditer(condition):
        kind, said = match.lastgroup or "", match[0]
        if kind == "space":
            parts.append(" ")
            continue
        if kind == "name" and (listed or before in _COMPARING):
            kind = "word"  # a value that looks like a field
        if kind == "word" and said.lower() == "in" and before == "name":
            kind, listed = "in", True
        listed = listed and said != ")"
        parts.append(said if kind in ("name", "sign", "in") or said in _KEPT else _MASK)
        before = said if kind == "sign" else kind
    return "".join(parts)[:_LONGEST]


def _about(method: Descriptor, rule: rule_pb2.Rule, request: Any) -> Access:
    right = rule.right.replace("{record_type}", _word(request, "record_type"))
    return Access(
        method=method.full_name,
        right=right,
        record_type=right.rpartition(".")[0],
        record_id=_word(request, "id"),
        filter=masked(_text(request, "filter")),
        format=_word(request, "format"),
        field=_word(request, "field"),
    )


def _event(action: str, what: Access) -> Event:
    what.id = ids.uuid7()
    event = Event(id=what.id, record_type=RECORD_TYPE, action=action, record_id=what.id, version=1)
    event.record.Pack(what)
    return event


def _text(request: Any, name: str) -> str:
    value = getattr(request, name, "")
    return value if isinstance(value, str) else ""


def _word(request: Any, name: str) -> str:
    """A field of the request that holds an id or a code, and nothing where somebody put something else there."""
    value = _text(request, name)
    return value if _WORD.fullmatch(value) else ""


@dataclass(slots=True)
class _Window:
    """What one caller was refused since a moment."""

    began: float
    told: int = 0
    rest: Access | None = None
    caller: Caller | None = None
    metadata: Metadata | None = None


class Refusals:
    """Tells which access was refused to whom; never in the way of the refusal itself."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._windows: dict[str, _Window] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def refused(
        self,
        method: Descriptor,
        rule: rule_pb2.Rule,
        request: Any,
        refusal: errors.Refusal,
        caller: Caller,
        metadata: Metadata,
    ) -> None:
        """A signed-in caller was refused."""
        what = _about(method, rule, request)
        what.right = str(refusal.params.get("right") or what.right)[:200]
        what.reason, what.count = refusal.reason, 1
        if self._alone(what, caller, metadata):
            self._say(caller, metadata, what)

    def flush(self) -> None:
        """Tell what was only counted so far."""
        now = time.monotonic()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            counted = [(w.caller, w.metadata, w.rest) for w in self._windows.values() if w.rest is not None]
            for window in self._windows.values():
                window.rest = None
            self._windows = {user: w for user, w in self._windows.items() if now - w.began < MINUTE}
        for caller, metadata, rest in counted:
            if caller and metadata and rest:
                self._say(caller, metadata, rest)

    def _alone(self, what: Access, caller: Caller, metadata: Metadata) -> bool:
        """Whether the refusal is told by itself; else it is counted, and told within a minute."""
        now = time.monotonic()
        with self._lock:
            window = self._windows.get(caller.user_id)
            if window is None:
                window = self._windows[caller.user_id] = _Window(now)
            elif now - window.began >= MINUTE:
                window.began, window.told = now, 0
            window.told += 1
            if window.told <= TOLD:
                self._forget_old(now)
                return True
            window.caller, window.metadata = caller, metadata
            if window.rest is None:
                window.rest = what
            else:
                _add(window.rest, what)
            if self._timer is None:
                self._timer = threading.Timer(MINUTE, self.flush)
                self._timer.daemon = True
                self._timer.start()
        return False

    def _forget_old(self, now: float) -> None:
        if len(self._windows) > 1000:
            self._windows = {u: w for u, w in self._windows.items() if w.rest is not None or now - w.began < MINUTE}

    def _say(self, caller: Caller, metadata: Metadata, what: Access) -> None:
        try:
            self._tell(caller, metadata, _event(REFUSED, what))
        except Exception as error:
            log.warning("a refusal of %s was not told: %s", what.method or "several RPCs", type(error).__name__)


def _add(rest: Access, one: Access) -> None:
    """Count one more; what differs is no longer said."""
    rest.count += one.count
    for name in ("method", "right", "reason", "record_type", "record_id", "filter", "format", "field"):
        if getattr(rest, name) != getattr(one, name):
            rest.ClearField(name)
