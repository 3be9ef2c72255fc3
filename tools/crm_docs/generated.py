"""Every generated document and its text."""

from pathlib import Path

from crm_docs import DOCS, events, features, rights


def documents() -> dict[Path, str]:
    """Path → what should stand there. features.md is written by hand but for its table of tests."""
    page = DOCS / "features.md"
    return {
        DOCS / "events.md": events.document(),
        DOCS / "rights.md": rights.document(),
        page: features.with_tests(page.read_text(encoding="utf-8")),
    }
