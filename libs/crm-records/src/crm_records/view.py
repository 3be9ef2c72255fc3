"""A record type as its reader sees it: the rules of `crm_kit.field_access`, compiled into what is done with a message.

That is done once for a record type and rules that are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from crm_kit import errors, masking
from crm_kit.field_access import HIDDEN, MASKED, OPTIONAL, READ_ONLY, FieldRules, States
from crm_kit.pool import Seen
from crm_kit.rpc import Call
from crm_records import custom_fields, pooling
from crm_records import fields as kinds
from crm_records.fields import Field
from crm_records.record import Record

Finish = Callable[[Call, Any], None]
"""Takes away from a message, in place, what its reader does not see."""

ALWAYS = frozenset({"id", "etag"})
"""What no rule takes away: a record without them is none."""
CUSTOM = "custom."


class View:
    """A record type as people with certain rules see it."""

    def __init__(
        self,
        record: Record,
        rules: FieldRules,
        others: Sequence[FieldRules],
        pools: Sequence[Seen] = (),
        veiled: frozenset[str] = frozenset(),
    ) -> None:
        self.record = record
        self.veiled = veiled
        """Seen or not from record to record, by what the record itself says (`Record.kept_back`)."""
        self.pools = {s.id: pooling.Closed(record, s) for s in pools}
        """Of the pools in which people are members: what is not seen of the records there."""
        self._possible = list(record.states.labels) if record.states is not None else []
        self._own: dict[str, States] = {}
        for name, states in rules.fields.items():
            name = name_of(record, name)
            if self._known(name):
                self._stricter(name, states)
        self.unclear = self._follow_copies(others)
        """Copies of several fields: `decorate` shows them as each row says; who does not know the row shows none."""
        self._follow_sources()
        self.gone = frozenset(n for n in self._own if max(self._levels(n)) == HIDDEN)
        """Hidden in every state: not even read from the database."""
        self.blind = frozenset(n for n in self._own if min(self._levels(n)) < READ_ONLY) | self.unclear | veiled
        """Hidden or masked in some state: not compared, sorted by, counted by, searched in."""
        self._finishers: dict[tuple[tuple[str, ...], tuple[str, ...]], Finish | None] = {}
        self._chosen: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}

    def _follow_copies(self, others: Sequence[FieldRules]) -> frozenset[str]:
        """A copy of another record's field is shown as that one; the copies of which each row must decide."""
        rest, unclear = iter(others), set()
        for name, sources in self.record.copies.items():
            worst = min(next(rest).strictest(field) for _, field in sources)
            if worst >= READ_ONLY:
                continue
            if len(sources) == 1:
                self._stricter(name, {None: worst})
            else:
                unclear.add(name)
        return frozenset(unclear)

    def _follow_sources(self) -> None:
        """What is made of a field that is not seen in full is no more seen than that; nor a key of `custom`."""
        for name, sources in self.record.made_of.items():
            for states in [self._own[source] for source in sources if source in self._own]:
                self._stricter(name, {s: level if level < READ_ONLY else OPTIONAL for s, level in states.items()})
        if "custom" in self._own:
            for name in [n for n in self._own if n.startswith(CUSTOM)]:
                self._stricter(name, self._own["custom"])

    @property
    def names(self) -> Iterable[str]:
        """The fields with rules."""
        return self._own

    def level(self, name: str, state: str | None = None) -> int:
        """The level of a field, `custom.<key>` for a custom one, while the record is in a state."""
        states = self._own.get(name)
        if states is None:
            return self.level("custom", state) if name.startswith(CUSTOM) else OPTIONAL
        return states.get(state, states[None])

    def by_state(self, name: str) -> dict[str, int]:
        """The level of a field in those states where it is not the general one."""
        general = self.level(name)
        return {s: level for s in self._possible if (level := self.level(name, s)) != general}

    def is_gone(self, name: str) -> bool:
        """Whether a field is hidden in every state."""
        return name in self.gone or (name.startswith(CUSTOM) and "custom" in self.gone)

    def is_blind(self, name: str) -> bool:
        """Whether a field, by whichever of its names, is hidden or masked in some state."""
        name = name_of(self.record, name)
        return name in self.blind or (name.startswith(CUSTOM) and "custom" in self.blind)

    def chosen(self, names: tuple[str, ...], wanted: str) -> tuple[str, ...]:
        """Those of the chosen fields that are seen. Refuses one that `wanted` names although it is hidden."""
        found = self._chosen.get((names, wanted))
        if found is None:
            if wanted.strip() not in ("", "*"):
                for one in (w.strip() for w in wanted.split(",")):
                    if name_of(self.record, one) in self.gone:
                        raise errors.Invalid(errors.Problem("fields", "unknown_field", {"name": one[:60]}))
            found = tuple(n for n in names if n not in self.gone)
            if len(self._chosen) > 500:
                self._chosen.clear()
            self._chosen[names, wanted] = found
        return found

    def columns(self, names: Sequence[str], columns: tuple[str, ...]) -> tuple[str, ...]:
        """The columns to read for these fields: with the state, where something depends on it."""
        pooled = self.record.pooled
        if self.pools and pooled not in columns and self._closes((*names, *columns)):
            columns = (*columns, pooled)
        states = self.record.states
        if states is None or states.column in columns:
            return columns
        fixed = all(len(self._own[n]) == 1 for n in self._parts((*names, *columns)))
        return columns if fixed else (*columns, states.column)

    def _closes(self, names: Iterable[str]) -> bool:
        """Whether some pool closes some of these fields, or closes them to somebody."""
        return any(not closed.ever.isdisjoint(names) for closed in self.pools.values())

    def closed_of(self, call: Call, message: Any) -> frozenset[str]:
        """The fields that the caller does not see of a record because of the pool in which it lies."""
        closed = self.pools.get(getattr(message, self.record.pooled)) if self.pools else None
        return closed.now(call, message.id) if closed is not None else frozenset()

    def finisher(self, names: Sequence[str], columns: tuple[str, ...]) -> Finish | None:
        """What to do with each message made of these columns, of which `names` were asked for; None for nothing."""
        key = (tuple(names), columns)
        kept = self._finishers
        if key not in kept:
            if len(kept) > 500:
                kept = self._finishers = {}  # anew, not emptied: another thread may be reading it
            kept[key] = self._compile(names, columns)
        return kept[key]

    @cached_property
    def whole(self) -> Finish | None:
        """What to do with a message that has everything."""
        return self.finisher(tuple(self.record.fields), ())

    def _compile(self, names: Sequence[str], columns: tuple[str, ...]) -> Finish | None:
        shown = dict.fromkeys([*names, *columns])
        always: list[Finish] = []
        by_state: list[tuple[Mapping[str | None, Finish | None], Finish | None]] = []
        for name in self._parts(tuple(shown)):
            steps = {state: self._step(name, level) for state, level in self._own[name].items()}
            general = steps[None]
            if len(steps) > 1 and any(steps.values()):
                by_state.append((steps, general))
            elif general is not None:
                always.append(general)
        column = self.record.states.column if self.record.states is not None else ""
        if column in columns and column not in names and column not in self._told(names):
            # Read for the rules only.
            always.append(lambda _, message: message.ClearField(column))
        if self.pools and (not columns or self.record.pooled in columns):
            always.append(partial(self._close, self.record.pooled not in names))
        if not always and not by_state:
            return None

        def finish(call: Call, message: Any) -> None:
            state = getattr(message, column) if column else None
            for step in always:
                step(call, message)
            for steps, general in by_state:
                chosen = steps.get(state, general)
                if chosen is not None:
                    chosen(call, message)

        return finish

    def _close(self, unasked: bool, call: Call, message: Any) -> None:
        """Leave out what the pool closes; and the pool itself, where it was read for the rules only."""
        for name in self.closed_of(call, message):
            message.ClearField(name)
        if unasked:
            message.ClearField(self.record.pooled)

    def _told(self, names: Sequence[str]) -> set[str]:
        return {c for n in names for c in self.record.made_of.get(n, ())}

    def _parts(self, names: tuple[str, ...]) -> list[str]:
        """The fields with rules among these; with `custom` go its keys, and what `decorate` may fill in unasked."""
        unasked = self.record.fields.keys() - self.record.stored.keys()
        shown = {*names, *unasked}
        return [n for n in self._own if ("custom" if n.startswith(CUSTOM) else n) in shown]

    def _step(self, name: str, level: int) -> Finish | None:
        if level > MASKED:
            return None
        if name.startswith(CUSTOM):
            return _custom_step(self.record, name.removeprefix(CUSTOM), level)
        mask = mask_of(self.record.fields[name]) if level == MASKED else None
        if mask is None:
            return lambda _, message: message.ClearField(name)

        def put_on(_: Call, message: Any) -> None:
            value = getattr(message, name)
            if value:
                setattr(message, name, mask(value))

        return put_on

    def _known(self, name: str) -> bool:
        there = name in self.record.fields or (name.startswith(CUSTOM) and "custom" in self.record.fields)
        return there and name not in ALWAYS

    def _stricter(self, name: str, states: States) -> None:
        old = self._own.get(name, {None: OPTIONAL})
        merged = {s: min(old.get(s, old[None]), states.get(s, states[None])) for s in {*old, *states}}
        if any(level != OPTIONAL for level in merged.values()):
            self._own[name] = merged

    def _levels(self, name: str) -> list[int]:
        return [self.level(name, s) for s in self._possible] or [self.level(name)]


def mask_of(field: Field) -> Callable[[str], str] | None:
    """How a field is masked; None where it is left out: no text, or one of few, whose first letter would tell it."""
    if field.kind != kinds.TEXT or field.dictionary or field.values:
        return None
    return masking.of_format(field.format)


def _custom_step(record: Record, key: str, level: int) -> Finish:
    def take(call: Call, message: Any) -> None:
        values = message.custom.fields
        if key not in values:
            return
        if level == MASKED and custom_fields.kinds_of(call, record).get(key) == "text":
            values[key].string_value = masking.by_form(values[key].string_value)
        else:
            del values[key]

    return take


def name_of(record: Record, name: str) -> str:
    """The contract's name of a field that may be given as JSON calls it."""
    if name in record.fields:
        return name
    return next((n for n, f in record.fields.items() if f.json_name == name), name)
