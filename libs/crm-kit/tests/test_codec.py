"""JSON ⇄ protobuf."""

from datetime import UTC, datetime

import pytest
from google.protobuf import json_format

from crm.customer.v1 import customers_pb2, interactions_pb2
from crm.identity.v1 import roles_pb2, users_pb2
from crm.records.v1 import records_pb2
from crm_kit import errors
from crm_kit.codec import from_dict, labels, to_dict

FULL = {
    "id": "01900000-0000-7000-8000-000000000001",
    "createTime": "2026-01-31T08:00:00.123456Z",
    "name": "上海大华",
    "employees": 0,
    "tags": ["a", "b"],
    "custom": {"floor": 3, "ratio": 0.5, "flags": [True, None, "x"], "nested": {"deep": {}}},
}


def problems(data, message):
    with pytest.raises(errors.Invalid) as refusal:
        from_dict(data, message)
    return {problem.path: problem for problem in refusal.value.problems}


def test_what_goes_in_comes_out():
    assert to_dict(from_dict(FULL, customers_pb2.Customer())) == FULL


def test_it_reads_what_the_slow_library_reads():
    ours = from_dict(FULL, customers_pb2.Customer())

    assert ours == json_format.ParseDict(FULL, customers_pb2.Customer())


def test_what_is_not_set_is_left_out_and_an_optional_zero_is_set():
    assert to_dict(customers_pb2.Customer(employees=0, name="")) == {"employees": 0}


def test_names_may_be_snake_case():
    assert (
        from_dict({"short_name": "华", "createTime": FULL["createTime"]}, customers_pb2.Customer()).short_name == "华"
    )


def test_null_is_unset_but_inside_custom_it_is_null():
    message = from_dict({"name": None, "employees": None, "custom": {"a": None}}, customers_pb2.Customer())

    assert to_dict(message) == {"custom": {"a": None}}


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
        ("2026-01-31T08:00:00+08:00", "2026-01-31T00:00:00Z"),
        ("2026-01-31t08:00:00.5z", "2026-01-31T08:00:00.500000Z"),
        ("1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.250000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_told_in_utc(given, written):
    assert to_dict(from_dict({"createTime": given}, customers_pb2.Customer())) == {"createTime": written}


def test_a_time_of_the_database_is_written_to_the_microsecond():
    message = customers_pb2.Customer()
    message.create_time.FromDatetime(datetime(2026, 1, 31, 8, 0, 0, 1, UTC))

    assert to_dict(message) == {"createTime": "2026-01-31T08:00:00.000001Z"}


@pytest.mark.parametrize(
    "value",
    ["", "2026-01-31", "2026-02-30T08:00:00Z", "2026-01-31T08:00:00", "2026-01-31T08:00:00+99:00", 1, True, {}, "昨天"],
)
def test_a_bad_time_is_refused(value):
    assert problems({"createTime": value}, customers_pb2.Customer())["createTime"].key == "wrong_type"


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00"])
def test_a_time_beyond_the_years_is_refused(value):
    assert "createTime" in problems({"createTime": value}, customers_pb2.Customer())


def test_every_wrong_field_is_named_with_its_path_and_labels():
    role = {
        "nmae": "x",
        "code": 7,
        "rights": ["a", 1, None],
        "scopes": [{"resource": "*"}, {"scope": 1}, "all", {"departmentIds": "x", "unknown": 1}],
    }

    found = problems(role, roles_pb2.Role())

    assert {path: problem.key for path, problem in found.items()} == {
        "nmae": "unknown_field",
        "code": "wrong_type",
        "rights[1]": "wrong_type",
        "rights[2]": "wrong_type",
        "scopes[1].scope": "wrong_type",
        "scopes[2]": "wrong_type",
        "scopes[3].departmentIds": "wrong_type",
        "scopes[3].unknown": "unknown_field",
    }
    assert found["code"].params["label"] == ("代码", "Code")
    assert found["code"].message(errors.ZH) == "代码应为文本"
    assert found["scopes[2]"].message(errors.EN) == "Scopes must be an object"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (2**31, "too_large"),
        (-(2**31) - 1, "too_small"),
        (1.5, "wrong_type"),
        (float("nan"), "wrong_type"),
        (float("inf"), "wrong_type"),
        (True, "wrong_type"),
        ("7", "wrong_type"),
        ([], "wrong_type"),
    ],
)
def test_a_whole_number_is_whole_and_fits(value, key):
    assert problems({"employees": value}, customers_pb2.Customer())["employees"].key == key


def test_a_whole_number_may_be_written_with_a_point():
    assert from_dict({"employees": 7.0}, customers_pb2.Customer()).employees == 7


@pytest.mark.parametrize(
    ("value", "key"), [(2**60, "too_large"), (-(2**60), "too_small"), (float("nan"), "wrong_type")]
)
def test_a_number_of_a_custom_field_that_would_change_is_refused(value, key):
    assert problems({"custom": {"a": value}}, customers_pb2.Customer())["custom"].key == key


@pytest.mark.parametrize("value", [1, 0, "true", "", [], {}])
def test_yes_or_no_is_nothing_else(value):
    assert problems({"denied": value}, users_pb2.Grant())["denied"].key == "wrong_type"


@pytest.mark.parametrize("value", [[], "x", 1, True])
def test_an_object_is_due(value):
    assert problems({"customer": value}, customers_pb2.CreateCustomerRequest())["customer"].key == "wrong_type"


def test_an_empty_object_is_set():
    assert from_dict({"customer": {}}, customers_pb2.CreateCustomerRequest()).HasField("customer")


@pytest.mark.parametrize("data", [None, [], "x", 1])
def test_a_document_is_an_object(data):
    with pytest.raises(errors.Invalid) as refusal:
        from_dict(data, customers_pb2.Customer())

    assert refusal.value.reason == "NOT_AN_OBJECT"


def test_nesting_has_an_end():
    deep = []
    for _ in range(31):
        deep = [deep]

    assert problems({"custom": {"a": deep}}, customers_pb2.Customer())["custom"].key == "too_deep"
    from_dict({"custom": {"a": deep[0][0][0]}}, customers_pb2.Customer())


def test_any_value_keeps_its_form():
    for value in (None, 1, 1.5, "x", False, [1, [2]], {"a": {"b": None}}):
        change = from_dict({"field": "x", "after": value}, records_pb2.FieldChange())
        assert to_dict(change).get("after") == value


def test_an_update_mask_is_read_and_written_like_names_in_json():
    request = from_dict({"updateMask": "ownerId,name"}, customers_pb2.UpdateCustomerRequest())

    assert list(request.update_mask.paths) == ["owner_id", "name"]
    assert to_dict(request) == {"updateMask": "ownerId,name"}


def test_labels_are_those_of_the_contract_and_english_defaults_to_the_name():
    field = customers_pb2.Customer.DESCRIPTOR.fields_by_name["credit_code"]

    assert labels(field) == ("统一社会信用代码", "Credit code")
    assert labels(interactions_pb2.Interaction.DESCRIPTOR.fields_by_name["id"])[1] == "Id"


def test_an_id_that_points_at_a_record_is_called_what_it_points_at():
    from crm.customer.v1.customers_pb2 import Customer
    from crm.customer.v1.interactions_pb2 import Interaction
    from crm_kit.codec import labels

    of = {f.name: labels(f)[1] for m in (Customer, Interaction) for f in m.DESCRIPTOR.fields}

    assert (of["owner_id"], of["department_id"], of["parent_id"], of["id"]) == ("Owner", "Department", "Parent", "Id")
    assert (of["contact_ids"], of["external_id"]) == ("Contacts", "External id")
