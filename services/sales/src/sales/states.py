"""What can be done with an opportunity, and where it leads. Apart from the stage: that is the pipeline's."""

from __future__ import annotations

from crm.sales.v1 import opportunities_pb2 as pb
from crm_records.states import States, Transition

UNASSIGNED, ASSIGNED, DEVELOPING, WON, LOST, ARCHIVED = (
    "unassigned",
    "assigned",
    "developing",
    "won",
    "lost",
    "archived",
)
OPEN = (UNASSIGNED, ASSIGNED, DEVELOPING)
CLOSED = (WON, LOST, ARCHIVED)

_ASSIGN = ("分配", "assign it")
_UPDATE = "opportunity.update"

STATES = States(
    pb.Opportunity,
    initial=UNASSIGNED,
    transitions=(
        Transition((UNASSIGNED, ASSIGNED), "assign", ASSIGNED, "opportunity.assign", _ASSIGN, "assigned"),
        Transition((DEVELOPING,), "assign", DEVELOPING, "opportunity.assign", _ASSIGN, "assigned"),
        Transition(OPEN, "assign", UNASSIGNED, "opportunity.assign", _ASSIGN, "assigned"),
        Transition((ASSIGNED, DEVELOPING), "move", DEVELOPING, _UPDATE, ("推进", "move it"), "moved"),
        Transition((ASSIGNED, DEVELOPING), "win", WON, _UPDATE, ("赢单", "win it"), "won"),
        Transition(OPEN, "lose", LOST, _UPDATE, ("输单", "lose it"), "lost", required=("lost_reason",)),
        Transition(CLOSED, "reopen", DEVELOPING, _UPDATE, ("重新打开", "reopen it"), "reopened"),
        Transition((WON, LOST), "archive", ARCHIVED, _UPDATE, ("归档", "archive it"), "archived"),
    ),
)
