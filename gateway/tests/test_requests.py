"""What a request must look like, and how a wrong one is answered."""

import pytest
from google.api.httpbody_pb2 import HttpBody

from crm.customer.v1 import customers_pb2
from crm.records.v1 import fields_pb2, imports_pb2
from crm.records.v1.exports_pb2 import FileName

ID = "01900000-0000-7000-8000-000000000001"
CUSTOMER = f"/v1/customers/{ID}"


def wrong_fields(answer):
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    return {error["field"]: error["reason"] for error in answer.json["errors"]}


def test_path_and_query_fill_the_request(http, services):
    http("GET", CUSTOMER + "?fields=name,owner_id")

    assert services.asked("GetCustomer")[0].id == ID
    assert services.asked("GetCustomer")[0].fields == "name,owner_id"


@pytest.mark.parametrize("name", ["pageSize", "page_size"])
def test_a_query_parameter_may_be_camel_or_snake_case(http, services, name):
    assert http("GET", f"/v1/customers?{name}=5&deleted=true").status_code == 200

    asked = services.asked("ListCustomers")[0]
    assert (asked.page_size, asked.deleted) == (5, True)


def test_an_unknown_query_parameter_is_refused_by_name(http, services):
    assert wrong_fields(http("GET", "/v1/customers?pagesize=5")) == {"pagesize": "UNKNOWN_FIELD"}
    assert services.seen == []


@pytest.mark.parametrize("query", ["pageSize=many", "pageSize=", "pageSize=1.5", "pageSize=99999999999", "deleted=yes"])
def test_a_query_parameter_of_the_wrong_type_is_refused(http, query):
    assert list(wrong_fields(http("GET", f"/v1/customers?{query}"))) == [query.partition("=")[0]]


def test_a_query_parameter_given_twice_is_refused(http):
    assert wrong_fields(http("GET", "/v1/customers?pageSize=1&page_size=2")) == {"pageSize": "GIVEN_TWICE"}


def test_a_query_that_is_no_utf8_is_refused(http):
    assert http("GET", "/v1/customers?search=%ff").status_code == 400


def test_all_wrong_fields_of_a_body_are_named_at_once(http, services):
    body = {"name": 7, "nmae": "x", "employees": "many", "tags": "a", "registrationTime": "yesterday", "custom": []}

    assert wrong_fields(http("POST", "/v1/customers", json=body)) == {
        "name": "WRONG_TYPE",
        "nmae": "UNKNOWN_FIELD",
        "employees": "WRONG_TYPE",
        "tags": "WRONG_TYPE",
        "registrationTime": "WRONG_TYPE",
        "custom": "WRONG_TYPE",
    }
    assert services.seen == []


def test_the_fields_are_named_in_the_callers_language(http):
    chinese = http("POST", "/v1/customers", json={"name": 7}, headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    english = http("POST", "/v1/customers", json={"name": 7}, headers={"Accept-Language": "en-GB"})

    assert chinese.json["errors"][0]["message"] == "客户名称应为文本"
    assert english.json["errors"][0]["message"] == "Name must be text"


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[1]", b"null", b'"text"', b"[" * 100_000])
def test_rubbish_is_no_request(http, services, body):
    answer = http("POST", "/v1/customers", data=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert answer.json["reason"] in ("BAD_JSON", "NOT_AN_OBJECT")
    assert services.seen == []


def test_too_deep_a_document_is_refused(http):
    deep = {}
    for _ in range(40):
        deep = {"a": deep}

    assert wrong_fields(http("POST", "/v1/customers", json={"name": "x", "custom": deep})) == {"custom": "TOO_DEEP"}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_json_is_415(http, content_type):
    answer = http("POST", "/v1/customers", data=b"name=x", headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json["reason"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_verb_needs_no_body(http, services):
    assert http("POST", CUSTOMER + ":restore").status_code == 200
    assert services.asked("RestoreCustomer")[0].id == ID


def test_a_change_names_exactly_the_fields_of_the_body(http, services):
    body = {"name": "大华", "ownerId": None, "short_name": "华", "custom": {"floor": 3, "colour": None}}
    http("PATCH", CUSTOMER, json=body, headers={"If-Match": '"7"'})

    asked = services.asked("UpdateCustomer")[0]
    assert list(asked.update_mask.paths) == ["name", "owner_id", "short_name", "custom.floor", "custom.colour"]
    assert (asked.customer.id, asked.customer.name, asked.customer.owner_id) == (ID, "大华", "")


@pytest.mark.parametrize(
    ("header", "etag"), [('"7"', "7"), ('W/"7"', "7"), ("7", "7"), ("*", ""), ('"1", "2"', '"1", "2"')]
)
def test_if_match_tells_the_version(http, services, header, etag):
    http("PATCH", CUSTOMER, json={"name": "x"}, headers={"If-Match": header})

    assert services.asked("UpdateCustomer")[0].etag == etag


def test_the_query_tells_the_version_before_the_body_and_the_body_before_if_match(http, services):
    http("PATCH", CUSTOMER + "?etag=1", json={"name": "x", "etag": "2"}, headers={"If-Match": '"3"'})
    http("PATCH", CUSTOMER, json={"name": "x", "etag": "2"}, headers={"If-Match": '"3"'})
    http("DELETE", CUSTOMER, headers={"If-Match": '"3"'})

    first, second = services.asked("UpdateCustomer")
    assert (first.etag, second.etag, services.asked("DeleteCustomer")[0].etag) == ("1", "2", "3")
    assert list(second.update_mask.paths) == ["name"]


def test_a_record_call_goes_to_the_owner_of_the_type_and_nowhere_for_an_unknown_one(http, services):
    assert http("GET", "/v1/records/customer/states").status_code == 200
    assert http("GET", "/v1/records/unicorn/states").status_code == 404
    assert len(services.asked("GetStates")) == 1


def test_an_unknown_address_is_404_and_a_wrong_method_405_naming_the_right_ones(http):
    nowhere, wrong = http("GET", "/v1/nowhere"), http("PUT", CUSTOMER)

    assert (nowhere.status_code, nowhere.json["reason"]) == (404, "NO_SUCH_ROUTE")
    assert (wrong.status_code, wrong.json["reason"]) == (405, "METHOD_NOT_ALLOWED")
    assert {"GET", "PATCH", "DELETE"} <= set(wrong.headers["Allow"].split(", "))


def test_a_verb_is_no_id(http, services):
    assert http("GET", CUSTOMER + ":assign").status_code == 405
    assert http("GET", "/v1/customers:count?groupBy=level").status_code == 200
    assert services.asked("CountCustomers")[0].group_by == "level"


def test_a_create_answers_201_with_the_address_of_the_record(http, services):
    services.answers["CreateCustomer"] = lambda request, context: customers_pb2.Customer(id=ID, etag="1")

    made = http("POST", "/v1/customers", json={"name": "大华"})

    assert (made.status_code, made.headers["Location"], made.headers["ETag"]) == (201, CUSTOMER, '"1"')
    assert made.json == {"id": ID, "etag": "1"}
    assert services.asked("CreateCustomer")[0].customer.name == "大华"


@pytest.mark.parametrize(
    ("content_type", "place"),
    [("text/csv; charset=utf-8", "attachment"), ("text/html; charset=utf-8", "inline")],
)
def test_a_file_is_answered_as_it_is_under_a_name_and_runs_nothing(http, services, content_type, place):
    body = HttpBody(content_type=content_type, data=b"\xef\xbb\xbfa,b\n")
    body.extensions.add().Pack(FileName(name="customer-1.csv"))
    services.answers["ExportRecords"] = lambda *_: body
    answer = http("GET", "/v1/records/customer:export?fields=name&format=csv")

    assert answer.status_code == 200
    assert answer.data == b"\xef\xbb\xbfa,b\n"
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Content-Disposition"] == f'{place}; filename="customer-1.csv"'
    assert answer.headers["Content-Security-Policy"].startswith("sandbox allow-modals; default-src 'none'")
    assert services.asked("ExportRecords")[0].record_type == "customer"


def test_a_custom_field_has_an_address_of_its_own(http, services):
    services.answers["RevealField"] = lambda *_: fields_pb2.FieldValue(field="custom.size", value={"number_value": 7})

    answer = http("GET", f"/v1/records/customer/{ID}/fields/custom.size")

    assert (answer.status_code, answer.json) == (200, {"field": "custom.size", "value": 7})
    asked = services.asked("RevealField")[0]
    assert (asked.record_type, asked.id, asked.field) == ("customer", ID, "custom.size")


IMPORTS = "/v1/records/customer/imports"
TABLE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def test_a_file_is_sent_as_it_is(http, services):
    services.answers["CreateImport"] = lambda *_: imports_pb2.Import(id=ID, state="reading")
    content = bytes(range(256)) * 40

    answer = http("POST", f"{IMPORTS}?fileName=%E5%AE%A2%E6%88%B7.xlsx", data=content, content_type=TABLE)

    asked = services.asked("CreateImport")[0]
    assert (answer.status_code, answer.json["state"]) == (200, "reading")
    assert (asked.record_type, asked.file_name) == ("customer", "客户.xlsx")
    assert (asked.file.content_type, asked.file.data) == (TABLE, content)


def test_a_file_may_be_larger_than_other_bodies_but_not_than_its_limit(http, services):
    services.answers["CreateImport"] = lambda *_: imports_pb2.Import(id=ID)

    assert http("POST", IMPORTS, data=b"x" * 9 * 1024 * 1024, content_type="text/csv").status_code == 200
    assert http("POST", IMPORTS, data=b"x" * (30 * 1024 * 1024 + 1), content_type="text/csv").status_code == 413
    assert len(services.asked("CreateImport")) == 1


@pytest.mark.parametrize("headers", [{"Content-Type": "multipart/form-data; boundary=x"}, {"Content-Encoding": "gzip"}])
def test_a_file_in_a_wrapping_is_refused(http, headers):
    assert http("POST", IMPORTS, data=b"x", headers=headers).status_code == 415
