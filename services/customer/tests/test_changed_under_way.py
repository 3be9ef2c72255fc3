"""Jobs over many customers while somebody changes what they are about, and segments whose members are merged."""

from __future__ import annotations

from typing import Any

import pytest
from care_fixtures import changed
from test_merging_figures import merge, two

from crm_kit.testing import Client, Server, refused
from customer.pyramid import taking
from customer.segments import members


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (members, taking):
        monkeypatch.setattr(module, "SIZE", 2)


def made(boss: Client, **fields: Any) -> list[str]:
    """Five customers."""
    return [boss.CreateCustomer(customer={"name": f"客户{n}", **fields}).id for n in range(5)]


def names(boss: Client, segment_id: str) -> list[str]:
    return sorted(c.name for c in boss.ListSegmentMembers(id=segment_id).customers)


@pytest.mark.feature("CUS-23")
def test_of_two_who_write_members_down_at_once_one_does(server: Server, boss: Client) -> None:
    made(boss, city="上海")
    first, other = (
        boss.CreateSegment(segment={"name": "群", "kind": "frozen", "filter": 'city = "上海"'}) for _ in range(2)
    )
    boss.FreezeSegment(id=first.id, etag=first.etag)
    server.service.runner().step()

    with refused("FAILED_PRECONDITION", "JOB_UNDER_WAY"):
        boss.FreezeSegment(id=first.id, etag=first.etag)
    boss.FreezeSegment(id=other.id, etag=other.etag)
    server.run_jobs()

    assert [boss.CountSegmentMembers(id=s.id).count for s in (first, other)] == [5, 5]
    boss.FreezeSegment(id=first.id, etag=boss.GetSegment(id=first.id).etag)


@pytest.mark.feature("CUS-23")
def test_members_are_those_of_the_conditions_at_the_start(server: Server, boss: Client) -> None:
    made(boss, city="上海")
    segment = boss.CreateSegment(segment={"name": "群", "kind": "frozen", "filter": 'city = "上海"'})
    boss.FreezeSegment(id=segment.id, etag=segment.etag)
    server.service.runner().step()

    changed(boss, "Segment", segment.id, filter='city = "广州"')
    server.run_jobs()

    assert boss.CountSegmentMembers(id=segment.id).count == 5


@pytest.mark.feature("CUS-05")
@pytest.mark.feature("CUS-23")
def test_who_was_put_into_a_segment_stays_in_it_by_a_merge(server: Server, boss: Client) -> None:
    keep, goes = two(boss)
    only_goes, both, taken_out = (boss.CreateSegment(segment={"name": "群", "kind": "frozen"}) for _ in range(3))
    boss.AddSegmentMembers(id=only_goes.id, customer_ids=[goes])
    boss.AddSegmentMembers(id=both.id, customer_ids=[keep, goes])
    boss.RemoveSegmentMembers(id=taken_out.id, customer_ids=[keep])
    boss.AddSegmentMembers(id=taken_out.id, customer_ids=[goes])
    segments = [s.id for s in (only_goes, both, taken_out)]

    act = merge(boss, keep, goes)
    assert [names(boss, s) for s in segments] == [["甲公司"], ["甲公司"], []]

    boss.UndoAct(record_type="customer", id=act.act_id)
    server.run_jobs()
    assert [names(boss, s) for s in segments] == [["乙公司"], ["乙公司", "甲公司"], ["乙公司"]]


@pytest.mark.feature("CUS-20")
def test_a_snapshot_is_of_one_figure_whatever_becomes_of_its_pyramid(server: Server, boss: Client, order: Any) -> None:
    for customer_id in made(boss):
        order(customer_id, "2026-11-01", "5000")
    tiers = [{"name": "塔尖", "from": "1000"}, {"name": "塔基"}]
    pyramid = boss.CreatePyramid(
        pyramid={"name": "金字塔", "base": "order_total", "method": "threshold", "tiers": tiers}
    )
    boss.TakePyramidSnapshot(id=pyramid.id)
    server.service.runner().step()

    changed(boss, "Pyramid", pyramid.id, base="receipt_total", tiers=[{"name": "全部"}])
    server.run_jobs()

    (snapshot,) = boss.ListPyramidSnapshots(id=pyramid.id).snapshots
    assert (snapshot.base, snapshot.pyramid_version) == ("order_total", 1)
    figures = boss.GetPyramidFigures(snapshot_id=snapshot.id)
    assert [(t.name, t.customers) for t in figures.tiers] == [("塔尖", 5), ("塔基", 0)]
