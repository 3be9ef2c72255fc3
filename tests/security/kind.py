"""What is said of a record type that is asked about: its names on every surface, fields to ask about. Plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Kind:
    """One record type, and how it is called where."""

    type: str
    service: str
    noun: str
    """In the names of RPCs: GetCustomer."""
    nouns: str
    plural: str
    """The field of a list's answer."""
    parent: str = ""
    """Type of what it is part of."""
    parent_field: str = ""
    text: str = "remarks"
    """A text that any update may change."""
    compared: Sequence[str] = ()
    """Fields to filter by; their values are in Record.values."""
    ordered: Sequence[str] = ("create_time",)
    searched: Sequence[str] = ()
    """Fields whose values find a record in the search box."""
    ruled: Sequence[str] = ()
    """Fields that roles have rules for."""
    told: Sequence[str] = ()
    """Of these, the fields that only verbs fill: nobody gives them."""
    copied: dict[str, Sequence[str]] = field(default_factory=dict)
    """Of these, the fields that say what a record of another type is called: in full with the right to reveal there."""
    sealed: Sequence[str] = ()
    """Of these, the fields that are kept encrypted: found by their exact value, sorted by nobody."""
    states: Sequence[str] = ()
    verbs: Sequence[str] = ("update", "delete")
    owned: bool = True
    imported: bool = True
    """By Import; else by Create."""
    restored: bool = True
    """Has a verb to take it out of the recycle bin."""
    ends: Sequence[str] = ()
    """The two fields that name the customers which it ties."""
    named: str = ""
    """The field that names people who take part."""
    state_column: str = "state"
    facts: Sequence[str] = ()
    """Columns that verbs change and figures are made of."""
    own_states: dict[str, Sequence[str]] = field(default_factory=dict)
    """Verb → the states in which it is possible."""
