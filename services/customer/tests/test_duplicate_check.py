"""Who may be meant, while a customer is typed."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit import ids
from crm_kit.testing import Client, Server, refused
from crm_records.testing import credit_code
from customer.duplicates.checking import family_name

pytestmark = pytest.mark.feature("CUS-05")


def first(client: Client, **asked: Any) -> Any:
    found = client.CheckDuplicates(**asked).candidates
    return found[0] if found else None


def codes(candidate: Any) -> set[str]:
    return {r.code for r in candidate.reasons}


@pytest.mark.parametrize(
    ("typed", "match", "reason"),
    [
        ("上海华信达科技有限公司", "same", "same_name"),
        ("上海华信达科技　有限公司", "same", "same_name"),
        ("华信达科技（上海）有限公司", "same", "same_core"),
        ("上海市华信达科技股份有限公司", "same", "same_core"),
        ("华信达科技", "same", "same_core"),
        ("华信达", "likely", "same_core"),
        ("上海华新达科技有限公司", "same", "same_sound"),
        ("上海华鑫达科技有限公司", "same", "same_sound"),
        ("上海华信大道科技有限公司", "", ""),
        ("上海华倍达科技有限公司", "likely", "similar_core"),
        ("上海华信达科技有限公司杭州分公司", "likely", "branch"),
        ("北京华信达科技有限公司", "possible", "other_place"),
        ("上海恒瑞丰科技有限公司", "", ""),
    ],
)
def test_a_company_is_found_by_every_form_of_its_name(boss: Client, typed: str, match: str, reason: str) -> None:
    made = boss.CreateCustomer(customer={"name": "上海华信达科技有限公司"})

    found = first(boss, name=typed)

    if not match:
        assert found is None
        return
    assert (found.id, found.match, found.name, found.visible) == (made.id, match, "上海华信达科技有限公司", True)
    assert reason in codes(found)


@pytest.mark.parametrize(
    "typed", ["13800138000", "138 0013 8000", "+86 138-0013-8000", "８６13800138000", "008613800138000"]
)
def test_a_phone_number_is_found_however_it_is_written(boss: Client, typed: str) -> None:
    made = boss.CreateCustomer(customer={"name": "上海华信达科技有限公司", "mobile": "138-0013-8000"})

    found = first(boss, name="完全不同贸易有限公司", phones=[typed])

    assert (found.id, found.match, codes(found)) == (made.id, "likely", {"same_phone"})


def test_a_number_and_a_name_together_say_more_than_each(boss: Client) -> None:
    boss.CreateCustomer(customer={"name": "上海华信达科技有限公司", "phone": "021-55667788", "address": "中山路1号"})

    alone = first(boss, name="北京华信达科技有限公司")
    both = first(boss, name="北京华信达科技有限公司", phones=["(021) 5566 7788"], address="上海市 中山路１号")

    assert alone.score < both.score
    assert codes(both) >= {"same_core", "same_phone", "same_address"}


def test_a_company_is_found_by_its_domain_but_not_by_that_of_a_free_mailbox(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "上海华信达科技有限公司", "email": "info@huaxinda.com.cn"})
    boss.CreateCustomer(customer={"name": "另一家完全不同的公司", "email": "someone@qq.com"})

    found = first(boss, name="华信达", website="https://www.huaxinda.com.cn/")

    assert (found.id, codes(found)) == (made.id, {"same_core", "same_domain"})
    assert first(boss, emails=["nobody@qq.com"]) is None


def test_the_credit_code_says_who_it_is_and_who_it_is_not(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "上海华信达科技有限公司", "credit_code": credit_code(1)})

    same = first(boss, name="某某某", credit_code=credit_code(1).lower())
    other = first(boss, name="上海华信达科技有限公司", credit_code=credit_code(2))

    assert (same.id, same.score) == (made.id, 100)
    assert (other.match, "other_credit_code" in codes(other)) == ("possible", True)


def test_a_contacts_number_leads_to_the_contact_and_its_customer(boss: Client) -> None:
    customer = boss.CreateCustomer(customer={"name": "上海华信达科技有限公司"})
    contact = boss.CreateContact(contact={"customer_id": customer.id, "name": "李雷", "mobile": "13911112222"})

    found = first(boss, phones=["139 1111 2222"])

    assert (found.record_type, found.id, found.name) == ("contact", contact.id, "李雷")
    assert (found.customer_id, found.customer_name) == (customer.id, customer.name)


def test_beyond_ones_reach_only_the_department_and_the_family_name_are_told(server: Server, boss: Client) -> None:
    east = server.department("华东二部")
    zhang = server.person(["customer.*", "contact.*"], "self", name="张小红", department_id=east)
    made = zhang.CreateCustomer(customer={"name": "上海华信达科技有限公司", "mobile": "13800138000"})
    zhang.CreateContact(contact={"customer_id": made.id, "name": "李雷", "mobile": "13911112222"})
    other = server.person(["customer.*", "contact.*"], "self", name="王五")

    for asked in ({"name": "华信达科技"}, {"phones": ["13800138000"]}, {"phones": ["13911112222"]}):
        found = first(other, **asked)

        assert not found.visible
        assert (found.holder_department, found.holder_name) == ("华东二部", "张*")
        assert (found.id, found.name, found.number, found.customer_id, found.customer_name) == ("", "", "", "", "")
        told = found.SerializeToString()
        assert not any(secret.encode() in told for secret in (made.id, "达科技", "张小红", "李雷", made.number))

    assert first(zhang, name="华信达科技").id == made.id


def test_what_is_nobodys_is_told_by_its_department(server: Server) -> None:
    east = server.department("华东一部")
    lead = server.person(["customer.*"], "all", name="赵一")
    lead.CreateCustomer(customer={"name": "上海华信达科技有限公司", "department_id": east})
    other = server.person(["customer.*"], "self", name="王五")

    found = first(other, name="华信达")

    assert (found.visible, found.holder_department, found.holder_name) == (False, "华东一部", "")


def test_family_names_may_have_two_characters() -> None:
    assert [family_name(n) for n in ("张三", "欧阳娜娜", "欧阳", "Smith", "")] == ["张*", "欧阳*", "欧*", "S*", ""]


def test_fields_that_are_closed_to_somebody_are_not_compared(server: Server, boss: Client) -> None:
    boss.CreateCustomer(customer={"name": "上海华信达科技有限公司", "mobile": "13800138000", "address": "中山路1号"})
    closed = [{"resource": "customer", "field": f, "rule": "masked"} for f in ("mobile", "address")]
    other = server.person(["customer.*"], fields=closed)

    assert first(other, phones=["13800138000"]) is None
    assert "same_address" not in codes(first(other, name="华信达科技", address="中山路1号"))
    hidden = server.person(["customer.*"], fields=[{"resource": "customer", "field": "name", "rule": "hidden"}])
    by_phone = first(hidden, name="华信达科技", phones=["13800138000"])
    assert (by_phone.name, codes(by_phone)) == ("", {"same_phone"})


def test_it_takes_the_right_to_enter_customers(server: Server) -> None:
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        server.person(["customer.read"]).CheckDuplicates(name="华信达")


def test_more_numbers_than_anybody_has_are_refused(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "phones"):
        boss.CheckDuplicates(phones=[f"1380013{n:04}" for n in range(11)])


def test_a_customer_is_not_told_of_itself_nor_of_what_was_dismissed(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "上海华信达科技有限公司"})
    other = boss.CreateCustomer(customer={"name": "华信达科技有限公司"})

    assert [c.id for c in boss.CheckDuplicates(name=made.name, except_id=made.id).candidates] == [other.id]

    boss.CreateDuplicateDismissal(duplicate_dismissal={"customer_id": other.id, "other_id": made.id, "note": "两家"})

    assert not boss.CheckDuplicates(name=made.name, except_id=made.id).candidates


def test_whom_one_does_not_reach_is_not_left_out_so_that_its_id_stays_unknown(
    server: Server, boss: Client, pools: Any
) -> None:
    seller = server.person(["customer.*"], "self")
    theirs = boss.CreateCustomer(customer={"name": "上海华信达科技有限公司"})
    own = seller.CreateCustomer(customer={"name": "华信达科技有限公司"})
    boss.CreateDuplicateDismissal(duplicate_dismissal={"customer_id": own.id, "other_id": theirs.id, "note": "两家"})
    asked = [seller.CheckDuplicates(name=theirs.name, except_id=i) for i in ("", theirs.id, ids.uuid7())]
    assert [[c.id for c in answer.candidates] for answer in asked] == [["", own.id]] * 3
    assert not seller.CheckDuplicates(name=theirs.name, except_id=own.id).candidates

    pool = pools.make(member_user_ids=[seller.user_id], hidden_fields=["mobile"])
    lying = pools.put(pool, mobile="13800138000")
    asked = [seller.CheckDuplicates(phones=["13800138000"], except_id=i) for i in (lying.id, ids.uuid7())]
    assert [[c.id for c in answer.candidates] for answer in asked] == [[""]] * 2


def test_persons_are_the_same_by_number_not_by_a_name_that_many_have(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "王伟", "kind": "individual", "mobile": "13800138000"})

    by_name = first(boss, name="王伟", kind="individual")
    both = first(boss, name="王伟", kind="individual", phones=["13800138000"])

    assert (by_name.match, both.match, both.id) == ("possible", "same", made.id)


def test_what_one_is_found_by_follows_every_change(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "上海华信达科技有限公司"})
    paths = {"paths": ["name", "short_name"]}
    changed = {"id": made.id, "name": "上海恒瑞丰科技有限公司", "short_name": "宝利通"}
    made = boss.UpdateCustomer(customer=changed, update_mask=paths, etag=made.etag)

    assert first(boss, name="华信达科技") is None
    assert first(boss, name="恒瑞丰科技").id == made.id
    assert first(boss, name="宝利通").id == made.id

    gone = boss.DeleteCustomer(id=made.id, etag=made.etag)
    assert first(boss, name="恒瑞丰科技") is None

    boss.RestoreCustomer(id=gone.id)
    assert first(boss, name="恒瑞丰科技").id == made.id


def test_imported_rows_are_found_too(boss: Client) -> None:
    boss.ImportCustomers(customers=[{"name": "上海华信达科技有限公司"}, {"name": "上海恒瑞丰科技有限公司"}])

    assert first(boss, name="华信达科技").match == "same"
    assert first(boss, name="恒瑞丰科技").match == "same"


def test_customers_from_before_are_found_once_the_job_has_run(server: Server, boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "上海华信达科技有限公司", "email": "info@huaxinda.com"})
    contact = boss.CreateContact(contact={"customer_id": made.id, "name": "李雷", "email": "lilei@huaxinda.com"})
    server.sql("DELETE FROM likeness")
    server.sql("UPDATE customer SET blind_index = '{}'")
    server.sql("UPDATE contact SET blind_index = '{}'")
    assert first(boss, name="华信达科技", website="huaxinda.com") is None

    server.service.migrate()
    server.run_jobs()

    assert first(boss, name="华信达科技").id == made.id
    found = {
        c.id: codes(c) for c in boss.CheckDuplicates(website="huaxinda.com", emails=["lilei@huaxinda.com"]).candidates
    }
    assert found[contact.id] == {"same_email", "same_domain"}


@pytest.mark.feature("CUS-10")
@pytest.mark.parametrize("hidden", ["phone", "credit_code", "website", "address"])
def test_what_a_pool_hides_tells_its_members_who_it_is_no_more_than_anybody(
    server: Server, boss: Client, pools: Any, hidden: str
) -> None:
    values = {
        "phone": "0571-88886666",
        "credit_code": credit_code(1),
        "website": "https://yunqi.cn",
        "address": "文三路 1 号",
    }
    asked = {"phones": [values["phone"]]} if hidden == "phone" else {hidden: values[hidden]}
    member = server.person(["customer.read", "customer.create"], "self")
    stranger = server.person(["customer.read", "customer.create"], "self")
    pool = pools.make(member_user_ids=[member.user_id], hidden_fields=[hidden])
    made = pools.put(pool, name="杭州云启科技有限公司", **{hidden: values[hidden]})

    by_both = first(member, name=made.name, **asked)

    assert (by_both.id, codes(by_both)) == (made.id, codes(first(member, name=made.name)))
    assert by_both.score == first(member, name=made.name).score
    by_number = first(member, **asked)
    assert by_number == first(stranger, **asked)
    assert by_number is None or (by_number.visible, by_number.id, by_number.name) == (False, "", "")
    assert hidden not in ("phone", "credit_code") or by_number is not None
    assert first(boss, **asked).id == made.id if by_number else first(boss, **asked) is None


@pytest.mark.feature("CUS-10")
def test_a_number_that_a_pool_shows_says_who_it_is(server: Server, boss: Client, pools: Any) -> None:
    member = server.person(["customer.read", "customer.create"], "self")
    pool = pools.make(member_user_ids=[member.user_id], hidden_fields=["mobile"])
    made = pools.put(pool, name="杭州云启科技有限公司", phone="13800138000", mobile="13800138000")

    found = first(member, phones=["13800138000"])

    assert (found.id, codes(found)) == (made.id, {"same_phone"})
