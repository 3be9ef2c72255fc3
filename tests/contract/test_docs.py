"""The documents say what is: the generated ones are current, links lead somewhere, features name tests that exist."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from crm_docs import DOCS, ROOT
from crm_docs.features import marked, named
from crm_docs.generated import documents

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
TITLE = re.compile(r"^(#+) (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENGLISH_ONLY = {
    *("architecture.md", "authorization-tests.md", "dependencies.md", "performance.md"),  # for who changes the suite
    *("data.md", "events.md"),  # for engineers who connect it
}
APART = {"features.md"}
"""Its Chinese page leaves the table of tests to the English one; it is compared below."""
PAIRS = [
    (str(page.relative_to(ROOT)), str(page.relative_to(ROOT)).replace(".md", ".zh-CN.md"))
    for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((DOCS / "guide").glob("*.md")))
    if not page.name.endswith(".zh-CN.md") and page.name not in ENGLISH_ONLY | APART
]
GIVEN = re.compile(r"\b([A-Z_]{2,})=|(?:\bfor|\bread -rs) ([A-Z_]{2,})")
USED = re.compile(r"\$\{?([A-Z_]{2,})\b(?!:-)")
STATUS = re.compile(r"^\| ([A-Z]{3}-\d\d) [^|]*\| (\w+) \| ", re.MULTILINE)
CHINESE_STATUS = {"there": "已有", "part": "部分", "unshown": "未证明"}
NOT_YET = re.compile(r"^\| ([A-Z]{3}-\d\d|[PR]\d\d) [^|\s][^|]*\| [^|]* \|$", re.MULTILINE)
"""Rows of two columns: features that are not begun, figures that nothing shows."""


@cache
def pages() -> list[Path]:
    """Every Markdown page of the project, also one that is not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What GitHub calls the titles of a page."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for _, title in TITLE.findall(prose(page))}


def dead_links(page: Path) -> list[str]:
    dead = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_generated_documents_are_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == documents()[path], "run `make docs`"


def test_links_lead_somewhere() -> None:
    assert {str(page.relative_to(ROOT)): dead for page in pages() if (dead := dead_links(page))} == {}


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_both_languages_have_the_same_sections_links_and_commands(english: str, chinese: str) -> None:
    one, other = ROOT / english, ROOT / chinese

    assert [level for level, _ in TITLE.findall(prose(one))] == [level for level, _ in TITLE.findall(prose(other))]
    assert [_addressed(c) for c in _commands(one)] == [_addressed(c) for c in _commands(other)]
    assert len(LINK.findall(prose(one))) == len(LINK.findall(prose(other)))


@pytest.mark.parametrize("page", [page for pair in PAIRS for page in pair])
def test_commands_of_a_page_can_be_pasted_as_they_stand(page: str) -> None:
    commands = "\n".join(_commands(ROOT / page))
    given = "\n".join((*_commands(ROOT / "README.md"), commands, prose(ROOT / page)))
    known = {"HOME", "PWD"} | {name for names in GIVEN.findall(given) for name in names}

    assert "```bash" not in (ROOT / page).read_text(encoding="utf-8"), "sh, or nobody compares the languages"
    assert set(USED.findall(commands)) - known == set(), "set it on the page"
    assert re.findall(r"\$[A-Za-z_]+:[A-Za-z]", commands) == [], "zsh takes it for a modifier: ${NAME}:verb"


def test_features_claim_no_more_than_tests_show() -> None:
    claimed = dict(STATUS.findall((DOCS / "features.md").read_text(encoding="utf-8")))
    features = {identifier for identifier in marked() if "-" in identifier}

    assert {i for i, status in claimed.items() if status in ("there", "part")} <= features, "no test carries the mark"
    assert features <= set(claimed), "a test shows what features.md does not list"
    assert {i for i, status in claimed.items() if status == "unshown"}.isdisjoint(features), "it is shown now"
    assert set(claimed.values()) <= {"there", "part", "unshown"}


def test_features_are_told_in_both_languages_alike() -> None:
    english, chinese = ((DOCS / name).read_text(encoding="utf-8") for name in ("features.md", "features.zh-CN.md"))

    assert {i: CHINESE_STATUS[status] for i, status in STATUS.findall(english)} == dict(STATUS.findall(chinese))
    assert NOT_YET.findall(english) == NOT_YET.findall(chinese)


def test_what_is_said_to_be_missing_is_neither_claimed_nor_shown() -> None:
    page = (DOCS / "features.md").read_text(encoding="utf-8")
    missing = NOT_YET.findall(page)

    assert len(missing) == len(set(missing)) > 0
    assert set(missing).isdisjoint({i for i, _ in STATUS.findall(page)})
    assert set(missing).isdisjoint(marked())


def test_features_name_tests_and_figures_that_exist() -> None:
    page = (DOCS / "features.md").read_text(encoding="utf-8")
    figures = {identifier for identifier in named(page) if "-" not in identifier}

    assert figures - set(NOT_YET.findall(page)) <= set(marked())
    assert [path for path in re.findall(r"\(\.\./([\w/.-]+\.py)\)", page) if not (ROOT / path).exists()] == []


def _commands(page: Path) -> list[str]:
    return [body for kind, body in FENCE.findall(page.read_text(encoding="utf-8")) if kind == "sh"]


def _addressed(command: str) -> str:
    """A command without what is said in the reader's language: comments, language, words to replace."""
    command = re.sub(r"#.*", "", command).replace("zh-CN", "en")
    return re.sub(r"[ \t]+$", "", re.sub(r"login admin '[^']*'", "login admin", command), flags=re.MULTILINE)
