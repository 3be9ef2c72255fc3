"""A message of the stream, and a place in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message of the stream."""

    sequence: int
    mark: str
    """What only this message of this stream has: where another one is found, the stream is another."""
    subject: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """The newest message that was read, by its place and its mark."""

    sequence: int
    mark: str | None
