"""Export and erasure of one natural person: this service's part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm.identity.v1.users_pb2 import User
from crm.records.v1.privacy_pb2 import PrivacyPart
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused
from crm_records.imports.testing import Importer, as_csv
from crm_records.testing import Handing, everywhere_in
from customer.contacts import CONTACTS
from customer.demands import DEMANDS

pytestmark = pytest.mark.feature("IDN-13")

SECRETS = {
    "name": "欧阳若兰",
    "mobile": "13912345678",
    "email": "ruolan@example.com",
    "wechat": "ruolan_wx",
    "home_address": "平江路十二号",
    "birthplace": "绍兴",
    "profile": "爱喝龙井",
    "remarks": "女儿在读小学",
}


@pytest.fixture
def decide(server: Server) -> Callable[..., Any]:
    """Identity announces a request; what the service says of it at last, when the stream is swept."""
    versions: dict[str, int] = {}

    def make(request: PrivacyRequest, action: str) -> PrivacyPart:
        versions[request.id] = versions.get(request.id, 0) + 1
        told = event(request, action, versions[request.id])
        told.actor_id, told.actor_name = ids.uuid7(), "隐私专员"
        server.deliver("identity", told)
        assert server.sweep() == (action == "emptied"), "it waits for the others"
        said = PrivacyPart.FromString(server.events("privacy_part")[-1].record.value)
        return make(request, "emptied") if said.state == "emptied" else said

    return make


def request_of(kind: str, subject_type: str, subject_id: str) -> PrivacyRequest:
    return PrivacyRequest(id=ids.uuid7(), kind=kind, subject_type=subject_type, subject_id=subject_id)


def counts(part: PrivacyPart) -> dict[tuple[str, str], tuple[int, int]]:
    return {(f.record_type, f.relation): (f.records, f.erased) for f in part.found if f.record_type != "change_log"}


@pytest.fixture
def contact(boss: Client) -> Any:
    customer = boss.CreateCustomer(customer={"name": "苏州丝绸有限公司"}, metadata={"idempotency-key": "made-once-1"})
    made = boss.CreateContact(
        contact={"customer_id": customer.id, "custom": {}, **SECRETS}, metadata={"idempotency-key": "made-once-2"}
    )
    family = [{"name": "欧阳小满", "relation": "女儿"}]
    made = boss.UpdateContact(
        contact={"id": made.id, "family": family, "birthplace": "嘉兴"},
        update_mask={"paths": ["family", "birthplace"]},
        etag=made.etag,
    )
    boss.CreateInteraction(
        interaction={"customer_id": customer.id, "contact_ids": [made.id], "kind": "call", "subject": "报价"}
    )
    return made


def test_an_export_has_the_record_its_history_and_what_points_at_it(server: Server, boss: Client, contact: Any) -> None:
    answer = boss.ExportPersonData(subject_type="contact", subject_id=contact.id)

    subject, interaction = answer.records
    assert (subject.relation, subject.record_type, subject.id) == ("subject", "contact", contact.id)
    assert subject.data["homeAddress"] == "平江路十二号"
    assert subject.data["family"][0]["name"] == "欧阳小满"
    assert [c.action for c in subject.changes] == ["created", "updated"]
    assert (interaction.relation, interaction.record_type, interaction.data["subject"]) == (
        "reference",
        "interaction",
        "报价",
    )


def test_nothing_of_an_erased_contact_is_left_in_the_database(
    server: Server, boss: Client, contact: Any, decide: Any, measured: Any
) -> None:
    server.sql("UPDATE outbox SET sent_time = now()")
    words = [*SECRETS.values(), "欧阳小满", "嘉兴", "ouyangruolan"]
    assert everywhere_in(server.sql, words[0])
    request = request_of("erasure", "contact", contact.id)
    preview = decide(request, "created")
    assert boss.GetContact(id=contact.id).name == "欧阳若兰"

    part = decide(request, "started")

    assert everywhere_in(server.sql, *words) == []
    assert counts(part) == counts(preview) == {("contact", "subject"): (1, 1), ("interaction", "reference"): (1, 0)}
    assert (part.log_entries, part.messages) == (preview.log_entries, preview.messages)
    left = boss.GetContact(id=contact.id)
    assert (left.id, left.number, left.customer_id) == (contact.id, contact.number, contact.customer_id)
    assert (left.name, left.mobile, left.primary) == ("已抹除 (erased)", "", contact.primary)
    told = server.events("contact")[-1]
    assert (told.action, told.actor_name) == ("erased", "隐私专员")
    assert all("欧阳" not in str(e) for e in server.events("privacy_part"))
    assert [e.version for e in server.events("contact")] == [3], "only how it is now is sent to a stream that was lost"
    history = boss.ListChanges(record_type="contact", id=contact.id).changes
    assert [c.action for c in history] == ["created", "updated", "erased"]
    assert boss.ListCustomers(search="13912345678").customers == []
    assert boss.ListCustomers(search="欧阳若兰").customers == []
    measured(f"{len(words)} erased values in 0 places; {part.log_entries} log entries, {part.messages} messages")


def test_what_a_file_said_of_the_person_is_forgotten_too(server: Server, boss: Client, decide: Any) -> None:
    boss.CreateCustomer(customer={"name": "苏州丝绸有限公司"})
    importer = Importer(server, boss, "contact")
    head = ["公司", "姓名", "手机", "家庭住址"]
    made = importer.put(
        as_csv(
            [head, ["苏州丝绸有限公司", "慕容雪", "13912345678", "平江路十二号"], ["苏州丝绸有限公司", "王", "", ""]]
        )
    )
    assert everywhere_in(server.sql, "平江路") == []
    (person,) = boss.ListContacts(filter='name = "慕容雪"').contacts
    server.sql("UPDATE outbox SET sent_time = now()")

    decide(request_of("erasure", "contact", person.id), "started")

    first, second = importer.rows(made)
    assert (list(first.cells), second.cells[1]) == ([], "王")
    assert everywhere_in(server.sql, "慕容") == []


def test_what_a_file_of_customers_said_of_a_contact_is_forgotten_too(server: Server, boss: Client, decide: Any) -> None:
    importer = Importer(server, boss)
    head = ["客户名称", "联系人姓名", "联系人手机"]
    made = importer.put(as_csv([head, ["苏州丝绸有限公司", "慕容雪", "13912345678"], ["苏州绣品有限公司", "王", ""]]))
    (person,) = boss.ListContacts(filter='name = "慕容雪"').contacts
    server.sql("UPDATE outbox SET sent_time = now()")

    decide(request_of("erasure", "contact", person.id), "started")

    assert [list(row.cells)[1:2] for row in importer.rows(made)] == [[], ["王"]]


def test_the_report_of_a_handover_forgets_the_name_as_well(server: Server, boss: Client, decide: Any) -> None:
    leaver, taker = server.person(name="离职者"), server.person(name="接收人")
    person = leaver.CreateCustomer(customer={"name": "慕容雪", "kind": "individual"})
    leaver.CreateCustomer(customer={"name": "苏州丝绸有限公司"})
    handing = Handing(server, leaver, taker)
    handing.decide("created")
    handing.decide("started")
    server.sql("UPDATE outbox SET sent_time = now()")
    listed = {"handover_id": handing.record.id, "record_type": "customer"}
    assert {i.title for i in boss.ListHandoverItems(**listed).items} == {"慕容雪", "苏州丝绸有限公司"}

    decide(request_of("erasure", "customer", person.id), "started")

    left = {i.record_id: i.title for i in boss.ListHandoverItems(**listed).items}
    assert left.pop(person.id) == ""
    assert list(left.values()) == ["苏州丝绸有限公司"]
    assert everywhere_in(server.sql, "慕容") == []


def test_erasing_twice_is_as_erasing_once(server: Server, boss: Client, contact: Any, decide: Any) -> None:
    request = request_of("erasure", "contact", contact.id)
    first = decide(request, "started")
    before, events = boss.GetContact(id=contact.id), len(server.events("contact"))

    second = decide(request_of("erasure", "contact", contact.id), "started")

    assert counts(second) == counts(first)
    assert boss.GetContact(id=contact.id) == before
    assert len(server.events("contact")) == events


def test_what_a_backup_brought_back_goes_again_when_it_is_repeated(
    server: Server, boss: Client, contact: Any, decide: Any, measured: Any
) -> None:
    tables = ("contact", "change_log", "outbox", "inbox_position")
    for table in tables:
        server.sql(f"CREATE TABLE IF NOT EXISTS backup_{table} AS SELECT * FROM {table}")
    request = request_of("erasure", "contact", contact.id)
    decide(request, "started")
    assert everywhere_in(server.sql, "欧阳若兰") != [], "the backup has it"
    for table in tables:
        again = f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM backup_{table}"
        server.sql(f"DELETE FROM {table}")
        server.sql(again)
        server.sql(f"DROP TABLE backup_{table}")
    assert boss.GetContact(id=contact.id).name == "欧阳若兰"

    part = decide(request, "started")

    words = [*SECRETS.values(), "欧阳小满", "嘉兴"]
    assert everywhere_in(server.sql, *words) == []
    assert part.state == "done"
    assert [e.action for e in server.events("contact")] == ["erased"]
    measured(f"{len(words)} values that a restore brought back, repeated: 0 places")


def test_the_name_of_an_erased_user_goes_from_teams_and_their_history(
    server: Server, boss: Client, decide: Any
) -> None:
    member = server.person(name="司马青衫")
    for gone in (False, True):
        made = boss.CreateCustomer(customer={"name": "常州电机有限公司"})
        put = boss.PutTeamMember(record_type="customer", id=made.id, user_id=member.user_id, access="read")
        assert put.user_name == "司马青衫"
        if gone:
            boss.RemoveTeamMember(record_type="customer", id=made.id, user_id=member.user_id, etag=put.etag)

    decide(request_of("erasure", "user", member.user_id), "started")
    erased = User(id=member.user_id, username=f"erased-{member.user_id}", name="已抹除 (erased)")
    server.deliver("identity", event(erased, "erased", 2))

    assert everywhere_in(server.sql, "司马青衫") == []
    assert [e.action for e in server.events("team_member")] == ["removed"]


def test_an_erasure_that_is_killed_leaves_all_or_nothing(
    server: Server, boss: Client, contact: Any, decide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_of("erasure", "contact", contact.id)

    class Killed(BaseException):
        """As a process that ends in the middle of the transaction."""

    def killed(*_arguments: Any, **_more: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("crm_records.erasing._messages", killed)
        with pytest.raises(Killed):
            decide(request, "started")
    assert boss.GetContact(id=contact.id).name == "欧阳若兰"

    assert decide(request, "started").state == "done"
    assert boss.GetContact(id=contact.id).name == "已抹除 (erased)"


def test_an_individual_customer_goes_with_its_parts_and_a_company_is_no_person(
    server: Server, boss: Client, contact: Any, decide: Any
) -> None:
    person = boss.CreateCustomer(customer={"name": "慕容雪", "kind": "individual", "address": "枫桥路一号"})
    boss.CreateContact(contact={"customer_id": person.id, "name": "慕容本人"})
    boss.CreateDemand(demand={"customer_id": person.id, "kind": first_kind(server), "description": "想买慕容牌茶具"})
    boss.CreateInteraction(interaction={"customer_id": person.id, "kind": "call", "subject": "慕容来电"})
    server.sql("UPDATE outbox SET sent_time = now()")

    part = decide(request_of("erasure", "customer", person.id), "started")

    relations = {("customer", "subject"), ("contact", "part"), ("demand", "part"), ("interaction", "part")}
    assert counts(part) == dict.fromkeys(relations, (1, 1))
    assert everywhere_in(server.sql, "慕容") == []
    assert boss.GetCustomer(id=person.id).kind == "individual"
    assert decide(request_of("erasure", "customer", contact.customer_id), "created").problem == "NOT_A_PERSON"
    assert decide(request_of("erasure", "contact", ids.uuid7()), "created").problem == "NOT_FOUND"
    with refused("FAILED_PRECONDITION", "NOT_A_PERSON"):
        boss.ExportPersonData(subject_type="customer", subject_id=contact.customer_id)


def first_kind(server: Server) -> str:
    return str(server.sql("SELECT code FROM dictionary_entry WHERE dictionary = 'demand_kind' LIMIT 1")[0][0])


def test_what_the_law_makes_one_keep_stays_and_is_named_with_the_reason(
    server: Server, boss: Client, decide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        type(DEMANDS), "kept_by_law", ("会计档案保管三十年", "Accounting records are kept for 30 years")
    )
    person = boss.CreateCustomer(customer={"name": "慕容雪", "kind": "individual"})
    demand = boss.CreateDemand(demand={"customer_id": person.id, "kind": first_kind(server), "description": "茶具"})

    part = decide(request_of("erasure", "customer", person.id), "started")

    (kept,) = [f for f in part.found if f.record_type == "demand"]
    assert (kept.records, kept.erased, kept.kept_en) == (1, 0, "Accounting records are kept for 30 years")
    assert boss.GetDemand(id=demand.id).description == "茶具"


def test_the_name_of_an_erased_user_goes_from_logs_and_timelines(server: Server, boss: Client, decide: Any) -> None:
    seller = server.person(name="司马青衫")
    made = seller.CreateCustomer(customer={"name": "常州电机有限公司"})
    deal = Opportunity(id=ids.uuid7(), title="电机", customer_id=made.id, owner_id=seller.user_id)
    told = event(deal, "created")
    told.actor_id, told.actor_name = seller.user_id, "司马青衫"
    server.deliver("sales", told)
    server.sql("UPDATE outbox SET sent_time = now()")

    part = decide(request_of("erasure", "user", seller.user_id), "started")
    erased = User(id=seller.user_id, username=f"erased-{seller.user_id}", name="已抹除 (erased)")
    server.deliver("identity", event(erased, "erased", 2))

    assert part.names == 2
    assert everywhere_in(server.sql, "司马青衫") == ["outbox.payload"], "who acted stays in events, as in the trail"
    assert boss.GetCustomer(id=made.id).owner_id == seller.user_id
    assert [e.actor_name for e in boss.ListTimeline(customer_id=made.id).entries] == ["已抹除 (erased)"]
    assert {(f.record_type, *f.fields) for f in part.found if f.relation == "reference" and f.fields} >= {
        ("customer", "ownerId")
    }


def test_a_person_is_exported_only_with_the_right_on_all_records(server: Server, contact: Any) -> None:
    asked = {"subject_type": "contact", "subject_id": contact.id}

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        server.person(["contact.read", "customer.read"]).ExportPersonData(**asked)
    with refused("PERMISSION_DENIED", "EVERYWHERE_NEEDED"):
        server.person(["privacy_request.*"], "self").ExportPersonData(**asked)


def test_a_contract_names_no_field_that_is_not_there() -> None:
    from crm_kit import contract

    for record in (CONTACTS, *CONTACTS.registry.records.values()):
        assert set(contract.record(record.message.DESCRIPTOR).personal) <= set(record.stored)


def test_what_somebody_does_not_want_is_kept_and_can_be_asked_for(server: Server, boss: Client) -> None:
    fields = {"do_not_call": True, "consent_source": "展会登记表", "consent_time": {"seconds": 1_700_000_000}}
    made = boss.CreateCustomer(customer={"name": "无锡纺织有限公司", **fields})
    boss.CreateCustomer(customer={"name": "别家"})
    boss.CreateContact(contact={"customer_id": made.id, "name": "王工", "do_not_text": True})

    assert [c.id for c in boss.ListCustomers(filter="do_not_call = true").customers] == [made.id]
    assert [c.name for c in boss.ListContacts(filter="do_not_text = true").contacts] == ["王工"]
    assert boss.ListContacts(filter="do_not_call = true").contacts == []
    told = server.events("customer")[0]
    assert "doNotCall" in {c.field for c in told.changes}


def test_a_record_type_that_is_no_person_is_found_nowhere(boss: Client, contact: Any) -> None:
    for kind in ("nothing", "interaction", "opportunity", ""):
        with refused("NOT_FOUND"):
            boss.ExportPersonData(subject_type=kind, subject_id=contact.id)
    assert boss.ExportPersonData(subject_type="user", subject_id=contact.id).records == []


def merged(boss: Client, into: Any, *gone: Any) -> str:
    """Contacts merged as they are now; the act."""
    named = [{"id": one.id, "etag": boss.GetContact(id=one.id).etag} for one in gone]
    return str(boss.MergeContacts(id=into.id, etag=boss.GetContact(id=into.id).etag, merged=named).act_id)


@pytest.mark.parametrize("asked_of", ["stays", "goes"])
def test_what_became_one_with_the_person_by_merges_is_erased_and_exported_with_it(
    server: Server, boss: Client, contact: Any, decide: Any, asked_of: str
) -> None:
    double, first = (
        boss.CreateContact(contact={"customer_id": contact.customer_id, "name": name, "mobile": mobile})
        for name, mobile in (("欧阳兰", "13700000001"), ("欧阳小兰", "13700000002"))
    )
    before = merged(boss, double, first)
    act = merged(boss, contact, double)
    server.sql("UPDATE outbox SET sent_time = now()")
    subject = {"stays": contact, "goes": first}[asked_of]
    others = {contact.id, double.id, first.id} - {subject.id}

    told = boss.ExportPersonData(subject_type="contact", subject_id=subject.id).records
    found = {r.id: r.data["name"] for r in told if r.relation == "subject"}
    assert found == {contact.id: "欧阳若兰", double.id: "欧阳兰", first.id: "欧阳小兰"}
    assert told[0].id == subject.id
    request = request_of("erasure", "contact", subject.id)
    assert set(decide(request, "created").merged_ids) == others
    part = decide(request, "started")

    assert counts(part)["contact", "subject"] == (3, 3)
    assert set(part.merged_ids) == others
    words = [*SECRETS.values(), "欧阳兰", "欧阳小兰", "13700000001", "13700000002"]
    assert everywhere_in(server.sql, *words) == []
    for undone in (act, before):
        boss.UndoAct(record_type="contact", id=undone)
        server.run_jobs()
    assert everywhere_in(server.sql, *words) == []
    assert boss.ListContacts(search="13700000001").contacts == []


def test_an_individual_customer_is_erased_with_what_went_into_it(server: Server, boss: Client, decide: Any) -> None:
    stays = boss.CreateCustomer(customer={"name": "慕容雪", "kind": "individual"})
    goes = boss.CreateCustomer(customer={"name": "慕容小雪", "kind": "individual", "phone": "13912345678"})
    boss.CreateContact(contact={"customer_id": goes.id, "name": "慕容本人"})
    boss.MergeCustomers(id=stays.id, etag=stays.etag, merged=[{"id": goes.id, "etag": goes.etag}])
    server.sql("UPDATE outbox SET sent_time = now()")

    part = decide(request_of("erasure", "customer", stays.id), "started")

    assert counts(part) == {("customer", "subject"): (2, 2), ("contact", "part"): (1, 1)}
    assert everywhere_in(server.sql, "慕容") == []
    assert everywhere_in(server.sql, "13912345678") == []


def test_a_person_that_went_into_a_company_is_erased_without_it(server: Server, boss: Client, decide: Any) -> None:
    company = boss.CreateCustomer(customer={"name": "苏州丝绸有限公司"})
    person = boss.CreateCustomer(customer={"name": "慕容雪", "kind": "individual"})
    boss.MergeCustomers(id=company.id, etag=company.etag, merged=[{"id": person.id, "etag": person.etag}])

    part = decide(request_of("erasure", "customer", person.id), "started")

    assert (counts(part)["customer", "subject"], list(part.merged_ids)) == ((1, 1), [])
    assert boss.GetCustomer(id=company.id).name == "苏州丝绸有限公司"
