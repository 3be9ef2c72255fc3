"""Names in traditional characters are the same names: for the search box and for duplicates."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from crm_kit.testing import Client, Server
from customer import names, traditional

NAMES = {
    "長沙华信建材有限公司": "长沙华信建材有限公司",
    "重慶长江轴承有限公司": "重庆长江轴承有限公司",
    "廈門宏欣医疗器械有限公司": "厦门宏欣医疗器械有限公司",
    "厦门宏欣醫療器械有限公司": "厦门宏欣医疗器械有限公司",
    "蘇州精密儀器有限公司": "苏州精密仪器有限公司",
    "臺灣積體電路製造股份有限公司": "台湾积体电路制造股份有限公司",
}


def found(client: Client, words: str) -> list[str]:
    return [c.name for c in client.ListCustomers(search=words, order_by="name").customers]


@pytest.mark.feature("CUS-05")
@pytest.mark.parametrize(("written", "simple"), NAMES.items())
def test_a_name_is_a_duplicate_of_the_same_in_simplified_characters(boss: Client, written: str, simple: str) -> None:
    made = boss.CreateCustomer(customer={"name": simple})

    assert names.take_apart(written) == names.take_apart(simple)
    assert [c.id for c in boss.CheckDuplicates(name=written).candidates] == [made.id]


@pytest.mark.feature("CUS-06")
def test_either_way_of_writing_finds_the_other(boss: Client, server: Server) -> None:
    for name, contact in (("重慶長江軸承有限公司", "張偉"), ("长沙华信建材有限公司", "张伟")):
        made = boss.CreateCustomer(customer={"name": name})
        boss.CreateContact(contact={"customer_id": made.id, "name": contact})
    hidden = [{"resource": "customer", "field": "phone", "rule": "hidden"}]
    narrow = server.person(["customer.*", "contact.*"], "all", fields=hidden)

    for reader in (boss, narrow):
        assert found(reader, "重慶") == found(reader, "重慶 軸承") == ["重慶長江軸承有限公司"]
        assert found(reader, "长沙") == found(reader, "長沙") == ["长沙华信建材有限公司"]
        assert len(found(reader, "張偉")) == len(reader.ListContacts(search="张伟").contacts) == 2
    assert found(boss, "重庆") == found(boss, "重庆 軸承") == ["重慶長江軸承有限公司"]


@pytest.mark.feature("CUS-06")
def test_rows_from_before_are_found_by_simplified_characters(
    boss: Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def derived() -> list[Any]:
        ordered = "ARRAY(SELECT x FROM {} AS x ORDER BY x)"
        lines, keys = (ordered.format(f"unnest({x})") for x in ("string_to_array(search_text, E'\\n')", "search_grams"))
        return [server.sql(f"SELECT id, {lines}, {keys} FROM {t} ORDER BY id") for t in ("customer", "contact")]

    with monkeypatch.context() as before:
        before.setattr(traditional, "simplified", lambda text: text)
        made = [boss.CreateCustomer(customer={"name": n, "short_name": "華信A"}) for n in (*NAMES, "ＡＢＣ廣Wang 東")]
        made.append(boss.CreateCustomer(customer={"name": "上海华信"}))
        contacts = [boss.CreateContact(contact={"customer_id": c.id, "name": "劉偉"}) for c in made[1:]]
    old = derived()

    migration = import_module("customer.migrations.versions.customer_0015_names_are_found_in_simplified_characters")
    with server.service.writer.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        migration.upgrade()

    migrated = derived()
    for contact in contacts:
        boss.UpdateContact(
            contact={"id": contact.id, "remarks": "改"}, update_mask={"paths": ["remarks"]}, etag=contact.etag
        )
    for customer in made:
        boss.UpdateCustomer(
            customer={"id": customer.id, "remarks": "改"}, update_mask={"paths": ["remarks"]}, etag=customer.etag
        )
    assert old != migrated == derived()


def test_the_characters_are_pairs_of_one_to_one() -> None:
    simple = {*traditional.SIMPLIFIED.values()}

    assert len(traditional.SIMPLIFIED) > 2_000
    assert simple.isdisjoint(map(chr, traditional.SIMPLIFIED))
    assert traditional.simplified("乾隆 著名 ABC 上海") == "乾隆 著名 ABC 上海"
