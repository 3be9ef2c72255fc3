"""The documents that are made: events and rights from the contract, what shows a feature from the tests."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
