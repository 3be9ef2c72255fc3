"""Names that are not in their list: what they most likely mean, for a person to accept."""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

ALIKE = 0.82
"""How much of two names must agree; below it a proposal is a guess."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """`name` is unknown in `rows` rows; `meant` is empty where nothing in the list is like it."""

    kind: str
    name: str
    meant: str
    rows: int

    def __str__(self) -> str:
        rows = f"{self.rows:,} row{'' if self.rows == 1 else 's'}"
        meant = f"is taken for “{self.meant}”" if self.meant else "is like nothing in the list"
        return f"{self.kind} “{self.name}” ({rows}) {meant}"


def normal(name: str) -> str:
    """Letters and digits only, without case and width: `GTXPro`, `gtx pro` and `ＧＴＸ－Pro` are one."""
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def closest(name: str, known: Iterable[str]) -> str:
    """The one name of the list that this one stands for; empty where none does or several might."""
    by_form: dict[str, list[str]] = {}
    for one in known:
        by_form.setdefault(normal(one), []).append(one)
    form = normal(name)
    like = [form] if form in by_form else difflib.get_close_matches(form, by_form, n=2, cutoff=ALIKE)
    if not like or len(by_form[like[0]]) > 1:
        return ""
    if len(like) == 2 and _likeness(form, like[0]) == _likeness(form, like[1]):
        return ""
    return by_form[like[0]][0]


def proposals(kind: str, names: Iterable[str], known: Iterable[str]) -> list[Proposal]:
    """One for each unknown name, the most frequent first. An empty name is nobody's."""
    listed = list(known)
    unknown = Counter(name for name in names if name)
    for name in listed:
        del unknown[name]
    return [Proposal(kind, name, closest(name, listed), rows) for name, rows in unknown.most_common()]


def accepted(
    found: Iterable[Proposal], say: Callable[[str], None], ask: Callable[[str], bool]
) -> dict[tuple[str, str], str]:
    """(kind, name) → name in the list, for what the person accepts."""
    taken: dict[tuple[str, str], str] = {}
    for proposal in found:
        if not proposal.meant:
            say(f"{proposal}; these rows will be listed, not stored.")
        elif ask(f"{proposal}. Accept?"):
            taken[proposal.kind, proposal.name] = proposal.meant
    return taken


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
