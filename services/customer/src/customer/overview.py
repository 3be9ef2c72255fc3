"""The parts of a customer's overview that this service owns: a function for each, named in PARTS by its code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Date, and_, bindparam, or_, select

from crm.customer.v1 import behaviour_pb2, behaviour_tags_pb2, interactions_pb2
from crm.records.v1 import overview_pb2
from crm.records.v1.records_pb2 import GetRequest
from crm_kit import errors, organisation
from crm_kit.rpc import Call
from crm_records import dictionaries, listing
from crm_records.overview import ABOUT, ROWS, Show, Shown, groups_of, rows_of
from customer import timeline as timelines
from customer.behaviour import reading
from customer.behaviour.rpc import BehaviourTagServicer
from customer.contacts import CONTACTS
from customer.customer_events.record import CUSTOMER_EVENTS
from customer.customer_events.tables import customer_event, customer_event_participant
from customer.customers import CUSTOMERS
from customer.demands import DEMANDS
from customer.relationships.kinds import KINDS
from customer.relationships.record import RELATIONSHIPS
from customer.relationships.tables import relationship
from customer.rpc.customers import BRIEFS, brief_message
from customer.tables import contact, demand
from customer.visits.record import PLANNED, VISITS
from customer.visits.tables import visit

_FULL, _BRIEF = f"{CUSTOMERS.type}.read", f"{BRIEFS.type}.read"
_FEW, _TIMELINE = 3, 20
_TODAY = bindparam("overview_day", type_=Date)
_r, _d = relationship.c, demand.c

_PEOPLE = and_(contact.c.customer_id == ABOUT, ~contact.c.invalid)
_DECIDERS = and_(_PEOPLE, contact.c.decision_role == "decider")
_TIES = and_(
    or_(_r.from_customer_id == ABOUT, _r.to_customer_id == ABOUT),
    or_(_r.valid_from.is_(None), _r.valid_from <= _TODAY),
    or_(_r.valid_until.is_(None), _r.valid_until >= _TODAY),
)
_VALID_DEMANDS = and_(
    _d.customer_id == ABOUT,
    or_(_d.valid_from.is_(None), _d.valid_from <= _TODAY),
    or_(_d.valid_until.is_(None), _d.valid_until >= _TODAY),
)
_PLANNED_VISITS = and_(visit.c.customer_id == ABOUT, visit.c.state == PLANNED)
_PAST_VISITS = and_(visit.c.customer_id == ABOUT, visit.c.check_in_time.is_not(None))
_p = customer_event_participant.c
_EVENTS = customer_event.c.id.in_(select(_p.event_id).where(_p.customer_id == ABOUT, _p.delete_time.is_(None)))


def admit(call: Call, customer_id: str) -> Collection[str] | None:
    """Everything of a customer within the caller's reach; the profile of one that they know in brief."""
    asked = GetRequest(id=customer_id)
    full, brief = call.access.may(_FULL), call.access.may(_BRIEF)
    if not (full or brief):
        raise errors.Denied("right_missing", right=_FULL)
    try:
        if full:
            call.memo[profile] = listing.get(call, CUSTOMERS, asked)
            return None
    except errors.NotFound:
        if not brief:
            raise
    found = listing.get(call, BRIEFS, GetRequest(id=customer_id, fields=""))
    call.memo[profile] = brief_message(found, organisation.names(call.connection, [found.owner_id]))
    return ("profile",)


def profile(call: Call, customer_id: str) -> Shown:
    """The whole customer, with tags and what became of its review; or the brief."""
    return Shown([call.memo[profile]])


def contacts(call: Call, customer_id: str) -> Shown:
    """The primary one first; each with the decision role."""
    return rows_of(call, CONTACTS, _PEOPLE, customer_id, order_by="primary desc")


def deciders(call: Call, customer_id: str) -> Shown:
    return rows_of(call, CONTACTS, _DECIDERS, customer_id)


def relationships(call: Call, customer_id: str) -> Shown:
    """Ties that hold today, and how many there are of each kind."""
    day = {_TODAY.key: _today(call)}
    known = KINDS.read(call.connection)
    figures = []
    for code, count in groups_of(call, RELATIONSHIPS, _TIES, customer_id, "kind", bound=day):
        zh, en = (known[code].label_zh, known[code].label_en) if code in known else (code, code)
        figures.append(overview_pb2.OverviewFigure(code=code, label_zh=zh, label_en=en, value=str(count)))
    return rows_of(call, RELATIONSHIPS, _TIES, customer_id, figures=figures, bound=day)


def timeline(call: Call, customer_id: str) -> Shown:
    request = interactions_pb2.ListTimelineRequest(customer_id=customer_id, page_size=_TIMELINE)
    return Shown(timelines.timeline(call, request).entries)


def valid_demands(call: Call, customer_id: str) -> Shown:
    return rows_of(call, DEMANDS, _VALID_DEMANDS, customer_id, bound={_TODAY.key: _today(call)})


def planned_visits(call: Call, customer_id: str) -> Shown:
    """The next one first."""
    return rows_of(call, VISITS, _PLANNED_VISITS, customer_id, order_by="plan_start", size=_FEW)


def past_visits(call: Call, customer_id: str) -> Shown:
    """The last one first."""
    return rows_of(call, VISITS, _PAST_VISITS, customer_id, order_by="check_in_time desc", size=_FEW)


def customer_events(call: Call, customer_id: str) -> Shown:
    """Those that the customer was invited to, the latest first."""
    return rows_of(call, CUSTOMER_EVENTS, _EVENTS, customer_id, order_by="start_time desc")


def behaviour(call: Call, customer_id: str) -> Shown:
    """The days on which something was done, the newest first, and how often what was done in the last 30 days."""
    counts = reading.counts(call, behaviour_pb2.CountBehaviourRequest(customer_id=customer_id))
    figures = []
    for kind, count in ((k.kind, k.count) for k in counts.kinds):
        zh, en = dictionaries.labels(call, "behaviour_kind", kind)
        figures.append(overview_pb2.OverviewFigure(code=kind, label_zh=zh, label_en=en, value=str(count)))
    return Shown(counts.days[:ROWS], counts.total, figures=figures)


def behaviour_tags(call: Call, customer_id: str) -> Shown:
    """Those in force, with the rule that put them."""
    request = behaviour_tags_pb2.ListBehaviourTagsRequest(customer_id=customer_id)
    tags = [t for t in BehaviourTagServicer().ListBehaviourTags(call, request).tags if not t.HasField("removed_time")]
    return Shown(tags[:ROWS], len(tags))


PARTS: Mapping[str, Show] = {
    show.__name__: show
    for show in (
        profile,
        contacts,
        deciders,
        relationships,
        timeline,
        valid_demands,
        planned_visits,
        past_visits,
        customer_events,
        behaviour,
        behaviour_tags,
    )
}


def _today(call: Call) -> date:
    """The day where the caller is, as `current` of demands and relationships has it."""
    return datetime.now(ZoneInfo(call.access.time_zone)).date()
