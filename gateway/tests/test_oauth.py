"""A token as OAuth 2.0 libraries ask for it."""

from __future__ import annotations

import base64

import grpc
import pytest
from google.rpc import error_details_pb2

from crm.identity.v1 import api_clients_pb2 as pb

pytestmark = pytest.mark.feature("IDN-08")

TOKEN = "/v1/auth/token"
FORM = {"grant_type": "client_credentials", "client_id": "c-1", "client_secret": "s 1"}
BASIC = "Basic " + base64.b64encode(b"c-1:s+1").decode()


@pytest.fixture(autouse=True)
def identity(services):
    answer = pb.ClientToken(access_token="t", token_type="Bearer", expires_in=900, scope="customer.read")
    services.answers["IssueToken"] = lambda *_: answer


def test_a_form_is_answered_with_the_names_of_the_rfc(anonymous, services):
    answer = anonymous.post(TOKEN, data={**FORM, "audience": "what we do not know is ignored"})

    assert answer.json == {"access_token": "t", "token_type": "Bearer", "expires_in": 900, "scope": "customer.read"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert services.asked("IssueToken") == [pb.IssueTokenRequest(**FORM)]


def test_the_client_may_say_who_it_is_by_http_basic(anonymous, services):
    form = {"grant_type": "client_credentials"}
    answer = anonymous.post(TOKEN, data=form, headers={"Authorization": BASIC})

    assert answer.status_code == 200
    assert services.asked("IssueToken") == [pb.IssueTokenRequest(**FORM)]


def test_json_is_answered_like_every_other_address(anonymous):
    body = {"grantType": "client_credentials", "clientId": "c-1", "clientSecret": "s 1"}

    assert anonymous.post(TOKEN, json=body).json["accessToken"] == "t"
    assert anonymous.post(TOKEN, json={"colour": "red"}).json["reason"] == "INVALID"


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        ("grant_type=a&grant_type=b", {}),
        ("grant_type=%FF", {}),
        ("grant_type=钥匙".encode(), {}),
        (FORM, {"Authorization": BASIC}),
        ({"grant_type": "client_credentials"}, {"Authorization": "Basic %%%"}),
    ],
)
def test_a_wrong_form_is_an_invalid_request(anonymous, services, data, headers):
    headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    answer = anonymous.post(TOKEN, data=data, headers=headers)

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    assert services.asked("IssueToken") == []


@pytest.mark.parametrize(
    ("code", "reason", "status", "error"),
    [
        ("UNAUTHENTICATED", "CLIENT_REFUSED", 401, "invalid_client"),
        ("UNAUTHENTICATED", "CLIENT_ENDED", 401, "invalid_client"),
        ("PERMISSION_DENIED", "CLIENT_ADDRESS_NOT_ALLOWED", 400, "unauthorized_client"),
        ("INVALID_ARGUMENT", "UNSUPPORTED_GRANT_TYPE", 400, "unsupported_grant_type"),
        ("INVALID_ARGUMENT", "INVALID", 400, "invalid_request"),
        ("RESOURCE_EXHAUSTED", "TOO_MANY_TRIES", 429, "temporarily_unavailable"),
    ],
)
def test_a_refusal_has_the_form_of_the_rfc(anonymous, services, refuse, code, reason, status, error):
    services.answers["IssueToken"] = refuse(grpc.StatusCode[code], error_details_pb2.ErrorInfo(reason=reason))

    answer = anonymous.post(TOKEN, data=FORM)

    assert (answer.status_code, answer.json["error"], answer.json["reason"]) == (status, error, reason)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers.get("WWW-Authenticate", "") == ('Basic realm="crm"' if status == 401 else "")


def test_other_addresses_take_no_forms(anonymous):
    assert anonymous.post("/v1/auth/login", data=FORM).status_code == 415
