"""Keys that only one customer may have."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import grpc
import pytest

from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm_kit import ids, rotation, sealing
from crm_kit.testing import Client, Server, event, refused
from crm_records.testing import credit_code
from customer.duplicates import key_switch
from customer.tables import customer as customer_table

pytestmark = pytest.mark.feature("CUS-05")

AT_ONCE = 20


@pytest.fixture(autouse=True)
def known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' server is one process: nobody else has to hear of a key."""
    monkeypatch.setattr(key_switch, "KNOWN", 0.0)


def key(boss: Client, field: str, kind: str = "organization") -> Any:
    return next(k for k in boss.ListDuplicateKeys().duplicate_keys if (k.field, k.kind) == (field, kind))


def switch_on(server: Server, boss: Client, field: str, kind: str = "organization") -> Any:
    one = key(boss, field, kind)
    boss.SwitchOnDuplicateKey(id=one.id, etag=one.etag)
    server.run_jobs()
    return key(boss, field, kind)


def all_at_once(boss: Client, customers: list[dict[str, Any]]) -> list[str]:
    """Create them in the same moment: "" for each that succeeded, else code, reason and field of its refusal."""
    start = Barrier(len(customers))

    def create(customer: dict[str, Any]) -> str:
        start.wait()
        try:
            boss.CreateCustomer(customer=customer)
        except grpc.RpcError:
            with refused("ALREADY_EXISTS", "EXISTS") as refusal:
                boss.CreateCustomer(customer=customer)
            return ",".join(refusal.fields)
        return ""

    with ThreadPoolExecutor(len(customers)) as pool:
        return list(pool.map(create, customers))


def test_of_twenty_creations_of_one_credit_code_one_succeeds(boss: Client, measured: Any) -> None:
    said = all_at_once(boss, [{"name": f"公司{n}", "credit_code": credit_code(7)} for n in range(AT_ONCE)])

    assert sorted(said) == ["", *["creditCode"] * (AT_ONCE - 1)]
    assert len(boss.ListCustomers().customers) == 1
    measured(f"{said.count('')} of {AT_ONCE} simultaneous creations of a credit code")


def test_of_twenty_creations_of_one_name_one_succeeds_where_it_is_a_key(server: Server, boss: Client) -> None:
    assert switch_on(server, boss, "name").state == "on"
    written = ["上海华信（科技）有限公司", "上海华信(科技)有限公司", "上海 华信科技有限公司", "上海華信科技有限公司"]

    said = all_at_once(boss, [{"name": written[n % 4]} for n in range(AT_ONCE)])

    assert sorted(said) == ["", *["name"] * (AT_ONCE - 1)]
    boss.CreateCustomer(customer={"name": written[0], "kind": "individual"})


def test_of_twenty_creations_of_one_mobile_number_one_succeeds_where_it_is_a_key(server: Server, boss: Client) -> None:
    assert switch_on(server, boss, "mobile", "individual").state == "on"
    written = ["13800138000", "138-0013-8000", "+86 13800138000", "138 0013 8000"]

    said = all_at_once(
        boss, [{"name": f"王{n}", "kind": "individual", "mobile": written[n % 4]} for n in range(AT_ONCE)]
    )

    assert sorted(said) == ["", *["mobile"] * (AT_ONCE - 1)]
    assert not server.sql("SELECT 1 FROM hard_key WHERE value LIKE '%13800138000%'")
    boss.CreateCustomer(customer={"name": "上海华信", "mobile": written[0]})


def test_without_a_key_two_may_have_one_name(boss: Client) -> None:
    assert {k.state for k in boss.ListDuplicateKeys().duplicate_keys} == {"off"}

    assert all_at_once(boss, [{"name": "上海华信科技有限公司"}] * 3) == ["", "", ""]


def test_a_name_that_two_have_cannot_become_a_key(server: Server, boss: Client) -> None:
    for name in ("上海华信科技有限公司", "上海华信（科技）有限公司", "另一家公司"):
        boss.CreateCustomer(customer={"name": name})
    one = key(boss, "name")

    with refused("FAILED_PRECONDITION", "KEY_HAS_DUPLICATES") as refusal:
        boss.SwitchOnDuplicateKey(id=one.id, etag=one.etag)

    assert refusal.message == "还有 1 组共 2 个客户的客户名称相同，请先合并或修改"
    assert key(boss, "name") == one


def test_the_job_finds_mobile_numbers_that_two_have_and_switches_the_key_off_again(
    server: Server, boss: Client
) -> None:
    made = [boss.CreateCustomer(customer={"name": f"公司{n}", "mobile": m}) for n, m in enumerate(["13800138000"] * 3)]

    found = switch_on(server, boss, "mobile")

    assert (found.state, found.duplicates) == ("off", 2)
    assert list(found.duplicate_ids) == [made[1].id, made[2].id]
    assert [e.action for e in server.events("duplicate_key")] == ["switched_on", "refused"]
    boss.CreateCustomer(customer={"name": "公司9", "mobile": "13800138000"})


def test_those_who_were_there_hold_their_keys_when_the_job_has_run(
    server: Server, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_switch, "ROWS", 2)
    boss.ImportCustomers(customers=[{"name": f"上海第{n}公司", "mobile": f"1380013800{n}"} for n in range(7)])

    assert switch_on(server, boss, "name").state == "on"
    assert switch_on(server, boss, "mobile").state == "on"

    with refused("ALREADY_EXISTS", "EXISTS", "name"):
        boss.CreateCustomer(customer={"name": "上海第3公司"})
    with refused("ALREADY_EXISTS", "EXISTS", "mobile"):
        boss.CreateCustomer(customer={"name": "上海第九公司", "mobile": "13800138005"})


def test_a_key_is_obeyed_while_it_is_built(server: Server, boss: Client) -> None:
    one = key(boss, "name")
    boss.SwitchOnDuplicateKey(id=one.id, etag=one.etag)
    boss.CreateCustomer(customer={"name": "上海华信"})

    with refused("ALREADY_EXISTS", "EXISTS", "name"):
        boss.CreateCustomer(customer={"name": "上海 华信"})

    server.run_jobs()
    assert key(boss, "name").state == "on"


def test_a_change_gives_one_name_back_and_takes_another(server: Server, boss: Client) -> None:
    switch_on(server, boss, "name")
    one = boss.CreateCustomer(customer={"name": "上海华信"})
    two = boss.CreateCustomer(customer={"name": "上海恒瑞"})
    paths = {"paths": ["name"]}

    with refused("ALREADY_EXISTS", "EXISTS", "name") as refusal:
        boss.UpdateCustomer(customer={"id": two.id, "name": "上海 华信"}, update_mask=paths, etag=two.etag)
    assert refusal.fields["name"] == "客户名称“上海 华信”已被使用"

    boss.UpdateCustomer(customer={"id": one.id, "name": "上海天达"}, update_mask=paths, etag=one.etag)
    boss.UpdateCustomer(customer={"id": two.id, "name": "上海华信"}, update_mask=paths, etag=two.etag)


def test_who_comes_out_of_the_recycle_bin_finds_the_name_taken(server: Server, boss: Client) -> None:
    switch_on(server, boss, "name")
    one = boss.CreateCustomer(customer={"name": "上海华信"})
    gone = boss.DeleteCustomer(id=one.id, etag=one.etag)
    boss.CreateCustomer(customer={"name": "上海华信"})

    with refused("ALREADY_EXISTS", "EXISTS", "name"):
        boss.RestoreCustomer(id=gone.id)


def test_rows_of_an_import_obey_the_key_each_for_itself(server: Server, boss: Client) -> None:
    switch_on(server, boss, "name")
    boss.CreateCustomer(customer={"name": "上海华信"})

    answer = boss.ImportCustomers(customers=[{"name": n} for n in ("上海 华信", "上海恒瑞", "上海恒瑞", "上海天达")])

    assert [r.outcome for r in answer.results] == ["failed", "created", "failed", "created"]
    assert answer.results[0].problems[0].field == "name"
    assert len(server.events("customer")) == 3


def test_a_key_that_is_off_again_binds_nobody_and_can_come_back(server: Server, boss: Client) -> None:
    one = switch_on(server, boss, "name")
    made = boss.CreateCustomer(customer={"name": "上海华信"})
    boss.SwitchOffDuplicateKey(id=one.id, etag=one.etag)
    double = boss.CreateCustomer(customer={"name": "上海华信"})
    boss.UpdateCustomer(customer={"id": made.id, "name": "上海恒瑞"}, update_mask={"paths": ["name"]}, etag=made.etag)

    assert switch_on(server, boss, "name").state == "on"

    boss.CreateCustomer(customer={"name": "上海天达"})
    with refused("ALREADY_EXISTS", "EXISTS", "name"):
        boss.CreateCustomer(customer={"name": double.name})


def test_a_job_that_is_cancelled_leaves_the_key_off(server: Server, boss: Client) -> None:
    one = key(boss, "name")
    one = boss.SwitchOnDuplicateKey(id=one.id, etag=one.etag)
    boss.CancelJob(record_type="customer", id=one.job_id)

    server.run_jobs()

    assert key(boss, "name").state == "off"


def test_a_number_stays_one_customers_while_and_after_the_keys_of_encryption_change(
    server: Server, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_on(server, boss, "mobile")
    boss.CreateCustomer(customer={"name": "上海华信", "mobile": "13800138000"})
    before = {row.value for row in server.sql("SELECT value FROM hard_key")}
    keys, engine = server.service.keys, server.service.writer
    monkeypatch.setattr(sealing, "SETTLED", 0.0)
    monkeypatch.setattr(sealing, "KEPT", 0.0)

    rotation.begin(keys, engine)
    with refused("ALREADY_EXISTS", "EXISTS", "mobile"):
        boss.CreateCustomer(customer={"name": "上海恒瑞", "mobile": "138 0013 8000"})
    for _ in range(50):
        if rotation.go_on(keys, engine, [customer_table]):
            break
    else:
        pytest.fail("the keys did not retire")

    with refused("ALREADY_EXISTS", "EXISTS", "mobile"):
        boss.CreateCustomer(customer={"name": "上海恒瑞", "mobile": "138 0013 8000"})
    assert {row.value for row in server.sql("SELECT value FROM hard_key")} > before


def test_persons_who_were_erased_leave_nothing_and_do_not_share_a_name(server: Server, boss: Client) -> None:
    switch_on(server, boss, "name", "individual")
    switch_on(server, boss, "mobile", "individual")
    for n, name in enumerate(("欧阳若兰", "欧阳若菊")):
        fields = {"short_name": f"{name}女士", "mobile": f"1380013800{n}", "website": f"https://{'ab'[n]}-lan.example"}
        made = boss.CreateCustomer(customer={"name": name, "kind": "individual", **fields})
        request = PrivacyRequest(id=ids.uuid7(), kind="erasure", subject_type="customer", subject_id=made.id)
        server.deliver("identity", event(request, "started"))

    assert {c.name for c in boss.ListCustomers().customers} == {"已抹除 (erased)"}
    assert server.sql("SELECT * FROM likeness") == server.sql("SELECT * FROM hard_key") == []
    boss.CreateCustomer(customer={"name": "欧阳若兰", "kind": "individual", "mobile": "13800138000"})


def test_it_takes_the_right_to_configure(server: Server, boss: Client) -> None:
    one = key(boss, "name")
    person = server.person(["customer.read", "customer.update"])

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        person.ListDuplicateKeys()
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        person.SwitchOnDuplicateKey(id=one.id, etag=one.etag)


def test_a_key_is_found_by_its_field_and_the_kind_of_customer(boss: Client) -> None:
    found = boss.ListDuplicateKeys(filter="field = mobile AND kind = organization").duplicate_keys
    assert [(k.field, k.kind) for k in found] == [("mobile", "organization")]
