"""The relationship map of a customer: nodes, edges, and who influences its deciders."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm.customer.v1 import relationships_pb2 as pb
from crm_kit import errors, field_access
from crm_kit.errors import Problem
from crm_kit.field_access import MASKED
from crm_kit.rpc import Call
from crm_records import fields as field_kinds
from crm_records import reaching, visibility, writing
from customer.customers import CUSTOMERS
from customer.relationships import around, influence
from customer.relationships.kinds import KINDS, labels
from customer.relationships.record import RELATIONSHIPS

MOST_NODES = 200
_VALIDITY = ("valid_from", "valid_until")
_TOLD = ("position", "department", "decision_role")
PARENT = (("下级单位", "上级单位"), ("is part of", "is parent of"))
"""What an edge to a parent organisation is called, in Chinese and in English."""


def draw(call: Call, request: pb.GetRelationshipMapRequest) -> pb.RelationshipMap:
    """The map of a customer within the caller's reach."""
    given = writing.given(request)
    center = given["customer_id"]
    if not field_kinds.is_id(center) or not reaching.holds(call, CUSTOMERS, center, RELATIONSHIPS.reach(call)):
        raise errors.NotFound()
    if given["day"] and not visibility.blind(call, RELATIONSHIPS).isdisjoint(_VALIDITY):
        raise errors.Invalid(Problem("day", "unknown_field", {"name": "day"}))
    most = given["max_nodes"] or MOST_NODES
    day = given["day"] or datetime.now(ZoneInfo(call.access.time_zone)).date()
    found = around.look(call, center, given["depth"] or 1, day, most)
    nodes = _nodes(call, found)
    answer = pb.RelationshipMap(customer_id=center, nodes=nodes[:most], capped=found.capped or len(nodes) > most)
    there = {node.id: node for node in answer.nodes}
    answer.edges.extend(e for e in _edges(call, found, there) if e.from_id in there and e.to_id in there)
    links = _links(call, answer.edges)
    for node in answer.nodes:
        if node.kind == "contact" and node.customer_id == center and node.decision_role == "decider":
            answer.deciders.append(_influence(node, there, answer.edges, links))
    return answer


def _nodes(call: Call, found: around.Around) -> list[pb.RelationshipNode]:
    """Nearest first; the people of a customer behind it."""
    theirs = call.access.fields("customer")
    mine = call.access.fields("contact")
    people: dict[str, list[Any]] = {}
    for row in found.contacts.values():
        people.setdefault(row.customer_id, []).append(row)
    nodes = []
    for customer_id, distance in sorted(found.distance.items(), key=lambda item: item[1]):
        name = field_access.shown(theirs, "name", found.names.get(customer_id, ""))
        nodes.append(
            pb.RelationshipNode(
                kind="customer",
                id=customer_id,
                name=name,
                brief=customer_id not in found.full,
                distance=distance,
            )
        )
        for row in people.get(customer_id, ()):
            told = {n: getattr(row, n) or "" if mine.strictest(n) > MASKED else "" for n in _TOLD}
            nodes.append(
                pb.RelationshipNode(
                    kind="contact",
                    id=row.id,
                    name=field_access.shown(mine, "name", row.name),
                    customer_id=customer_id,
                    primary=row.primary and mine.strictest("primary") > MASKED,
                    distance=distance,
                    position=told["position"],
                    department=told["department"],
                    decision_role=told["decision_role"],
                )
            )
    return nodes


def _edges(call: Call, found: around.Around, there: Any) -> list[pb.RelationshipEdge]:
    """Ties; one to a person who is not shown leads to their customer, and why it is so is not told."""
    rules = call.access.fields("relationship")
    known = KINDS.read(call.connection)
    edges = []
    for tie in found.ties.values():
        kind = known.get(tie.kind)
        label, inverse = labels(call, kind) if kind is not None else (tie.kind, tie.kind)
        ends = [_end(found, tie, end) for end in ("from", "to")]
        if ends[0] == ends[1]:
            continue  # between two people of a customer whose people are not shown
        whole = all(seen for _, seen in ends)
        edge = pb.RelationshipEdge(
            relationship_id=tie.id if whole else "",
            from_id=ends[0][0],
            to_id=ends[1][0],
        )
        if rules.strictest("kind") > MASKED:
            edge.kind, edge.label, edge.inverse_label = tie.kind, label, inverse
            edge.directed = kind is not None and kind.directed
            edge.hierarchy = kind is not None and kind.hierarchy
        if whole:
            edge.reason = field_access.shown(rules, "reason", tie.reason or "")
            edge.strength = (tie.strength or 0) if rules.strictest("strength") > MASKED else 0
        edges.append(edge)
    label, inverse = PARENT[1 if call.language == errors.EN else 0]
    if call.access.fields("customer").strictest("parent_id") > MASKED:
        parent = pb.RelationshipEdge(kind="parent", label=label, inverse_label=inverse, directed=True)
        for child, above in found.parents:
            edge = pb.RelationshipEdge(from_id=child, to_id=above)
            edge.MergeFrom(parent)
            edges.append(edge)
    return edges


def _end(found: around.Around, tie: Any, end: str) -> tuple[str, bool]:
    """The node of an end, and whether it is the end itself and reached in full."""
    customer_id = getattr(tie, f"{end}_customer_id")
    contact_id = getattr(tie, f"{end}_contact_id")
    if contact_id in found.contacts:
        return contact_id, True
    return customer_id, not contact_id and customer_id in found.full


def _links(call: Call, edges: Any) -> list[influence.Link]:
    """Who moves whom, by what the kinds say. An edge is named by its place in the list."""
    known = KINDS.read(call.connection)
    links = []
    for i, edge in enumerate(edges):
        way = known[edge.kind].influence if edge.kind in known else None
        if way in ("forward", "both"):
            links.append(influence.Link(edge.from_id, edge.to_id, str(i), edge.strength))
        if way in ("backward", "both"):
            links.append(influence.Link(edge.to_id, edge.from_id, str(i), edge.strength))
    return links


def _influence(node: Any, there: Any, edges: Any, links: list[influence.Link]) -> pb.DeciderInfluence:
    answer = pb.DeciderInfluence(contact_id=node.id, name=node.name)
    for source, way in influence.ways(links, node.id).items():
        percent = round(way.strength * 100)
        path = answer.paths.add(from_id=source, name=there[source].name, strength_percent=percent)
        for link in way.links:
            edge = edges[int(link.tie)]
            along = link.source == edge.from_id
            path.steps.add(
                from_id=link.source,
                to_id=link.target,
                relationship_id=edge.relationship_id,
                label=edge.label if along else edge.inverse_label,
                strength=edge.strength,
                reason=edge.reason,
            )
    return answer
