"""The kinds of relationships that a new installation starts with."""

from __future__ import annotations

from crm.customer.v1.relationship_kinds_pb2 import RelationshipKind
from crm_kit.rpc import Call
from customer.relationships.kinds import RELATIONSHIP_KINDS
from customer.seeding import create_once

_CONTACTS, _CUSTOMERS = "contacts", "customers"
_DIRECTED = (
    # code, label, the same from the other end, between whom, who moves whom, line of command
    ("reports_to", ("下属于", "reports to"), ("领导", "manages"), _CONTACTS, "backward", True),
    ("influences", ("影响", "influences"), ("受影响于", "is influenced by"), "", "forward", False),
    ("assists", ("协助", "assists"), ("由其协助", "is assisted by"), _CONTACTS, "forward", False),
    ("supplies", ("供货给", "supplies"), ("采购自", "buys from"), _CUSTOMERS, "", False),
    ("controls", ("控股", "controls"), ("被控股于", "is controlled by"), _CUSTOMERS, "forward", False),
)
_MUTUAL = (
    ("related_company", ("关联企业", "related company of"), _CUSTOMERS, ""),
    ("partner", ("合作伙伴", "partner of"), _CUSTOMERS, ""),
    ("competitor", ("竞争对手", "competitor of"), _CUSTOMERS, ""),
    ("family", ("亲属", "family of"), _CONTACTS, "both"),
    ("friend", ("朋友", "friend of"), _CONTACTS, "both"),
    ("classmate", ("同学", "classmate of"), _CONTACTS, "both"),
    ("former_colleague", ("前同事", "former colleague of"), _CONTACTS, "both"),
)


def seed(call: Call) -> None:
    """Run after every migration."""
    kinds = [
        RelationshipKind(
            code=code,
            label_zh=label[0],
            label_en=label[1],
            inverse_zh=inverse[0],
            inverse_en=inverse[1],
            directed=True,
            ends=ends,
            influence=influence,
            hierarchy=hierarchy,
        )
        for code, label, inverse, ends, influence, hierarchy in _DIRECTED
    ]
    kinds += [
        RelationshipKind(code=code, label_zh=label[0], label_en=label[1], ends=ends, influence=influence)
        for code, label, ends, influence in _MUTUAL
    ]
    for i, kind in enumerate(kinds):
        create_once(call, RELATIONSHIP_KINDS, f"01900000-0000-7000-8000-{0x120 + i:012x}", kind)
