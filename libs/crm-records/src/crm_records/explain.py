"""Why somebody may, or may not, do something with a record: the chain from their account to the record, in words.

Nothing is decided here. Rights, scopes and teams are those of `crm_kit.access`; whether one of them reaches the record
is asked of the database with the condition that reads and writes use. Words only say who stands where.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from crm.records.v1 import access_pb2 as pb
from crm_kit import errors, pool, team
from crm_kit.access import Access
from crm_kit.errors import Problem
from crm_kit.reach import Reach, holds
from crm_kit.rpc import Call
from crm_kit.scope import Shape
from crm_records import fields as kinds
from crm_records import reaching
from crm_records.explain_words import MEMBERS, SCOPES, Whereabouts, moment
from crm_records.record import Record, Row
from crm_records.registry import Registry

ACTIONS = ("read", "update", "delete", "approve", "assign", "export", "print", "reveal")
"""What is done with one record."""


REACHING = ("owner", "scope", "creator", "named", "team", "pool")
"""Kinds of links of which one is enough to reach a record."""


class AccessServicer:
    """Answers for every record type."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def ExplainAccess(self, call: Call, request: pb.ExplainAccessRequest) -> pb.AccessExplanation:
        record = self._registry.records.get(request.record_type)
        if record is None or not kinds.is_id(request.user_id):
            raise errors.NotFound()
        right = _right(record, request.right)
        call.need(f"{record.type}.read")
        record_id = _seen(call, record, request.id)
        person = call.access.another(request.user_id)
        if person is None:
            raise errors.NotFound()
        chain = Chain(call, record, person, right, record_id)
        allowed = chain.allowed()
        answer = pb.AccessExplanation(
            record_type=record.type,
            id=record_id,
            user_id=person.user_id,
            user_name=person.name,
            right=right,
            allowed=allowed,
            text=chain.say("why_yes" if allowed else "why_no", name=person.name, right=right),
        )
        answer.steps.extend(chain.steps())
        return answer


def _right(record: Record, asked: str) -> str:
    """The right in full."""
    action = asked.removeprefix(f"{record.type}.") or "read"
    if action not in ACTIONS:
        params = {"label": ("权限", "Right"), "value": asked[:60], "choices": ", ".join(ACTIONS)}
        raise errors.Invalid(Problem("right", "not_a_choice", params))
    return f"{record.type}.{action}"


def _seen(call: Call, record: Record, given: str) -> str:
    """The id of a record that the asker sees, given by id or number."""
    found: str | None = given
    if not kinds.is_id(given):
        column = record.table.c.get("number")
        if column is None:
            raise errors.NotFound()
        query = select(record.table.c.id).where(column == given.strip(), record.table.c.delete_time.is_(None))
        found = call.connection.scalar(query)
    if not found or not reaching.holds(call, record, found, record.reach(call)):
        raise errors.NotFound()
    return found


@dataclass(slots=True)
class Chain:
    """The way from one person to one record by one right."""

    call: Call
    record: Record
    person: Access
    right: str
    record_id: str

    def allowed(self) -> bool:
        """What a call of this person is answered: the right is asked first, then the reach, by every RPC."""
        return self.person.active and self.person.may(self.right) and self._reaches(self._reach())

    def steps(self) -> Iterator[pb.AccessStep]:
        """The links in the order of the decision."""
        yield self._step("account", self.person.active, "why_in_use" if self.person.active else "why_disabled")
        yield from self._of_rights()
        record = self.record.top
        if record.belongs_to in record.table.c:
            top = self._top()
            links = [*self._of_scopes(top), *self._of_others(top), *self._of_named()]
            if "owner_id" in record.fields:
                links.append(self._of_team(top["id"]))
                pooled = record.pooled
                if pooled and top[pooled]:
                    links.append(self._of_pool(top[pooled]))
            yield from links
            if not any(s.held for s in links if s.kind in REACHING) and self._reaches(self._reach()):
                # Where a record has two ends, one link may reach the one and another the other.
                yield self._step("scope", True, "why_together")
        else:
            key = (
                "why_unscoped"
                if record.within(Shape(all=False, owners=True, departments=False)) is None
                else "why_personal"
            )
            yield self._step("scope", self._reaches(self._reach()), key)

    def _reach(self) -> Reach:
        return self.record.reach_of(self.person, self.right)

    def _reaches(self, reach: Reach) -> bool:
        return reaching.holds(self.call, self.record, self.record_id, reach)

    def _of_rights(self) -> Iterator[pb.AccessStep]:
        giving = [r for r in self.person.roles if holds(r.rights, self.right)]
        for role in giving:
            yield self._step("role", True, "why_role", id=role.code, name=role.name)
        if not giving:
            yield self._step("role", False, "why_no_role")
        for grant in self.person.grants:
            if holds({grant["right"]}, self.right):
                kind = "denial" if grant.get("denied") else "grant"
                end = datetime.fromisoformat(grant["endTime"]) if "endTime" in grant else None
                yield self._step(kind, kind == "grant", f"why_{kind}", end=self._moment(end))
        may = self.person.may(self.right)
        yield self._step("right", may, "why_right" if may else "why_no_right")

    def _of_scopes(self, top: Row) -> Iterator[pb.AccessStep]:
        """Whose the record is, and each scope that counts, with how it leads there or does not."""
        where = Whereabouts(self.call.connection)
        owner_id, home_id = top[self.record.top.belongs_to], top.get("department_id")
        if owner_id:
            owner = where.person(owner_id)
            home_id = owner.department_id
            mine = Reach(owner_ids=frozenset({self.person.user_id}))
            own = owner_id == self.person.user_id and self._reaches(mine)
            names = {"owner": owner.name, "department": where.path(home_id)}
            yield self._step("owner", own, "why_own" if own else "why_owner", id=owner_id, name=owner.name, **names)
        else:
            yield self._step("owner", False, "why_nobody", id=home_id or "", department=where.path(home_id))
        scopes = self.person.scopes(self.record.top.type, self.right)
        if not scopes:
            yield self._step("scope", False, "why_no_scopes")
        for role, scope in scopes:
            part = self.person.covers(scope)
            # Without its person: that somebody is named by the record besides its owner is a link of its own.
            held = self._reaches(replace(part, user_id=""))
            words = {"role": role.name, "scope": SCOPES[scope["scope"]]}
            key = "why_scope" if held else "why_no_scope"
            yield self._step("scope", held, key, id=role.code, name=role.name, **words)
            yield from self._of_place(where, scope, part, home_id, owner_id or self._stand_in(top))

    def _of_place(
        self, where: Whereabouts, scope: dict[str, Any], part: Reach, home_id: str | None, whose: str | None
    ) -> Iterator[pb.AccessStep]:
        """How a scope leads to the record: up the line of whose it is, or over the department that it lies in."""
        if scope["scope"] == "subordinates" and whose and whose != self.person.user_id:
            line = where.line(whose, self.person.user_id)
            led = whose in part.owner_ids
            key = "why_line" if led else "why_no_line"
            yield self._step("reporting_line", led, key, id=whose, name=line[0], way=" → ".join(line))
        if scope["scope"] == "subordinates" and home_id and not whose:
            led = home_id in part.department_ids
            names = {"home": where.path(home_id), "managers": where.managers(home_id) or "-"}
            yield self._step("department", led, "why_managed" if led else "why_not_managed", id=home_id, **names)
        if scope["scope"] in ("department", "department_tree", "chosen"):
            if whose and home_id not in part.department_ids:
                home_id = where.person(whose).department_id
            inside = home_id in part.department_ids
            names = {"home": where.path(home_id), "reached": where.reached(scope, self.person.department_id)}
            yield self._step("department", inside, "why_inside" if inside else "why_outside", id=home_id or "", **names)

    def _stand_in(self, top: Row) -> str | None:
        """Whose line counts while a record is nobody's: that of whoever made it, for some record types."""
        return None if self.record.top.owned_by_creator else top["creator_id"]

    def _of_others(self, top: Row) -> Iterator[pb.AccessStep]:
        """Some records name people who reach them besides their owner: whoever made them."""
        for column in self.record.top.also_sees:
            held = top[column] == self.person.user_id
            yield self._step("creator", held, "why_creator" if held else "why_no_creator", id=top[column] or "")

    def _of_named(self) -> Iterator[pb.AccessStep]:
        """Lists of people on the record itself, or on those that it is a part of."""
        for record, record_id in self._line():
            for name in record.also_named:
                query = select(record.table.c[name]).where(record.table.c.id == record_id)
                held = self.person.user_id in (self.call.connection.scalar(query) or ())
                label = record.fields[name].label
                yield self._step("named", held, "why_named" if held else "why_not_named", label=label)

    def _of_team(self, top_id: str) -> pb.AccessStep:
        place = team.place(self.call.connection, self.record.top.team_of, top_id, self.person.user_id)
        if place is None:
            return self._step("team", False, "why_no_team")
        access, end = place
        records = self.person.member_of(self.record.top.team_of, self.right)
        if top_id in records and self._reaches(Reach(record_ids=records)):
            return self._step("team", True, f"why_team_{access}", end=self._moment(end))
        return self._step("team", False, "why_team_short", access=MEMBERS[access])

    def _of_pool(self, pool_id: str) -> pb.AccessStep:
        """How the pool in which the record lies leads to it: to its members, to look, as far as it hides nothing."""
        c = pool.pool_share.c
        name = self.call.connection.scalar(select(c.name).where(c.id == pool_id)) or "?"
        held = reaching.in_pool(self.call, self.record, self.record_id, self._reach())
        member = pool_id in self.person.pools(self.record.top.team_of).ids
        key = "why_pool" if held else "why_pool_short" if member else "why_no_pool"
        return self._step("pool", held, key, id=pool_id, name=name, pool=name)

    def _top(self) -> Row:
        """The row whose owner decides: the record's own, or that of the record it is a part of."""
        record, record_id = [*self._line()][-1]
        query = select(record.table).where(record.table.c.id == record_id)
        return dict(self.call.connection.execute(query).mappings().one())

    def _line(self) -> Iterator[tuple[Record, str]]:
        """The record, the one that it is a part of, and so on."""
        record, record_id = self.record, self.record_id
        yield record, record_id
        while record.parent is not None:
            column = record.table.c[record.parent[0]]
            record_id = str(self.call.connection.scalar(select(column).where(record.table.c.id == record_id)))
            record = record.parent[1]
            yield record, record_id

    def _moment(self, time: datetime | None) -> str:
        return moment(time, self.call.access.time_zone)

    def _step(self, kind: str, held: bool, key: str, *, id: str = "", name: str = "", **params: Any) -> pb.AccessStep:
        """A link in words; one that ends some time says when."""
        key = f"{key}_until" if params.get("end") else key
        text = self.say(key, right=self.right, name=name or self.person.name, **params)
        return pb.AccessStep(kind=kind, held=held, text=text, id=id, name=name)

    def say(self, key: str, **params: Any) -> str:
        return errors.text(key, self.call.language, params)
