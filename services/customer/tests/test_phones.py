"""Numbers that are dialled: what a mobile and what any other phone may be, and what stood there before."""

from __future__ import annotations

import pytest

from crm_kit.testing import Client, Server, refused
from crm_records.imports.testing import Importer, as_csv, counts
from crm_records.validation import is_mobile, is_phone

MOBILES = [
    *("13800138000", "138 0013 8000", "138-0013-8000", "+86 138 0013 8000", "86-19912345678", "0086 13800138000"),
    *("１３８００１３８０００", "+852 6123 4567", "+1 (415) 555-2671", "0044 7911 123456", "+290 12345"),
]
NO_MOBILES = [
    *("137", "1380013800", "138001380000", "12800138000", "021-61234567", "95588", "10086", "12345", "400-800-1234"),
    *("+86 137", "+86 12800138000", "6123 4567", "+1234567890123456", "+0123456789", "13800138000 转 1", "手机"),
]
PHONES = [
    *("0571-88886666", "88886666", "0571-88886666-801", "(021) 6123 4567", "021-61234567 转 801", "400-800-1234"),
    *("800-820-8820", "95588", "10086", "12345", "110", "+86 21 6123 4567", "+1 (415) 555-2671", "13800138000"),
]


@pytest.mark.feature("CUS-02")
def test_a_mobile_is_a_chinese_one_or_begins_with_the_code_of_a_country() -> None:
    assert [n for n in MOBILES if not is_mobile(n)] == []
    assert [n for n in NO_MOBILES if is_mobile(n)] == []


@pytest.mark.feature("CUS-02")
def test_any_number_that_can_be_dialled_is_a_phone() -> None:
    assert [n for n in PHONES if not is_phone(n)] == []


@pytest.mark.feature("CUS-02")
def test_a_wrong_mobile_says_what_one_is(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "mobile") as told:
        boss.CreateCustomer(customer={"name": "甲", "mobile": "137"}, metadata={"accept-language": "en"})
    assert told.fields["mobile"] == (
        "Mobile must be a mobile number of 11 digits, or begin with + and the country code"
    )
    customer = boss.CreateCustomer(customer={"name": "甲", "phone": "95588"})
    with refused("INVALID_ARGUMENT", "INVALID", "mobile"):
        boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳", "mobile": "95588"})


@pytest.mark.feature("CUS-02")
def test_a_number_from_before_the_check_stays_until_it_is_changed(
    server: Server, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("crm_records.validation.is_mobile", lambda _: True)
        made = boss.CreateCustomer(customer={"name": "甲", "external_id": "A1", "mobile": "137"})

    kept = boss.UpdateCustomer(
        customer={"id": made.id, "name": "乙", "mobile": "137"},
        update_mask={"paths": ["name", "mobile"]},
        etag=made.etag,
    )
    assert (kept.name, kept.mobile) == ("乙", "137")
    with refused("INVALID_ARGUMENT", "INVALID", "mobile"):
        boss.UpdateCustomer(
            customer={"id": made.id, "mobile": "138"}, update_mask={"paths": ["mobile"]}, etag=kept.etag
        )

    importer = Importer(server, boss)
    head = ["客户名称", "外部标识", "手机"]
    assert counts(importer.put(as_csv([head, ["丙", "A1", "137"]]))) == (0, 1, 0, 0, 0)
    assert counts(importer.put(as_csv([head, ["丁", "A1", "138"]]))) == (0, 0, 0, 0, 1)
    assert boss.GetCustomer(id=made.id).name == "丙"
