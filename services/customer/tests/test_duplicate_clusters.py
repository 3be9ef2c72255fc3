"""Clusters of duplicates that are in the base, found by a job."""

from __future__ import annotations

from typing import Any

import pytest

from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused
from crm_records.testing import credit_code
from customer.duplicates import clusters
from customer.duplicates.dismissals import sets

pytestmark = pytest.mark.feature("CUS-05")


def find(server: Server, client: Client) -> Any:
    client.FindDuplicateClusters()
    server.run_jobs()
    return client.ListDuplicateClusters()


def members(cluster: Any) -> list[str]:
    return [m.name for m in cluster.members]


@pytest.fixture
def names(boss: Client) -> dict[str, Any]:
    made = (
        "上海华信达科技有限公司",
        "上海恒瑞丰贸易有限公司",
        "华信达科技（上海）有限公司",
        "上海市华信达科技股份有限公司",
        "上海天达科技有限公司",
        "北京华信达科技有限公司",
        "上海华信达科技有限公司北京分公司",
        "上海恒瑞丰贸易　有限责任公司",
    )
    return {name: boss.CreateCustomer(customer={"name": name}) for name in made}


@pytest.mark.parametrize("rows", [1, 3, 200])
def test_what_is_very_likely_the_same_is_one_cluster_however_large_the_steps(
    server: Server, boss: Client, names: dict[str, Any], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "_ROWS", clusters.rows_behind(rows))

    found = find(server, boss)

    assert sorted(map(members, found.clusters), key=len) == [
        ["上海恒瑞丰贸易有限公司", "上海恒瑞丰贸易　有限责任公司"],
        ["上海华信达科技有限公司", "华信达科技（上海）有限公司", "上海市华信达科技股份有限公司"],
    ]
    assert {r.code for r in found.clusters[0].reasons} >= {"same_core", "same_place", "same_trade"}
    assert all(c.score >= 90 for c in found.clusters)


def test_a_step_that_was_undone_is_done_again_and_leaves_one_result(
    server: Server, boss: Client, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "_ROWS", clusters.rows_behind(2))
    join, failing = clusters._join, [True]

    def join_once_badly(*args: Any) -> None:
        join(*args)
        if failing:
            failing.pop()
            raise RuntimeError("the process dies here")

    monkeypatch.setattr(clusters, "_join", join_once_badly)

    assert sorted(len(c.members) for c in find(server, boss).clusters) == [2, 3]


def test_the_one_to_keep_is_used_most_then_complete_then_used_last(server: Server, boss: Client) -> None:
    plain = boss.CreateCustomer(customer={"name": "上海华信达科技有限公司", "city": "上海"})
    full = boss.CreateCustomer(customer={"name": "上海华信达科技有限责任公司", "city": "上海", "industry": "software"})

    (found,) = find(server, boss).clusters
    assert found.survivor_id == full.id
    assert {m.customer_id: (m.used, m.filled) for m in found.members}[full.id][1] > 3

    deal = Opportunity(id=ids.uuid7(), customer_id=plain.id, title="项目", etag="1")
    server.deliver("sales", event(deal, "created"))
    (found,) = boss.ListDuplicateClusters().clusters
    assert found.survivor_id == plain.id
    assert {m.customer_id: m.used for m in found.members} == {plain.id: 1, full.id: 0}


def test_different_credit_codes_are_different_companies(server: Server, boss: Client) -> None:
    for n, name in enumerate(("上海华信达科技有限公司", "上海华信达科技有限责任公司")):
        boss.CreateCustomer(customer={"name": name, "credit_code": credit_code(n)})

    assert not find(server, boss).clusters


def test_a_number_in_common_joins_names_that_are_alike_and_no_others(server: Server, boss: Client) -> None:
    for name, phone in (
        ("北京华信达科技有限公司", "021-55667788"),
        ("上海华信达科技有限公司", "(021)55667788"),
        ("上海天成物流有限公司", "021 55667788"),
    ):
        boss.CreateCustomer(customer={"name": name, "phone": phone})

    (found,) = find(server, boss).clusters

    assert members(found) == ["北京华信达科技有限公司", "上海华信达科技有限公司"]
    assert "same_number" in {r.code for r in found.reasons}


def test_that_a_number_is_in_common_is_told_to_nobody_who_does_not_see_numbers(server: Server, boss: Client) -> None:
    for name in ("北京华信达科技有限公司", "上海华信达科技有限公司"):
        boss.CreateCustomer(customer={"name": name, "phone": "021-55667788"})
    other = server.person(["customer.*"], fields=[{"resource": "customer", "field": "phone", "rule": "masked"}])

    told = {r.code for c in find(server, boss).clusters for r in c.reasons}

    assert {r.code for c in other.ListDuplicateClusters().clusters for r in c.reasons} == told - {"same_number"}


def test_persons_are_joined_by_name_and_number_not_by_a_free_mailbox(server: Server, boss: Client) -> None:
    for name, more in (
        ("王伟", {"mobile": "13800138000", "email": "a@qq.com"}),
        ("王伟", {"mobile": "138 0013 8000"}),
        ("王伟", {"email": "b@qq.com"}),
    ):
        boss.CreateCustomer(customer={"name": name, "kind": "individual", **more})

    (found,) = find(server, boss).clusters

    assert len(found.members) == 2


def test_a_pair_that_is_none_is_never_proposed_again(server: Server, boss: Client, names: dict[str, Any]) -> None:
    find(server, boss)
    one, other = names["上海恒瑞丰贸易有限公司"], names["上海恒瑞丰贸易　有限责任公司"]

    said = boss.CreateDuplicateDismissal(
        duplicate_dismissal={"customer_id": other.id, "other_id": one.id, "note": "老板不同"}
    )

    assert (said.customer_id, said.other_id, said.creator_id, said.note) == (one.id, other.id, boss.user_id, "老板不同")
    assert [len(c.members) for c in boss.ListDuplicateClusters().clusters] == [3]
    assert [len(c.members) for c in find(server, boss).clusters] == [3]
    with refused("ALREADY_EXISTS"):
        boss.CreateDuplicateDismissal(duplicate_dismissal={"customer_id": one.id, "other_id": other.id})

    boss.DeleteDuplicateDismissal(id=said.id, etag=said.etag)
    assert sorted(len(c.members) for c in find(server, boss).clusters) == [2, 3]


def test_a_dismissed_pair_leaves_a_cluster_together_that_hangs_together_without_it(
    server: Server, boss: Client, names: dict[str, Any]
) -> None:
    find(server, boss)
    a, b, c = (names[n] for n in names if "华信达" in n and "北京" not in n)

    boss.CreateDuplicateDismissal(duplicate_dismissal={"customer_id": a.id, "other_id": b.id})
    assert len(boss.ListDuplicateClusters(customer_id=a.id).clusters[0].members) == 3

    boss.CreateDuplicateDismissal(duplicate_dismissal={"customer_id": a.id, "other_id": c.id})
    assert not boss.ListDuplicateClusters(customer_id=a.id).clusters
    (left,) = boss.ListDuplicateClusters(customer_id=b.id).clusters
    assert {m.customer_id for m in left.members} == {b.id, c.id}


def test_nobody_says_of_a_customer_beyond_ones_reach_that_it_is_no_duplicate(server: Server, boss: Client) -> None:
    hidden = boss.CreateCustomer(customer={"name": "上海华信达科技有限公司"})
    person = server.person(["customer.*", "duplicate_dismissal.*"], "self")
    own = person.CreateCustomer(customer={"name": "华信达科技有限公司"})

    for pair in ((own.id, hidden.id), (hidden.id, own.id)):
        with refused("INVALID_ARGUMENT", "INVALID"):
            person.CreateDuplicateDismissal(
                duplicate_dismissal=dict(zip(("customer_id", "other_id"), pair, strict=True))
            )
    with refused("INVALID_ARGUMENT", "INVALID", "otherId"):
        person.CreateDuplicateDismissal(duplicate_dismissal={"customer_id": own.id, "other_id": own.id})


def test_only_clusters_that_one_sees_whole_are_shown(server: Server, boss: Client, names: dict[str, Any]) -> None:
    find(server, boss)
    person = server.person(["customer.*"], "self")
    for name in ("上海恒瑞丰贸易有限公司", "上海恒瑞丰贸易　有限责任公司", "上海华信达科技有限公司"):
        boss.AssignCustomer(id=names[name].id, etag=names[name].etag, owner_id=person.user_id)

    (seen,) = person.ListDuplicateClusters().clusters

    assert members(seen) == ["上海恒瑞丰贸易有限公司", "上海恒瑞丰贸易　有限责任公司"]


def test_clusters_come_page_after_page(server: Server, boss: Client) -> None:
    for n in range(5):
        for end in ("有限公司", "有限责任公司"):
            boss.CreateCustomer(customer={"name": f"上海第{'甲乙丙丁戊'[n]}样科技{end}"})
    find(server, boss)

    seen, token = [], ""
    while True:
        page = boss.ListDuplicateClusters(page_size=2, page_token=token)
        seen += [c.id for c in page.clusters]
        token = page.next_page_token
        if not token:
            break

    assert len(seen) == len(set(seen)) == 5


def test_who_was_deleted_no_longer_counts(server: Server, boss: Client, names: dict[str, Any]) -> None:
    find(server, boss)
    gone = names["上海恒瑞丰贸易有限公司"]
    boss.DeleteCustomer(id=gone.id, etag=gone.etag)

    assert [len(c.members) for c in boss.ListDuplicateClusters().clusters] == [3]


def test_two_jobs_do_not_look_at_once_and_the_right_is_asked(server: Server, boss: Client) -> None:
    job = boss.FindDuplicateClusters()
    assert (job.kind, job.state) == (clusters.FIND, "queued")
    with refused("FAILED_PRECONDITION", "FINDING_RUNS"):
        boss.FindDuplicateClusters()
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        server.person(["customer.read"]).ListDuplicateClusters()


def test_what_hangs_together_by_pairs_is_one_set() -> None:
    assert sets([("a", "b"), ("c", "d"), ("b", "c"), ("x", "y")]) == [["a", "b", "c", "d"], ["x", "y"]]


def test_what_speaks_for_a_customer_tells_no_hidden_field(server: Server, boss: Client) -> None:
    kept = boss.CreateCustomer(customer={"name": "上海恒瑞丰贸易有限公司", "remarks": "要紧的"})
    boss.CreateCustomer(customer={"name": "上海恒瑞丰贸易有限责任公司"})
    boss.CreateInteraction(interaction={"customer_id": kept.id, "subject": "来访", "kind": "call"})
    find(server, boss)
    hidden = [{"resource": "customer", "field": n, "rule": "hidden"} for n in ("remarks", "last_contact_time")]
    reader = server.person(["customer.*"], fields=hidden)

    (seen,) = reader.ListDuplicateClusters().clusters
    (whole,) = boss.ListDuplicateClusters().clusters

    assert len({m.filled for m in seen.members}) == 1
    assert seen.members[0].last_use_time == kept.update_time
    assert whole.members[0].filled == whole.members[1].filled + 2
