"""Putting a company of `world.py` into running services, and reading back what is told apart from rights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from security import drafts
from security import world as worlds
from security.facts import Member, Person, Pool, Record, Role
from security.kinds import KINDS, Kind
from security.services import Services
from security.world import SIZES, World

from crm.identity.v1.departments_pb2 import Department
from crm.identity.v1.roles_pb2 import DataScope, FieldRule
from crm.identity.v1.roles_pb2 import Role as RoleMessage
from crm.identity.v1.users_pb2 import Grant, User
from crm.records.v1.team_pb2 import TeamMember
from crm_kit.field_names import camel
from crm_kit.testing import event

TEAMS = ("customer", "customer_event", "opportunity", "service_request", "task")
"""Records with an owner that are no parts."""
STRUCTURE = ("id", "creator_id", "version", "delete_time")


def move_in(services: Services, world: World, share: float = 1.0, *, teams: bool = True) -> None:
    """Organisation, then records made by the boss, then teams. `share` of the usual number of records."""
    services.reset()
    organise(services, world)
    pipelines = services.ask(world.boss, "ListPipelines", fields="*").answer.pipelines
    services.deliver("sales", [event(p, "created") for p in pipelines])  # there from the start, announced long ago
    template = {"name": "问候", "channel": "task", "text_zh": "问候"}
    world.care_template = services.ask(world.boss, "CreateCareTemplate", care_template=template).answer.id
    for record_type, size in SIZES.items():
        _make(services, world, record_type, max(10, int(size * share)))
        services.tell()
    _comment(services, world)
    _go_on(services, world)
    if teams:
        _team_up(services, world)
        _pool(services, world)
    services.tell()


def organise(services: Services, world: World) -> None:
    """As identity announces it."""
    events = [
        event(Department(id=i, name=f"部门{n}", parent_id=above or "", manager_id=world.managers.get(i, "")), "created")
        for n, (i, above) in enumerate(world.departments.items())
    ]
    events += [event(_role(r), "created") for r in world.roles]
    events += [event(_user(p), "created") for p in world.people]
    for name, server in services.servers.items():
        if name != "identity":
            server.deliver("identity", *events)


def _role(role: Role) -> RoleMessage:
    return RoleMessage(
        id=role.id,
        code=role.code,
        name=role.code,
        rights=sorted(role.rights),
        scopes=[
            DataScope(resource=s.resource, scope=s.kind, department_ids=sorted(s.departments)) for s in role.scopes
        ],
        field_rules=[
            FieldRule(resource=r.resource, field=r.field, rule=r.level, states=sorted(r.states))
            for r in role.field_rules
        ],
    )


def _user(person: Person) -> User:
    made = User(
        id=person.id,
        username=f"u-{person.id[:8]}",
        name=person.name,
        department_id=person.department or "",
        manager_id=person.manager or "",
        role_ids=[r.id for r in person.roles],
        active=True,
    )
    for grant in person.grants:
        end = Timestamp()
        if grant.until:
            end.FromDatetime(grant.until)
        made.grants.append(Grant(right=grant.right, denied=grant.denied, end_time=end if grant.until else None))
    return made


def _make(services: Services, world: World, record_type: str, count: int) -> None:
    """Records made by the boss: by an import, or one by one."""
    kind = KINDS[record_type]
    if not kind.imported:
        for n in range(count):
            made = services.ask(world.boss, f"Create{kind.noun}", **{record_type: drafts.draft(world, record_type, n)})
            assert made.code == "OK", made
            adopt(services, world, record_type, made.answer)
        return
    rows = [drafts.draft(world, record_type, n) for n in range(count)]
    if record_type == "customer":
        drafts.alike(rows)
    outcome = services.ask(world.boss, f"Import{kind.nouns}", **{kind.plural: rows})
    assert outcome.code == "OK", outcome
    assert outcome.answer.created == count, [r.reason for r in outcome.answer.results if r.outcome != "created"][:3]
    made_of = {row["external_id"]: n for n, row in enumerate(rows)}
    made = sorted(boss_list(services, world, record_type), key=lambda row: made_of[row.external_id])
    world.records[record_type] += [_record(world, record_type, row) for row in made]
    refresh(services, *world.records[record_type])


def boss_list(services: Services, world: World, record_type: str) -> list[Any]:
    """Every living record of a type, with all its fields, in any order: ids of one millisecond are in none."""
    kind = KINDS[record_type]
    found, page_token = [], ""
    while True:
        page = services.ask(world.boss, f"List{kind.nouns}", page_size=200, page_token=page_token, fields="*").answer
        found += getattr(page, kind.plural)
        page_token = page.next_page_token
        if not page_token:
            return found


def adopt(services: Services, world: World, record_type: str, message: Any) -> Record:
    """A record that somebody made during the test becomes part of the world."""
    record = _record(world, record_type, message)
    world.records[record_type].append(record)
    refresh(services, record)
    return record


def _record(world: World, record_type: str, row: Any) -> Record:
    kind = KINDS[record_type]
    parent = world.find(kind.parent, getattr(row, kind.parent_field)) if kind.parent else None
    ends = tuple(e for n in kind.ends if (e := world.find("customer", getattr(row, n))) is not None)
    return Record(record_type, row.id, parent=parent, ends=ends, values=_values(kind, row))


def _values(kind: Kind, row: Any) -> dict[str, object]:
    plain = MessageToDict(row)
    names = {*kind.compared, *kind.searched, *kind.ruled, *kind.ordered, "external_id"}
    return {n: plain.get(camel(n), "") for n in names}


def reread_all(services: Services, world: World, record_type: str) -> None:
    """The same of every living record of a type: something was computed of all of them."""
    rows = boss_list(services, world, record_type)
    known = {r.id: r for r in world.records[record_type]}
    for row in rows:
        if row.id in known:
            known[row.id].values |= _values(KINDS[record_type], row)
    refresh(services, *known.values())
    adopt_all(services, world, record_type, [row for row in rows if row.id not in known])


def adopt_all(services: Services, world: World, record_type: str, rows: list[Any]) -> None:
    """Records that were made of customers, or of their contacts, become part of the world, in the order of those."""
    places = {r.id: n for n, r in enumerate(world.of("customer", "contact"))}
    made = sorted(rows, key=lambda row: places[getattr(row, "record_id", row.customer_id)])
    new = [_record(world, record_type, row) for row in made]
    world.records[record_type] += new
    refresh(services, *new)


def reread(services: Services, world: World, record: Record) -> None:
    """Its values as the boss reads them: some are filled in where nothing is given."""
    kind = KINDS[record.type]
    record.values |= _values(kind, services.ask(world.boss, f"Get{kind.noun}", id=record.id).answer)
    refresh(services, record)


def refresh(services: Services, *records: Record) -> None:
    """Whose records of one type are, in which state and version: facts, not rights, so they are taken from where they
    are kept."""
    if not records:
        return
    kind = KINDS[records[0].type]
    columns = [*STRUCTURE, *(["owner_id", "department_id"] if kind.owned else [])]
    columns += [kind.state_column] if kind.states else []
    columns += ["pool_id"] if kind.type == "customer" else []
    columns += [*([kind.named] if kind.named else []), *kind.facts]
    asked = f'SELECT {", ".join(columns)} FROM "{kind.type}" WHERE id = ANY(CAST(:ids AS uuid[]))'
    rows = services.servers[kind.service].sql(asked, ids=[r.id for r in records])
    found = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    for record in records:
        _is_now(services, kind, record, {**found[record.id]})


def _is_now(services: Services, kind: Kind, record: Record, now: dict[str, Any]) -> None:
    record.creator, record.version, record.deleted = now["creator_id"], now["version"], now["delete_time"] is not None
    record.owner, record.department = now.get("owner_id"), now.get("department_id")
    record.state = now.get(kind.state_column)
    record.named = frozenset(str(i) for i in now.pop(kind.named, ()))
    if record.type == "customer":
        # Whoever has a customer took it out; what is undone goes back.
        lies = now.pop("pool_id")
        record.pool = services.pools[lies] if lies and not (record.owner or record.department) else None
    record.values |= {n: "" if v is None else v for n, v in now.items() if n not in ("version", "delete_time")}


def _comment(services: Services, world: World) -> None:
    for number, task in enumerate(world.records["task"][:60]):
        said = {"task_id": task.id, "text": f"评论{number:04}"}
        outcome = services.ask(world.boss, "CreateTaskComment", task_comment=said)
        assert outcome.code == "OK", outcome
        adopt(services, world, "task_comment", outcome.answer)


def _go_on(services: Services, world: World) -> None:
    """Some of what was made goes on: visits took place, a customer is said not to be needed, behaviour is told."""
    here = {"latitude": "31.2304", "longitude": "121.4737"}
    for visit in world.records["visit"][::6]:
        for rpc, brought in (("CheckIn", here), ("CheckOut", here), ("Report", {"result": "好", "next_step": "报价"})):
            done = services.ask(world.boss, f"{rpc}Visit", id=visit.id, etag=str(visit.version), **brought)
            assert done.code == "OK", done
            reread(services, world, visit)
    for customer in world.records["customer"][::9]:
        said = {"topic": "lifecycle", "value": "not_needed", "note": "同行"}
        assert services.ask(world.boss, "OverruleStanding", customer_id=customer.id, **said).code == "OK"
        reread(services, world, customer)
    assert services.ask(world.boss, "FindDuplicateClusters").code == "OK"
    services.servers["customer"].run_jobs()


def _team_up(services: Services, world: World) -> None:
    """Teams as the services announce them."""
    for record_type in TEAMS:
        kind = KINDS[record_type]
        events = []
        for record in world.records[record_type]:
            record.team = worlds.team(world)
            events += [event(_member(record, m), "added") for m in record.team]
        if events:
            services.deliver(kind.service, events)


def _pool(services: Services, world: World) -> None:
    """Public pools: one hides fields, the interactions and the trade, one shows so many a day, one everything. An
    eighth of the customers lies in them."""
    hidden = frozenset({"interaction", "trade_entry", "mobile", "annual_revenue", "lifecycle"})
    pools = [_found(services, world, p) for p in (worlds.pool(world, hidden), worlds.pool(world, views=3))]
    pools.append(_found(services, world, worlds.pool(world)))
    world.oracle.pools += pools
    for record in world.records["customer"]:
        if not record.deleted and world.chance.random() < 0.125:
            into = world.chance.choice(pools)
            said = {"id": record.id, "etag": str(record.version), "reason": "other", "pool_id": into.id}
            outcome = services.ask(world.boss, "GiveBackCustomer", **said)
            assert outcome.code == "OK", outcome
            refresh(services, record)
            assert record.pool == into


def _found(services: Services, world: World, pool: Pool) -> Pool:
    """Set a pool up and put it into use."""
    said = {
        "name": "公海",
        "member_user_ids": sorted(pool.people),
        "member_department_ids": sorted(pool.departments),
        "member_role_codes": sorted(pool.roles),
        "hidden_fields": sorted(pool.hidden),
        "administrator_user_ids": sorted(pool.administrators),
        "limits": [] if pool.views is None else [{"views_per_day": pool.views}],
    }
    made = services.ask(world.boss, "CreatePool", pool=said)
    assert made.code == "OK", made
    outcome = services.ask(world.boss, "ActivatePool", id=made.answer.id, etag=made.answer.etag)
    assert outcome.code == "OK", outcome
    found = services.pools[made.answer.id] = replace(pool, id=made.answer.id)
    return found


def _member(record: Record, member: Member) -> TeamMember:
    made = TeamMember(
        id=f"{record.type}:{record.id}:{member.person}",
        record_type=record.type,
        record_id=record.id,
        user_id=member.person,
        access=member.access,
    )
    if member.until:
        made.end_time.FromDatetime(member.until)
    return made
