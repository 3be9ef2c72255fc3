"""Every generated document and its text."""

from pathlib import Path

from crm_docs import DOCS, events, features, rights, rights_words


def documents() -> dict[Path, str]:
    """Path → what should stand there. features.md is written by hand but for its table of tests."""
    page = DOCS / "features.md"
    return {
        DOCS / "events.md": events.document(),
        DOCS / "rights.md": rights.document(rights_words.EN),
        DOCS / "rights.zh-CN.md": rights.document(rights_words.ZH),
        page: features.with_tests(page.read_text(encoding="utf-8")),
    }
