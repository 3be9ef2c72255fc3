"""An ERP with nothing but the protos: a token over HTTP or gRPC, then customers straight over TLS."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

from crm.customer.v1 import customers_pb2
from crm.identity.v1 import api_clients_pb2
from crm.records.v1 import records_pb2
from crm_kit.testing import refused
from crm_kit.testing.certificates import Authority, Certificate
from crm_kit.testing.suite import Suite, eventually

pytestmark = [pytest.mark.slow, pytest.mark.feature("IDN-08")]

RIGHTS = ["customer.read", "customer.create"]
ALL = [{"resource": "*", "scope": "all"}]


@dataclass
class House:
    """The suite with its TLS ports, and its administrator."""

    suite: Suite
    authority: Authority
    folder: Path
    identity: str
    customer: str
    sales: str
    admin: str

    def erp(self, **fields: Any) -> tuple[dict[str, Any], str]:
        """A new API client and its secret."""
        body = {"name": "ERP", "rights": RIGHTS, "scopes": ALL, **fields}
        made = self.suite.ask("POST", "/v1/api-clients", body, token=self.admin)
        assert made.status == 200, made.body
        return made.body["apiClient"], made.body["secret"]

    def change(self, client: dict[str, Any], **fields: Any) -> None:
        path = f"/v1/api-clients/{client['id']}"
        etag = self.suite.ask("GET", path, token=self.admin).body["etag"]
        changed = self.suite.ask("PATCH", path, {**fields, "etag": etag}, token=self.admin)
        assert changed.status == 200, changed.body

    def token(self, client: dict[str, Any], secret: str) -> str:
        asked = {"grantType": "client_credentials", "clientId": client["id"], "clientSecret": secret}
        answer = self.suite.ask("POST", "/v1/auth/token", asked)
        assert answer.status == 200, answer.body
        return str(answer.body["accessToken"])


@pytest.fixture(scope="module")
def house(suite: Suite, tls: Any) -> House:
    return House(suite, tls.authority, tls.folder, tls.identity, tls.customer, tls.sales, admin=suite.login())


def channel(house: House, address: str, own: Certificate | None = None, trusts: bytes = b"") -> grpc.Channel:
    pair = (own.key, own.certificate) if own else (None, None)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(trusts or house.authority.certificate, *pair))


class Erp:
    """The two calls that this one makes."""

    def __init__(self, way: grpc.Channel, token: str) -> None:
        self._way, self._token = way, token

    def list(self, **metadata: str) -> Any:
        answer = customers_pb2.ListCustomersResponse
        return self._call("ListCustomers", records_pb2.ListRequest(), answer, metadata).customers

    def create(self, name: str, **fields: str) -> Any:
        request = customers_pb2.CreateCustomerRequest(customer=customers_pb2.Customer(name=name, **fields))
        return self._call("CreateCustomer", request, customers_pb2.Customer, {})

    def _call(self, name: str, request: Any, answer: Any, metadata: dict[str, str]) -> Any:
        call = self._way.unary_unary(
            f"/crm.customer.v1.CustomerService/{name}", type(request).SerializeToString, answer.FromString
        )
        pairs = {"authorization": f"Bearer {self._token}", **metadata}
        return call(request, metadata=tuple(pairs.items()), timeout=20)


def arrives(erp: Erp) -> None:
    """The events of a new client reach a service in a moment."""
    assert eventually(lambda: erp.list() is not None)


def test_an_erp_reads_and_creates_customers_over_tls_within_its_scopes(house: House) -> None:
    root = house.suite.ask("GET", "/v1/departments", token=house.admin).body["departments"][0]["id"]
    below = {"name": "华东", "parentId": root}
    east = house.suite.ask("POST", "/v1/departments", below, token=house.admin).body["id"]
    house.suite.ask("POST", "/v1/customers", {"name": "总部的客户"}, token=house.admin)
    here = [{"resource": "*", "scope": "department_tree"}]
    client, secret = house.erp(scopes=here, departmentId=east)
    with channel(house, house.customer, house.authority.issue("erp")) as way:
        erp = Erp(way, house.token(client, secret))

        made = erp.create("来自 ERP 的客户")

        assert (made.owner_id, made.department_id, made.creator_id) == ("", east, client["id"])
        assert [c.name for c in erp.list()] == ["来自 ERP 的客户"]
        with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
            erp.create("归 ERP 的客户", owner_id=client["id"])
    changes = f"/v1/records/customer/{made.id}/changes"
    told = house.suite.ask("GET", changes, token=house.admin)
    assert told.body["changes"][0]["actorName"] == "ERP", told.body


def test_a_token_is_had_over_grpc_as_well(house: House) -> None:
    client, secret = house.erp()
    asked = api_clients_pb2.IssueTokenRequest(
        grant_type="client_credentials", client_id=client["id"], client_secret=secret
    )
    with channel(house, house.identity) as way:
        ask = way.unary_unary(
            "/crm.identity.v1.ApiClientService/IssueToken",
            api_clients_pb2.IssueTokenRequest.SerializeToString,
            api_clients_pb2.ClientToken.FromString,
        )
        token = ask(asked, timeout=20)

    with channel(house, house.customer, house.authority.issue("erp")) as way:
        arrives(Erp(way, token.access_token))
    assert token.scope == " ".join(RIGHTS)


@pytest.mark.parametrize("basic", [True, False])
def test_a_common_oauth_library_gets_its_token(house: House, basic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the suite of a test speaks plain HTTP
    client, secret = house.erp()
    session = OAuth2Session(client=BackendApplicationClient(client_id=client["id"]))
    url = house.suite.url + "/v1/auth/token"

    token = session.fetch_token(url, client_id=client["id"], client_secret=secret, include_client_id=not basic)

    assert token["token_type"] == "Bearer"
    assert 0 < token["expires_in"] <= 900
    assert session.get(house.suite.url + "/v1/customers").status_code == 200


def test_who_shows_no_certificate_of_the_authority_is_not_let_in(house: House) -> None:
    token = house.token(*house.erp())
    foreign = Authority("somebody else")

    for own in (None, foreign.issue("erp")):
        with channel(house, house.customer, own) as way, refused("UNAVAILABLE"):
            Erp(way, token).list()
    # Nor does the caller trust a server of another authority.
    own = house.authority.issue("erp")
    with channel(house, house.customer, own, foreign.certificate) as way, refused("UNAVAILABLE"):
        Erp(way, token).list()


def test_a_client_that_is_bound_to_a_certificate_must_show_that_one(house: House) -> None:
    own, other = house.authority.issue("erp"), house.authority.issue("erp")
    token = house.token(*house.erp(certificateSha256=own.sha256))

    with channel(house, house.customer, own) as way:
        arrives(Erp(way, token))
    forged = {"x-client-certificate-sha256": own.sha256}
    with channel(house, house.customer, other) as way, refused("UNAUTHENTICATED", "CLIENT_CERTIFICATE_WRONG"):
        Erp(way, token).list(**forged)
    through_the_gateway = house.suite.ask("GET", "/v1/customers", token=token)
    assert (through_the_gateway.status, through_the_gateway.body["reason"]) == (401, "CLIENT_CERTIFICATE_WRONG")


def test_over_tls_an_address_is_what_the_connection_says(house: House) -> None:
    client, secret = house.erp(allowedAddresses=["127.0.0.1"])
    with channel(house, house.customer, house.authority.issue("erp")) as way:
        erp = Erp(way, house.token(client, secret))
        arrives(erp)
        assert erp.list(**{"x-forwarded-for": "192.0.2.1"}) is not None

        house.change(client, allowedAddresses=["192.0.2.0/24"])

        assert eventually(lambda: not passes(erp), 2)
        with refused("PERMISSION_DENIED", "CLIENT_ADDRESS_NOT_ALLOWED"):
            erp.list(**{"x-forwarded-for": "192.0.2.1"})


def passes(erp: Erp) -> bool:
    try:
        erp.list()
    except grpc.RpcError:
        return False
    return True


def test_an_expired_client_is_refused(house: House) -> None:
    client, secret = house.erp(endTime=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    with channel(house, house.customer, house.authority.issue("erp")) as way:
        erp = Erp(way, house.token(client, secret))
        arrives(erp)

        house.change(client, endTime=datetime.now(UTC).isoformat())

        assert eventually(lambda: not passes(erp), 2)
        with refused("UNAUTHENTICATED", "CLIENT_ENDED"):
            erp.list()


def test_who_calls_too_fast_is_told_when_to_call_again(house: House) -> None:
    client, secret = house.erp(ratePerMinute=5)
    with channel(house, house.customer, house.authority.issue("erp")) as way:
        erp = Erp(way, house.token(client, secret))
        arrives(erp)

        with refused("RESOURCE_EXHAUSTED", "TOO_MANY_REQUESTS") as refusal:
            for _ in range(50):
                erp.list()

    assert 0 < refusal.retry_after <= 12


@pytest.mark.parametrize("verb", ["deactivate", "rotateSecret"])
def test_a_client_that_is_disabled_or_rotated_is_out_within_two_seconds(house: House, verb: str) -> None:
    client, secret = house.erp()
    with channel(house, house.customer, house.authority.issue("erp")) as way:
        erp = Erp(way, house.token(client, secret))
        arrives(erp)

        path = f"/v1/api-clients/{client['id']}:{verb}"
        assert house.suite.ask("POST", path, {"etag": client["etag"]}, token=house.admin).status == 200

        assert eventually(lambda: not passes(erp), 2)
        with refused("UNAUTHENTICATED"):
            erp.list()


def test_a_person_may_come_that_way_too(house: House) -> None:
    with channel(house, house.customer, house.authority.issue("laptop")) as way:
        assert Erp(way, house.admin).list() is not None
        with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
            way.unary_unary(
                "/crm.customer.v1.CustomerService/ListCustomers", records_pb2.ListRequest.SerializeToString
            )(records_pb2.ListRequest(), timeout=20)


def test_tools_learn_the_services_from_the_port_itself(house: House) -> None:
    with channel(house, house.customer, house.authority.issue("tool")) as way:
        told = ProtoReflectionDescriptorDatabase(way)
        names = set(told.get_services())
        method = (
            DescriptorPool(told).FindServiceByName("crm.customer.v1.CustomerService").FindMethodByName("GetCustomer")
        )
        get, got = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        ask = way.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}", get.SerializeToString, got.FromString
        )

        with refused("NOT_FOUND"):
            ask(get(id="none"), metadata=(("authorization", f"Bearer {house.admin}"),), timeout=20)
        health = health_pb2_grpc.HealthStub(way).Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert {"crm.customer.v1.CustomerService", "crm.records.v1.RecordService", "grpc.health.v1.Health"} <= names
    assert health.status == health_pb2.HealthCheckResponse.SERVING


def test_a_new_certificate_is_taken_without_a_restart_and_a_broken_one_is_not(house: House) -> None:
    def shown() -> bytes:
        context = ssl.create_default_context(cadata=house.authority.certificate.decode())
        context.set_alpn_protocols(["h2"])
        host, port = house.sales.split(":")
        plain = socket.create_connection((host, int(port)), 20)
        with context.wrap_socket(plain, server_hostname=host) as secure:
            return secure.getpeercert(True) or b""

    before = shown()
    (house.folder / "server.key").write_text("broken")
    assert shown() == before

    house.authority.issue("crm, renewed").write(house.folder, "server")

    assert eventually(lambda: shown() != before)
