"""Whether a merge of contacts closes a circle of command, told before anything of it moves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import and_, select

from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.rpc import Call
from customer.relationships.kinds import KINDS
from customer.relationships.tables import relationship

r = relationship.c


@dataclass(frozen=True, slots=True)
class _Tie:
    """A tie of command as it is after the merge."""

    below: str
    above: str
    begins: date | None
    ends: date | None
    moves: bool
    """Whether the merge changes an end of it."""

    def meets(self, other: _Tie) -> bool:
        """Whether both hold at some time."""
        return _not_before(other.ends, self.begins) and _not_before(self.ends, other.begins)


def refuse_merge(call: Call, ids: Sequence[str]) -> None:
    """FAILED_PRECONDITION where these contacts, become one, would stand above themselves. The first is the one that
    stays. What somebody ties after this look is found when the ties are moved."""
    ties = list(_upwards(call, ids))
    above: dict[str, list[_Tie]] = defaultdict(list)
    for tie in ties:
        above[tie.below].append(tie)
    if any(tie.moves and _is_in_circle(above, tie) for tie in ties):
        raise errors.Conflict("merge_closes_circle")


def _upwards(call: Call, ids: Collection[str]) -> Iterator[_Tie]:
    """Every tie of command from these contacts upwards: a circle through them consists of nothing else. What is between
    two of them ends with the merge."""
    codes = [code for code, kind in KINDS.read(call.connection).items() if kind.hierarchy]
    living = and_(one_of(r.kind, codes), r.delete_time.is_(None))
    ties = select(r.id, r.from_contact_id, r.to_contact_id, r.valid_from, r.valid_until).where(living)
    way = ties.where(one_of(r.from_contact_id, ids)).cte(recursive=True)
    way = way.union(ties.join(way, r.from_contact_id == way.c.to_contact_id))
    stays, *merged = ids
    for row in call.connection.execute(select(way)):
        ends = (row.from_contact_id, row.to_contact_id)
        below, over = (stays if end in merged else end for end in ends)
        if below != over:
            yield _Tie(below, over, row.valid_from, row.valid_until, any(end in merged for end in ends))


def _is_in_circle(above: Mapping[str, Sequence[_Tie]], tie: _Tie) -> bool:
    """Walk up from the superior, as one does who makes the tie: among ties that hold at the same time as it."""
    seen, waiting = set[str](), [tie.above]
    while waiting:
        person = waiting.pop()
        if person == tie.below:
            return True
        if person not in seen:
            seen.add(person)
            waiting.extend(other.above for other in above.get(person, ()) if other.meets(tie))
    return False


def _not_before(end: date | None, begin: date | None) -> bool:
    return end is None or begin is None or end >= begin
