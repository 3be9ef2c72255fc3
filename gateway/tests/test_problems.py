"""How a service's refusal reaches the caller."""

import grpc
import pytest
from google.rpc import error_details_pb2 as details

from gateway.problems import json_path

CUSTOMER = "/v1/customers/01900000-0000-7000-8000-000000000001"
Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (Code.INVALID_ARGUMENT, "INVALID", 400),
        (Code.UNAUTHENTICATED, "BAD_TOKEN", 401),
        (Code.PERMISSION_DENIED, "RIGHT_MISSING", 403),
        (Code.NOT_FOUND, "NOT_FOUND", 404),
        (Code.FAILED_PRECONDITION, "ACTION_NOT_ALLOWED", 409),
        (Code.ALREADY_EXISTS, "TAKEN", 409),
        (Code.ABORTED, "STALE", 412),
        (Code.FAILED_PRECONDITION, "ETAG_REQUIRED", 428),
        (Code.INVALID_ARGUMENT, "IDEMPOTENCY_KEY_REUSED", 422),
        (Code.ABORTED, "IDEMPOTENCY_KEY_BUSY", 409),
        (Code.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS", 429),
        (Code.UNAVAILABLE, "DATABASE_UNAVAILABLE", 503),
        (Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", 504),
    ],
)
def test_a_refusal_keeps_its_reason_and_text(http, services, refuse, code, reason, status):
    services.answers["UpdateCustomer"] = refuse(code, details.ErrorInfo(reason=reason), message="Because.")

    answer = http("PATCH", CUSTOMER, json={"name": "x"})

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert (answer.json["reason"], answer.json["detail"], answer.json["status"]) == (reason, "Because.", status)
    assert answer.json["requestId"] == answer.headers["X-Request-Id"]
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.UNKNOWN, Code.DATA_LOSS, Code.UNIMPLEMENTED])
@pytest.mark.parametrize("known", [True, False])
def test_internal_text_never_leaves(http, services, refuse, code, known):
    found = [details.ErrorInfo(reason="SECRET_REASON")] if known else []
    services.answers["UpdateCustomer"] = refuse(code, *found, message="psycopg: password=hunter2")

    answer = http("PATCH", CUSTOMER, json={"name": "x"})

    assert (answer.status_code, answer.json["reason"]) == (500, "INTERNAL")
    assert b"hunter2" not in answer.data
    assert b"SECRET" not in answer.data


def test_text_without_a_reason_of_ours_never_leaves_either(http, services, refuse):
    services.answers["GetCustomer"] = refuse(Code.NOT_FOUND, message="row 17 of table secret")

    answer = http("GET", CUSTOMER)

    assert answer.status_code == 500
    assert b"secret" not in answer.data


def test_the_service_says_when_to_try_again(http, services, refuse):
    wait = details.RetryInfo()
    wait.retry_delay.FromMilliseconds(2500)
    services.answers["GetCustomer"] = refuse(Code.RESOURCE_EXHAUSTED, details.ErrorInfo(reason="TOO_MANY"), wait)

    assert http("GET", CUSTOMER).headers["Retry-After"] == "3"


def test_wrong_fields_have_the_names_of_the_json_document(http, services, refuse):
    names = ["customer.owner_id", "customer.lines[2].unit_price", "customer.custom.my_key", "name"]
    wrong = details.BadRequest(
        field_violations=[
            details.BadRequest.FieldViolation(field=name, description="No.", reason="BAD_FORMAT") for name in names
        ]
    )
    services.answers["CreateCustomer"] = refuse(Code.INVALID_ARGUMENT, details.ErrorInfo(reason="INVALID"), wrong)

    answer = http("POST", "/v1/customers", json={})

    assert [error["field"] for error in answer.json["errors"]] == [
        "ownerId",
        "lines[2].unitPrice",
        "custom.my_key",
        "name",
    ]


@pytest.mark.parametrize(
    ("path", "body", "shown"),
    [
        ("customer.name", "*", "customer.name"),
        ("page_size", "", "pageSize"),
        ("customer", "customer", ""),
        ("customField.labelZh", "custom_field", "labelZh"),
        ("custom_field.label_zh", "custom_field", "labelZh"),
        ("custom.a_b", "customer", "custom.a_b"),
    ],
)
def test_a_path_loses_the_field_that_the_body_is(path, body, shown):
    assert json_path(path, body) == shown
