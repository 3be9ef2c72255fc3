"""Two customers that are one: merged with a choice for each field, everything around goes along, and back again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit import ids
from crm_kit.testing import Client, Server, refused
from crm_kit.testing.server import event
from customer.merging import merges

pytestmark = [pytest.mark.feature("CUS-05")]


def make(boss: Client, name: str, **fields: Any) -> Any:
    return boss.CreateCustomer(customer={"name": name, **fields})


def merge(person: Client, into: Any, *merged: Any, **more: Any) -> Any:
    """Merge them in the versions they have now."""
    into = person.GetCustomer(id=into.id)
    gone = [{"id": m.id, "etag": person.GetCustomer(id=m.id).etag} for m in merged]
    return person.MergeCustomers(id=into.id, etag=into.etag, merged=gone, **more)


def undo(server: Server, person: Client, act_id: str, record_type: str = "customer") -> dict[str, Any]:
    job = person.UndoAct(record_type=record_type, id=act_id)
    server.run_jobs()
    return dict(person.GetJob(record_type=record_type, id=job.id).result)


def choose(**fields: str) -> list[dict[str, str]]:
    return [{"field": f, "from_id": i} for f, i in fields.items()]


def test_everything_around_the_one_that_goes_moves_to_the_one_that_stays(server: Server, boss: Client) -> None:
    stays, goes = make(boss, "云启科技"), make(boss, "云启科技有限公司")
    contact = boss.CreateContact(contact={"customer_id": goes.id, "name": "王芳", "primary": True})
    demand = boss.CreateDemand(demand={"customer_id": goes.id, "kind": "other", "description": "要货"})
    talk = boss.CreateInteraction(
        interaction={"customer_id": goes.id, "subject": "初访", "kind": "call", "contact_ids": [contact.id]}
    )
    below = make(boss, "云启科技分公司", parent_id=goes.id)
    deleted = boss.CreateContact(contact={"customer_id": goes.id, "name": "赵六"})
    boss.DeleteContact(id=deleted.id, etag=deleted.etag)
    sold = Opportunity(id=ids.uuid7(), title="许可", customer_id=goes.id)
    server.deliver("sales", event(sold, "created"))
    answer = merge(boss, stays, goes)
    assert answer.customer.id == stays.id
    assert {c.name for c in boss.ListContacts(filter=f'customer_id = "{stays.id}"').contacts} == {"王芳"}
    assert boss.RestoreContact(id=deleted.id).customer_id == stays.id
    assert boss.GetContact(id=contact.id).primary
    assert boss.GetDemand(id=demand.id).customer_id == stays.id
    assert boss.GetInteraction(id=talk.id).customer_id == stays.id
    assert boss.GetCustomer(id=below.id).parent_id == stays.id
    assert boss.GetCustomer(id=stays.id).last_contact_time == boss.GetInteraction(id=talk.id).start_time
    told = {e.record_id for e in boss.ListTimeline(customer_id=stays.id).entries}
    assert {talk.id, sold.id} <= told
    assert [c.id for c in boss.ListCustomers(search="王芳").customers] == [stays.id]
    with refused("FAILED_PRECONDITION", "DEPENDED_ON"):
        boss.DeleteCustomer(id=stays.id, etag=boss.GetCustomer(id=stays.id).etag)
    assert goes.id in {c.id for c in boss.ListCustomers(deleted=True).customers}


def test_each_field_has_the_value_of_the_record_that_was_chosen(server: Server, boss: Client) -> None:
    colour = {"key": "colour", "kind": "text", "label_zh": "颜色", "label_en": "Colour"}
    boss.CreateCustomField(record_type="customer", custom_field=colour)
    stays = make(boss, "甲", city="上海", tags=["a", "b"], phone="021-55556666", remarks="甲注")
    goes = make(boss, "乙", city="北京", tags=["b", "c"], phone="010-66667777", level="key", custom={"colour": "red"})
    code = "91310000631696382C"
    boss.UpdateCustomer(
        customer={"id": goes.id, "credit_code": code}, update_mask={"paths": ["credit_code"]}, etag=goes.etag
    )
    choices = [
        *choose(city=goes.id, phone=goes.id, creditCode=goes.id, remarks=goes.id, **{"custom.colour": goes.id}),
        {"field": "tags", "union": True},
    ]
    merged = merge(boss, stays, goes, choices=choices).customer
    assert (merged.name, merged.city, merged.phone, merged.credit_code) == ("甲", "北京", "010-66667777", code)
    assert list(merged.tags) == ["a", "b", "c"]
    assert (merged.level, merged.remarks, dict(merged.custom)) == ("", "", {"colour": "red"})


def test_empty_fields_are_filled_when_that_is_asked(boss: Client) -> None:
    stays, goes = make(boss, "甲", city="上海"), make(boss, "乙", city="北京", level="key", employees=5)
    merged = merge(boss, stays, goes, fill_empty=True).customer
    assert (merged.city, merged.level, merged.employees) == ("上海", "key", 5)


def test_a_preview_shows_both_values_a_proposal_and_what_would_move(server: Server, boss: Client) -> None:
    stays, goes = make(boss, "甲", city="上海", tags=["a"]), make(boss, "乙", city="北京", level="key")
    for name in ("一", "二"):
        boss.CreateContact(contact={"customer_id": goes.id, "name": name})
    server.deliver("sales", event(Opportunity(id=ids.uuid7(), title="许可", customer_id=goes.id), "created"))
    seen = boss.PreviewMergeCustomers(id=stays.id, merged_ids=[goes.id])
    assert {f.field for f in seen.fields} == {"name", "level", "city", "tags"}
    fields = {f.field: f for f in seen.fields}
    assert [v.value.string_value for v in fields["city"].values] == ["上海", "北京"]
    assert (fields["city"].differs, fields["city"].proposed_id) == (True, stays.id)
    assert (fields["level"].proposed_id, fields["tags"].union_possible) == (goes.id, True)
    assert {m.record_type: m.count for m in seen.moving} == {"contact": 2, "opportunity": 1}
    assert not seen.as_job
    assert boss.GetCustomer(id=goes.id).name == "乙"


def test_a_preview_tells_what_all_of_them_have_in_common_when_that_is_asked(boss: Client) -> None:
    stays, goes = make(boss, "甲", city="上海", source="referral"), make(boss, "乙", city="上海", source="referral")
    seen = boss.PreviewMergeCustomers(id=stays.id, merged_ids=[goes.id], include_equal=True)
    fields = {f.field: f.differs for f in seen.fields}
    assert fields.items() >= {"name": True, "city": False, "source": False}.items()
    assert not {"level", "tags", "locked"} & fields.keys()


def test_an_old_link_and_an_import_by_the_old_key_find_the_one_that_stays(boss: Client) -> None:
    first, second = make(boss, "甲", external_id="A"), make(boss, "乙", external_id="B")
    third = make(boss, "丙")
    merge(boss, second, first)
    merge(boss, third, second)
    assert boss.GetCustomer(id=first.id).id == third.id
    assert boss.GetCustomer(id=second.id, fields="name").name == "丙"
    told = boss.ImportCustomers(customers=[{"external_id": "B", "name": "丙", "city": "苏州"}])
    assert [(r.outcome, r.id) for r in told.results] == [("updated", third.id)]
    again = boss.ImportCustomers(customers=[{"external_id": "A", "name": "丙", "city": "无锡"}])
    assert [(r.outcome, r.id) for r in again.results] == [("updated", third.id)]
    assert (boss.GetCustomer(id=third.id).external_id, boss.GetCustomer(id=third.id).city) == ("B", "无锡")
    both = boss.ImportCustomers(
        customers=[{"external_id": "A", "name": "丙", "city": "一"}, {"external_id": "B", "name": "丙", "city": "二"}]
    )
    assert [r.outcome for r in both.results] == ["updated", "failed"]


def test_an_old_link_tells_nothing_to_whom_the_survivor_is_out_of_reach(server: Server, boss: Client) -> None:
    stays, goes = make(boss, "甲"), make(boss, "乙")
    merge(boss, stays, goes)
    with refused("NOT_FOUND", "NOT_FOUND"):
        server.person(["customer.*"], "self").GetCustomer(id=goes.id)


def test_an_undone_merge_leaves_everything_as_it_was(server: Server, boss: Client) -> None:
    colleague = server.person(["customer.read"], "self")
    stays = make(boss, "甲", city="上海")
    goes = make(boss, "乙", city="北京", credit_code="91310000631696382C")
    mine = boss.CreateContact(contact={"customer_id": stays.id, "name": "李雷", "primary": True})
    hers = boss.CreateContact(contact={"customer_id": goes.id, "name": "韩梅", "primary": True})
    sold = Opportunity(id=ids.uuid7(), title="许可", customer_id=goes.id)
    server.deliver("sales", event(sold, "created"))
    boss.PutTeamMember(record_type="customer", id=goes.id, user_id=colleague.user_id, access="read", label="共同负责人")
    boss.Follow(record_type="customer", id=goes.id)
    answer = merge(boss, stays, goes, choices=choose(city=goes.id, creditCode=goes.id))
    assert answer.customer.credit_code == "91310000631696382C"
    assert not boss.GetContact(id=hers.id).primary
    assert colleague.GetCustomer(id=stays.id).id == stays.id
    team = boss.ListTeam(record_type="customer", id=stays.id).team_members
    assert [(m.user_id, m.label) for m in team] == [(colleague.user_id, "共同负责人")]
    assert [f.user_id for f in boss.ListFollowers(record_type="customer", id=stays.id).followers] == [boss.user_id]
    assert undo(server, boss, answer.act_id)["kept"] == 0
    server.service.organisation.forget()
    back, other = boss.GetCustomer(id=goes.id), boss.GetCustomer(id=stays.id)
    assert (back.id, back.city, back.credit_code) == (goes.id, "北京", "91310000631696382C")
    assert (other.city, other.credit_code) == ("上海", "")
    assert boss.GetContact(id=hers.id).customer_id == goes.id
    assert all(boss.GetContact(id=i).primary for i in (hers.id, mine.id))
    assert [c.id for c in boss.ListCustomers(search="韩梅").customers] == [goes.id]
    assert {e.record_id for e in boss.ListTimeline(customer_id=goes.id).entries} == {sold.id}
    assert not boss.ListTimeline(customer_id=stays.id).entries
    assert not boss.ListTeam(record_type="customer", id=stays.id).team_members
    assert not boss.ListFollowers(record_type="customer", id=stays.id).followers
    with refused("NOT_FOUND"):
        colleague.GetCustomer(id=stays.id)
    assert server.sql("SELECT count(*) FROM merge_trace")[0][0] == 0


def test_what_was_changed_since_stays_and_is_named(server: Server, boss: Client) -> None:
    stays, goes = make(boss, "甲"), make(boss, "乙")
    contacts = [boss.CreateContact(contact={"customer_id": goes.id, "name": n}) for n in ("一", "二")]
    answer = merge(boss, stays, goes)
    moved = boss.GetContact(id=contacts[0].id)
    boss.UpdateContact(contact={"id": moved.id, "name": "改"}, update_mask={"paths": ["name"]}, etag=moved.etag)
    assert undo(server, boss, answer.act_id)["kept"] == 1
    kept = boss.ListActItems(record_type="customer", id=answer.act_id, outcome="kept").items
    assert [(k.record_type, k.record_id) for k in kept] == [("contact", contacts[0].id)]
    assert "总经理" in kept[0].reason
    assert boss.GetContact(id=contacts[0].id).customer_id == stays.id
    assert boss.GetContact(id=contacts[1].id).customer_id == goes.id


def test_many_records_move_as_a_job_that_goes_on_after_a_crash(server: Server, boss: Client) -> None:
    stays, goes = make(boss, "甲"), make(boss, "乙")
    server.sql(
        "INSERT INTO demand (id, number, create_time, update_time, customer_id, kind, description) SELECT uuidv7(),"
        " 'X' || n, now(), now(), :id, 'other', 'x' FROM generate_series(1, 650) n",
        id=goes.id,
    )
    answer = merge(boss, stays, goes)
    assert (answer.job.state, answer.HasField("customer")) == ("queued", False)
    server.run_jobs(2)
    half = server.sql("SELECT count(*) FROM demand WHERE customer_id = :id", id=stays.id)[0][0]
    assert 0 < half < 650
    assert boss.GetCustomer(id=goes.id).name == "乙"
    server.run_jobs()  # another process would do just this: where to go on stands in the database
    assert boss.GetJob(record_type="customer", id=answer.act_id).state == "done"
    assert boss.GetCustomer(id=goes.id).id == stays.id
    assert server.sql("SELECT count(*), count(DISTINCT id) FROM demand WHERE customer_id = :id", id=stays.id)[0] == (
        650,
        650,
    )
    assert undo(server, boss, answer.act_id)["kept"] == 0
    assert server.sql("SELECT count(*) FROM demand WHERE customer_id = :id", id=goes.id)[0][0] == 650


def test_a_job_that_cannot_end_leaves_an_act_that_can_be_taken_back(server: Server, boss: Client) -> None:
    stays, goes = make(boss, "甲"), make(boss, "乙")
    server.sql(
        "INSERT INTO demand (id, number, create_time, update_time, customer_id, kind, description) SELECT uuidv7(),"
        " 'X' || n, now(), now(), :id, 'other', 'x' FROM generate_series(1, 501) n",
        id=goes.id,
    )
    answer = merge(boss, stays, goes)
    server.run_jobs(1)
    server.sql("UPDATE customer SET delete_time = now() WHERE id = :id", id=stays.id)
    server.run_jobs()
    assert boss.GetJob(record_type="customer", id=answer.act_id).state == "failed"
    undo(server, boss, answer.act_id)
    assert server.sql("SELECT count(*) FROM demand WHERE customer_id = :id", id=goes.id)[0][0] == 501


def test_a_record_is_not_merged_into_itself_nor_twice_nor_again(boss: Client) -> None:
    stays, goes = make(boss, "甲"), make(boss, "乙")
    with refused("INVALID_ARGUMENT", "", "merged"):
        boss.MergeCustomers(id=stays.id, etag=stays.etag, merged=[{"id": stays.id, "etag": stays.etag}])
    with refused("INVALID_ARGUMENT", "", "merged"):
        boss.MergeCustomers(id=stays.id, etag=stays.etag, merged=[{"id": goes.id, "etag": goes.etag}] * 2)
    with refused("INVALID_ARGUMENT", "", "merged"):
        boss.MergeCustomers(id=stays.id, etag=stays.etag)
    with refused("ABORTED", "STALE"):
        boss.MergeCustomers(id=stays.id, etag=stays.etag, merged=[{"id": goes.id, "etag": "9"}])
    with refused("INVALID_ARGUMENT", "", "city"):
        merge(boss, stays, goes, choices=choose(city=ids.uuid7()))
    with refused("INVALID_ARGUMENT", "", "city"):
        merge(boss, stays, goes, choices=[{"field": "city", "union": True}])
    with refused("INVALID_ARGUMENT", "", "nonsense"):
        merge(boss, stays, goes, choices=choose(nonsense=goes.id))
    assert boss.GetCustomer(id=stays.id).etag == stays.etag
    merge(boss, stays, goes)
    third = make(boss, "丙")
    with refused("NOT_FOUND"):
        boss.MergeCustomers(id=third.id, etag=third.etag, merged=[{"id": goes.id, "etag": goes.etag}])


def test_of_two_merges_that_cross_one_happens(boss: Client) -> None:
    for _ in range(5):
        one, two = make(boss, "甲"), make(boss, "乙")

        def try_(into: Any, gone: Any) -> str:
            try:
                boss.MergeCustomers(id=into.id, etag=into.etag, merged=[{"id": gone.id, "etag": gone.etag}])
                return "merged"
            except grpc.RpcError as error:
                return str(error.code().name)  # type: ignore[attr-defined]

        with ThreadPoolExecutor(2) as pool:
            ended = [f.result() for f in (pool.submit(try_, one, two), pool.submit(try_, two, one))]
        assert sorted(ended) in (["ABORTED", "merged"], ["NOT_FOUND", "merged"]), ended


def test_the_one_above_goes_into_the_one_below(boss: Client) -> None:
    above = make(boss, "集团")
    below = make(boss, "分公司", parent_id=above.id)
    assert merge(boss, below, above).customer.parent_id == ""
    top = make(boss, "总部")
    middle = make(boss, "大区", parent_id=top.id)
    bottom = make(boss, "门店", parent_id=middle.id)
    with refused("INVALID_ARGUMENT", "", "parentId"):  # the area would hang below the shop, and the shop below it
        merge(boss, bottom, top)
    assert merge(boss, bottom, top, choices=choose(parentId=top.id)).customer.parent_id == ""
    assert boss.GetCustomer(id=middle.id).parent_id == bottom.id


def test_a_merge_with_which_much_moves_is_refused_at_once_where_one_would_hang_below_itself(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merges, "AT_ONCE", 0)
    top = make(boss, "总部")
    middle = make(boss, "大区", parent_id=top.id)
    bottom = make(boss, "门店", parent_id=middle.id)

    with refused("INVALID_ARGUMENT", "", "parentId"):
        merge(boss, bottom, top)
    assert list(boss.ListJobs(record_type="customer").jobs) == []


def test_whoever_may_not_delete_or_reach_one_of_them_does_not_merge(server: Server, boss: Client) -> None:
    seller = server.person(["customer.read", "customer.update", "customer.create"], "self")
    one, two = make(seller, "甲"), make(seller, "乙")
    with refused("PERMISSION_DENIED"):
        merge(seller, one, two)
    lead = server.person(["customer.*"], "self")
    mine = make(lead, "丙")
    with refused("NOT_FOUND"):
        lead.MergeCustomers(id=mine.id, etag=mine.etag, merged=[{"id": one.id, "etag": one.etag}])
    with refused("NOT_FOUND"):
        lead.PreviewMergeCustomers(id=mine.id, merged_ids=[one.id])


def test_a_field_that_is_closed_for_the_caller_keeps_the_value_of_the_one_that_stays(
    server: Server, boss: Client
) -> None:
    rules = [
        {"resource": "customer", "field": "remarks", "rule": "hidden"},
        {"resource": "customer", "field": "bank_account", "rule": "masked"},
        {"resource": "customer", "field": "level", "rule": "read_only"},
    ]
    clerk = server.person(["customer.*"], "all", fields=rules)
    stays = make(boss, "甲", bank_account="622200001111")
    goes = make(boss, "乙", remarks="密", level="key", bank_account="622299998888")
    seen = {f.field: f for f in clerk.PreviewMergeCustomers(id=stays.id, merged_ids=[goes.id]).fields}
    assert "remarks" not in seen
    assert not any(seen[f].choosable for f in ("bankAccount", "level"))
    assert "622299998888" not in str(seen["bankAccount"])
    for name in ("remarks", "bankAccount", "level"):
        with refused("INVALID_ARGUMENT", "", name):
            merge(clerk, stays, goes, choices=choose(**{name: goes.id}))
    merge(clerk, stays, goes, fill_empty=True, choices=choose(level=stays.id))
    now = boss.GetCustomer(id=stays.id)
    assert (now.remarks, now.level, now.bank_account) == ("", "", "622200001111")


def test_taking_the_owner_of_the_one_that_goes_needs_the_right_to_assign(server: Server, boss: Client) -> None:
    seller = server.person(["customer.read"], "self")
    clerk = server.person(["customer.read", "customer.update", "customer.delete"], "all")
    stays, goes = make(boss, "甲"), make(boss, "乙", owner_id=seller.user_id)
    with refused("PERMISSION_DENIED"):
        merge(clerk, stays, goes, choices=choose(ownerId=goes.id))
    assert merge(boss, stays, goes, choices=choose(ownerId=goes.id)).customer.owner_id == seller.user_id


def test_the_merge_and_its_undoing_are_announced_with_who_went_into_whom(server: Server, boss: Client) -> None:
    stays, goes = make(boss, "甲"), make(boss, "乙")
    answer = merge(boss, stays, goes)
    undo(server, boss, answer.act_id)
    told = [e for e in server.events("customer") if e.action in ("merged", "unmerged")]
    for one in told:
        said = {c.field: c.after for c in one.changes}
        assert said["actId"].string_value == answer.act_id
        assert [v.string_value for v in said["mergedIds"].list_value.values] == [goes.id]
        assert (one.record_id, Customer.FromString(one.record.value).name) == (stays.id, "甲")
    assert [e.action for e in told] == ["merged", "unmerged"]
    changes = [c.action for c in boss.ListChanges(record_type="customer", id=stays.id).changes]
    assert changes == ["created", "merged", "undone", "unmerged"]


def test_undoing_in_a_chain_leads_each_id_to_where_it_went(server: Server, boss: Client) -> None:
    first, second, third = make(boss, "甲"), make(boss, "乙"), make(boss, "丙")
    contact = boss.CreateContact(contact={"customer_id": first.id, "name": "王芳", "primary": True})
    earlier = merge(boss, second, first)
    later = merge(boss, third, second)
    assert boss.GetCustomer(id=first.id).id == third.id
    job = boss.UndoAct(record_type="customer", id=earlier.act_id)
    server.run_jobs()
    job = boss.GetJob(record_type="customer", id=job.id)
    assert (job.state, later.act_id in job.reason) == ("failed", True)
    assert boss.GetContact(id=contact.id).customer_id == third.id
    undo(server, boss, later.act_id)
    assert boss.GetCustomer(id=first.id).id == second.id
    assert boss.GetCustomer(id=second.id).id == second.id
    assert boss.GetContact(id=contact.id).customer_id == second.id
    assert undo(server, boss, earlier.act_id)["kept"] == 0
    assert boss.GetCustomer(id=first.id).id == first.id
    assert boss.GetContact(id=contact.id).customer_id == first.id


def test_contacts_of_one_customer_are_merged_and_come_back(server: Server, boss: Client) -> None:
    customer = make(boss, "甲")
    stays = boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳"})
    goes = boss.CreateContact(
        contact={"customer_id": customer.id, "name": "王方", "primary": True, "mobile": "13800001111"}
    )
    talk = boss.CreateInteraction(
        interaction={
            "customer_id": customer.id,
            "subject": "初访",
            "kind": "call",
            "contact_ids": [goes.id, stays.id],
        }
    )
    answer = boss.MergeContacts(
        id=stays.id, etag=stays.etag, merged=[{"id": goes.id, "etag": goes.etag}], fill_empty=True
    )
    assert (answer.contact.primary, answer.contact.mobile) == (True, "13800001111")
    assert list(boss.GetInteraction(id=talk.id).contact_ids) == [stays.id]
    assert boss.GetContact(id=goes.id).id == stays.id
    assert undo(server, boss, answer.act_id, "contact")["kept"] == 0
    assert [boss.GetContact(id=i).primary for i in (goes.id, stays.id)] == [True, False]
    assert list(boss.GetInteraction(id=talk.id).contact_ids) == [goes.id, stays.id]
    elsewhere = boss.CreateContact(contact={"customer_id": make(boss, "乙").id, "name": "王芳"})
    with refused("FAILED_PRECONDITION", "NOT_OF_ONE_CUSTOMER"):
        boss.MergeContacts(
            id=boss.GetContact(id=stays.id).id,
            etag=boss.GetContact(id=stays.id).etag,
            merged=[{"id": elsewhere.id, "etag": elsewhere.etag}],
        )


def test_what_is_no_id_is_not_found(boss: Client) -> None:
    for read in (boss.GetCustomer, boss.GetContact):
        with refused("NOT_FOUND"):
            read(id="12")


def test_nothing_moves_to_a_record_that_went_while_the_merge_waited(
    server: Server, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merges, "AT_ONCE", 0)
    first, second, third = (make(boss, name) for name in ("甲", "乙", "丙"))
    boss.CreateContact(contact={"customer_id": first.id, "name": "王芳"})
    waiting = merge(boss, second, first)
    assert merge(boss, third, second).customer.id == third.id
    server.run_jobs()
    assert boss.GetJob(record_type="customer", id=waiting.act_id).state == "failed"
    assert [c.name for c in boss.ListContacts(filter=f'customer_id = "{first.id}"').contacts] == ["王芳"]


@pytest.mark.figure("R40")
def test_a_field_that_is_closed_in_the_state_of_one_of_them_is_neither_shown_nor_chosen(
    server: Server, boss: Client
) -> None:
    one, other = (boss.CreateCustomer(customer={"name": n, "remarks": f"{n}的底细"}) for n in ("甲", "乙"))
    boss.ApproveCustomer(id=other.id, etag=other.etag)
    rule = {"resource": "customer", "field": "remarks", "rule": "hidden", "states": ["approved"]}
    clerk = server.person(["customer.*"], fields=[rule])

    shown = {f.field for f in clerk.PreviewMergeCustomers(id=one.id, merged_ids=[other.id]).fields}
    assert "name" in shown
    assert "remarks" not in shown
    etags = [boss.GetCustomer(id=c.id).etag for c in (one, other)]
    with refused("INVALID_ARGUMENT", "INVALID", "remarks"):
        clerk.MergeCustomers(
            id=one.id,
            etag=etags[0],
            merged=[{"id": other.id, "etag": etags[1]}],
            choices=[{"field": "remarks", "from_id": other.id}],
        )
