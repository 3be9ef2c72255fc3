"""What a dry run remarks of new rows: somebody of that name is there, or in the file, already."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, Server
from crm_records.imports.testing import Importer, as_csv, counts

pytestmark = pytest.mark.feature("CUS-07")


@pytest.fixture
def importer(server: Server, boss: Client) -> Importer:
    return Importer(server, boss)


def hints(importer: Importer, rows: list[list[str]]) -> dict[int, list[tuple[str, int, str]]]:
    """Of a dry run by row: (reason, column, message)."""
    made = importer.check(importer.send(as_csv([["外部标识", "客户名称", "客户性质"], *rows])))
    assert made.rejected == 0
    return {r.row: [(h.reason, h.column, h.message) for h in r.hints] for r in importer.rows(made) if r.hints}


def test_a_name_that_a_customer_or_an_earlier_row_has_is_remarked(importer: Importer, boss: Client) -> None:
    there = boss.CreateCustomer(customer={"name": "杭州云启科技有限公司", "external_id": "E0"})
    boss.CreateCustomer(customer={"name": "张伟", "kind": "individual"})
    rows = [
        ["E1", "杭州云启科技（有限公司）", ""],
        ["E2", "宁波海天塑机有限公司", ""],
        ["E3", "宁波海天塑机 有限公司", ""],
        ["E4", "张伟", "个人"],
        ["E5", "张伟", "个人"],
        ["E0", "杭州云启科技有限公司", ""],
    ]
    assert hints(importer, rows) == {
        2: [("NAME_THERE", 1, f"客户“杭州云启科技有限公司”（{there.number}）已存在")],
        4: [("ALIKE_ROW", 1, "客户名称与第 3 行相同")],
    }
    assert counts(importer.put(as_csv([["外部标识", "客户名称", "客户性质"], *rows]))) == (5, 0, 1, 0, 0)


def test_rows_of_earlier_steps_are_remembered(importer: Importer) -> None:
    rows = [[f"E{n}", f"杭州第{n}百货有限公司", ""] for n in range(700)]
    assert hints(importer, [*rows, ["X", "杭州第3百货有限公司", ""]]) == {
        702: [("ALIKE_ROW", 1, "客户名称与第 5 行相同")]
    }


def test_whose_customer_is_beyond_ones_reach_is_told_no_more_than_by_the_check_for_duplicates(
    server: Server, boss: Client
) -> None:
    north = server.department("华北大区")
    owner = server.person(["customer.*"], "self", department_id=north, name="欧阳娜娜")
    owner.CreateCustomer(customer={"name": "杭州云启科技有限公司"})
    rows: list[list[Any]] = [["E1", "杭州云启科技有限公司", ""]]

    near = Importer(server, server.person(["customer.*"], "self", name="近"))
    assert hints(near, rows) == {2: [("NAME_HELD", 1, "已有同名客户，由华北大区 欧阳*负责")]}

    only_imports = server.person(["customer.import", "customer.read"], "all", name="导")
    assert hints(Importer(server, only_imports), rows) == {}
