"""What an unknown name is proposed to mean."""

import pytest

from crm_cli.importers.mapping import Proposal, accepted, closest, proposals

PRODUCTS = ["GTX Basic", "GTX Pro", "GTX Plus Pro", "GTX Plus Basic", "MG Special", "MG Advanced", "GTK 500"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("GTXPro", "GTX Pro"),
        ("gtx  pro", "GTX Pro"),
        ("ＧＴＸ Pro", "GTX Pro"),
        ("MG-Special", "MG Special"),
        ("MG Specal", "MG Special"),
        ("GTX", ""),
        ("Something else", ""),
        ("!!!", ""),
    ],
)
def test_a_name_is_taken_for_the_one_it_is_like(written: str, meant: str) -> None:
    assert closest(written, PRODUCTS) == meant


def test_a_name_that_is_like_two_is_taken_for_neither() -> None:
    assert closest("Team C", ["Team A", "Team B"]) == ""
    assert closest("teamx", ["Team X", "TEAM-X"]) == ""


def test_proposals_say_how_many_rows_they_concern_and_leave_out_known_and_empty_names() -> None:
    names = ["GTXPro", "GTX Pro", "", "GTXPro", "Nothing"]

    found = proposals("product", names, PRODUCTS)

    assert found == [Proposal("product", "GTXPro", "GTX Pro", 2), Proposal("product", "Nothing", "", 1)]
    assert str(found[0]) == "product “GTXPro” (2 rows) is taken for “GTX Pro”"


def test_only_what_is_accepted_is_mapped_and_nothing_is_asked_without_a_proposal() -> None:
    found = [Proposal("product", "a", "A", 1), Proposal("agent", "b", "B", 1), Proposal("agent", "c", "", 3)]
    asked: list[str] = []
    said: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return "product" in question

    assert accepted(found, said.append, ask) == {("product", "a"): "A"}
    assert len(asked) == 2
    assert "c" in said[0]
