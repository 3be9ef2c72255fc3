"""Who gets in, and what of a request's headers reaches a service."""

import time

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.rpc import error_details_pb2
from werkzeug.test import Client

from crm.customer.v1 import customers_pb2
from crm_kit.tokens import Claims, sign
from gateway import create_app
from gateway.settings import Settings

CUSTOMER = "/v1/customers/01900000-0000-7000-8000-000000000001"
KNOWN = {"authorization", "accept-language", "x-request-id", "traceparent", "x-forwarded-for", "idempotency-key"}


def forged() -> list[str]:
    now = int(time.time())
    claims = Claims("u-1", "s-1", "", now, now + 600)
    return [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Basic dTpw",
        "Bearer " + sign(claims, Ed25519PrivateKey.generate(), "key-1"),
        "Bearer " + sign(claims, Ed25519PrivateKey.generate(), "../key"),
        "Bearer " + "x" * 5000,
    ]


@pytest.mark.parametrize("authorization", forged())
def test_without_a_good_token_nothing_is_asked_of_the_service(anonymous, services, authorization):
    answer = anonymous.get(CUSTOMER, headers={"Authorization": authorization} if authorization else {})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json["reason"] in ("UNAUTHENTICATED", "BAD_TOKEN")
    assert services.asked("GetCustomer") == []


def test_an_ended_token_is_refused(anonymous, services):
    ended = services.token(seconds=-60)

    assert anonymous.get(CUSTOMER, headers={"Authorization": f"Bearer {ended}"}).status_code == 401


def test_a_public_operation_needs_no_token_and_passes_none_on(anonymous, services):
    answer = anonymous.post(
        "/v1/auth/login", json={"username": "a", "password": "b"}, headers={"Authorization": "Bearer rubbish"}
    )

    assert answer.status_code == 200
    assert "authorization" not in services.seen[-1][2]


@pytest.mark.figure("R47")
@pytest.mark.parametrize(
    "header", ["X-User-Id", "X-Crm-User", "X-Forwarded-User", "X-Roles", "Grpc-Metadata-X-User-Id", "X-Forwarded-For"]
)
def test_identity_headers_from_outside_are_not_honoured(http, services, header):
    http("GET", CUSTOMER, headers={header: "10.9.8.7"})

    metadata = services.seen[-1][2]
    assert {key for key in metadata if key != "user-agent"} <= KNOWN
    assert "10.9.8.7" not in metadata.values()
    assert metadata["x-forwarded-for"] == "127.0.0.1"


def test_the_service_gets_token_language_request_id_and_trace(http, services):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    given = {"X-Request-Id": "abc-1", "traceparent": trace, "Accept-Language": "fr, en;q=0.5"}
    answer = http("GET", CUSTOMER, headers=given)

    metadata = services.seen[-1][2]
    assert metadata["authorization"].startswith("Bearer ey")
    assert (metadata["accept-language"], metadata["x-request-id"], metadata["traceparent"]) == ("en", "abc-1", trace)
    assert answer.headers["X-Request-Id"] == "abc-1"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "a\tb"])
def test_a_request_id_of_another_form_is_replaced(http, services, given):
    answer = http("GET", CUSTOMER, headers={"X-Request-Id": given})

    assert len(answer.headers["X-Request-Id"]) == 36
    assert services.seen[-1][2]["x-request-id"] == answer.headers["X-Request-Id"]


def test_an_idempotency_key_travels_with_writes_only(http, services):
    for method in ("GET", "DELETE"):
        http(method, CUSTOMER, headers={"Idempotency-Key": "0123456789"})

    assert [seen[2].get("idempotency-key") for seen in services.seen[-2:]] == [None, "0123456789"]


@pytest.mark.parametrize("key", ["short", "x" * 101, "with space", "钥匙钥匙钥匙".encode().decode("latin-1")])
def test_an_idempotency_key_of_another_form_is_refused(http, services, key):
    answer = http("DELETE", CUSTOMER, headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json["reason"]) == (400, "IDEMPOTENCY_KEY_BAD")
    assert services.asked("DeleteCustomer") == []


def test_an_unknown_key_is_looked_for_at_most_every_five_seconds(http, services):
    client = Client(create_app(Settings(services=dict.fromkeys(Settings().services, f"127.0.0.1:{services.port}"))))
    for number in range(5):
        token = services.token(kid=f"unknown-{number}")
        assert client.get(CUSTOMER, headers={"Authorization": f"Bearer {token}"}).status_code == 401

    assert len(services.asked("GetKeys")) == 1


def test_while_identity_cannot_be_reached_nobody_is_told_that_their_token_is_wrong(services):
    client = Client(create_app(Settings(services=dict.fromkeys(Settings().services, "127.0.0.1:1"))))

    answer = client.get(CUSTOMER, headers={"Authorization": f"Bearer {services.token()}"})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


@pytest.mark.feature("IDN-07")
def test_a_token_of_somebody_who_views_goes_on_to_the_service_which_refuses_and_tells_it(anonymous, services, refuse):
    services.answers["GetCustomer"] = lambda *_: customers_pb2.Customer(name="大华")
    now = int(time.time())
    token = sign(Claims("u-1", "s-1", "", now, now + 600, acting_id="u-9"), services.key, "key-1")
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}

    info = error_details_pb2.ErrorInfo(reason="VIEW_ONLY", domain="customer")
    services.answers["CreateCustomer"] = refuse(grpc.StatusCode.PERMISSION_DENIED, info)

    assert anonymous.get(CUSTOMER, headers=headers).json == {"name": "大华"}
    answer = anonymous.post("/v1/customers", json={"name": "x"}, headers=headers)
    assert (answer.status_code, answer.json["reason"]) == (403, "VIEW_ONLY")
    assert [rpc for rpc, *_ in services.seen if rpc != "GetKeys"] == ["GetCustomer", "CreateCustomer"]
