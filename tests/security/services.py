"""All services in this process, the gateway before them, and a company put into them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict, ParseDict
from google.rpc import error_details_pb2, status_pb2
from security.facts import Person, Pool
from security.kinds import SERVICES
from werkzeug.test import Client as Http

from crm.records.v1.event_pb2 import Event
from crm_kit import ids, pool, team
from crm_kit.field_names import camel
from crm_kit.kept import Kept
from crm_kit.organisation_reader import Organisation
from crm_kit.service import Service
from crm_kit.testing import Client, Server, running, token
from gateway import create_app
from gateway.contract import PARAMETER, Operation, operations
from gateway.settings import Settings

CONNECTED = ("settings", "writer", "reader", "organisation", "rpcs", "keys")
GRPC, HTTP = "gRPC", "HTTP"
REGISTERED = [
    {"name": "重庆长江轴承有限公司", "creditCode": "915000000000000018", "legalRepresentative": "李雷"},
    {"name": "重庆嘉陵齿轮有限公司", "creditCode": "91500000000000002B", "legalRepresentative": "韩梅"},
]
"""What the company register knows."""
CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "FAILED_PRECONDITION",
    412: "ABORTED",
    428: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request, whichever way it went."""

    code: str
    answer: Any = None
    fields: dict[str, str] = field(default_factory=dict)
    """Fields that a refusal names."""
    said: str = ""


class Services:
    """Six services and the gateway, and who asks them."""

    def __init__(self, servers: dict[str, Server], app: Any, register: Path) -> None:
        self.servers = servers
        self._register = register
        self._http = Http(app)
        self._operations = {o.method.name: o for o in operations()}
        self._owner = {m: n for n, s in reversed(servers.items()) for m in _own_methods(s)}
        self._clients: dict[tuple[str, str], Client] = {}
        self._tokens: dict[str, str] = {}
        self._told = dict.fromkeys(servers, 0)
        self._untold = False
        self.pools: dict[str, Pool] = {}
        """Public pools by id, as they were set up."""
        self._heard = {n: {*s.service.handlers, *team.HANDLERS, *pool.HANDLERS} for n, s in servers.items()}

    def reset(self) -> None:
        """Empty every database."""
        for server in self.servers.values():
            server.reset()
        import_module("customer.register.importing").run(self.servers["customer"].service.writer, self._register)
        self.pools.clear()
        self._told = dict.fromkeys(self.servers, 0)

    def forget(self) -> None:
        """What the services keep of people for a moment is gone."""
        for server in self.servers.values():
            server.service.organisation.forget()

    def ask(self, who: Person, rpc: str, over: str = GRPC, *, service: str = "", **fields: Any) -> Outcome:
        """One request of a person. `service` says whose it is, where every service answers the RPC."""
        operation = self._operations[rpc]
        request = operation.request(**fields)
        self._untold |= operation.verb != "GET"
        if over == HTTP:
            return self._over_http(who, operation, request)
        try:
            return Outcome("OK", getattr(self._client(service or self._owner[rpc], who), rpc)(request))
        except grpc.RpcError as error:
            return _refusal(error)

    def tell(self) -> None:
        """Let every service hear what was announced since the last time."""
        if not self._untold:
            return
        self._untold = False
        waiting: dict[str, list[tuple[str, Event]]] = {name: [] for name in self.servers}
        for source, server in self.servers.items():
            server.receive(waiting[source])  # it may announce something because of that
            waiting[source] = []
            for event in self._announced(source):
                for name in self._listeners(source, event):
                    waiting[name].append((source, event))
        for name, server in self.servers.items():
            server.receive(waiting[name])

    def _announced(self, source: str) -> list[Event]:
        """What a service announced since the last time."""
        asked = "SELECT id, payload FROM outbox WHERE id > :last ORDER BY id"
        rows = self.servers[source].sql(asked, last=self._told[source])
        self._told[source] = rows[-1][0] if rows else self._told[source]
        return [Event.FromString(bytes(payload)) for _, payload in rows]

    def _listeners(self, source: str, event: Event) -> list[str]:
        return [name for name, heard in self._heard.items() if f"{source}.{event.record_type}" in heard]

    def deliver(self, source: str, events: Sequence[Event]) -> None:
        """Events of a service reach those who listen to them."""
        for name, server in self.servers.items():
            server.receive([(source, e) for e in events if name in self._listeners(source, e)])

    def _client(self, service: str, who: Person) -> Client:
        found = self._clients.get((service, who.id))
        if found is None:
            found = self._clients[service, who.id] = self.servers[service].client(self._token(who), who.id)
        return found

    def _token(self, who: Person) -> str:
        if who.id not in self._tokens:
            self._tokens[who.id] = token(who.id, ids.uuid7(), seconds=7200)
        return self._tokens[who.id]

    def _over_http(self, who: Person, operation: Operation, request: Any) -> Outcome:
        path, query, body, headers = _as_http(operation, request)
        headers["Authorization"] = f"Bearer {self._token(who)}"
        reply = self._http.open(f"{path}?{query}" if query else path, method=operation.verb, json=body, headers=headers)
        if "json" not in (reply.content_type or ""):
            return Outcome("OK", HttpBody(content_type=reply.content_type or "", data=reply.data))
        document = json.loads(reply.data)
        if reply.status_code < 300:
            return Outcome("OK", ParseDict(document, operation.response(), ignore_unknown_fields=True))
        wrong = {e["field"]: e.get("message", "") for e in document.get("errors", [])}
        return Outcome(CODES.get(reply.status_code, str(reply.status_code)), None, wrong, document.get("detail", ""))


def _own_methods(server: Server) -> list[str]:
    package = server.service.contract
    return [m.name for m in server._methods.values() if m.containing_service.full_name.startswith(f"{package}.")]


def _refusal(error: Any) -> Outcome:
    fields: dict[str, str] = {}
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            bad = error_details_pb2.BadRequest()
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(bad):
                    fields = {v.field: v.description for v in bad.field_violations}
    return Outcome(error.code().name, None, fields, error.details() or "")


def _as_http(operation: Operation, request: Any) -> tuple[str, str, Any, dict[str, str]]:
    """(path, query, body, headers) of a request, as a client of the HTTP interface writes it."""
    said = MessageToDict(request)
    headers = {}
    if "etag" in said and operation.body != "*":
        headers["If-Match"] = f'"{said.pop("etag")}"'

    def fill(match: Any) -> str:
        holder = said
        *above, last = [camel(part) for part in match[1].split(".")]
        for part in above:
            holder = holder[part]
        return quote(str(holder.pop(last, "")), safe="")

    path = PARAMETER.sub(fill, operation.path)
    mask = [p for p in said.pop("updateMask", "").split(",") if p]
    if operation.body == "*":
        return path, "", said, headers
    body = said.pop(camel(operation.body), {}) if operation.body else None
    if mask:
        body = {name: body.get(name) for name in mask}
    query = urlencode({n: str(v).lower() if isinstance(v, bool) else v for n, v in said.items()})
    return path, query, body, headers


@contextmanager
def suite(folder: Path) -> Iterator[Services]:
    """The services run; each has a database of its own and knows nobody.

    A service is one object in a process, and its own tests may have it running: they find it as they left it.
    """
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("IDENTITY_KEY_FILE", str(folder / "identity.key"))
        register = folder / "register.jsonl"
        register.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in REGISTERED), encoding="utf-8")
        patch.setenv("COMPANY_REGISTER_FILE", str(register))
        patch.setattr(import_module("identity.app").SERVICE, "seed", None)
        patch.setattr(import_module("sales.tables").CUSTOMER, "_channel", None)
        patch.setattr(import_module("service_desk.tables").CUSTOMERS, "_channel", None)
        patch.setattr(Organisation, "KEPT", 3600.0)  # nobody changes; how soon a change acts is asked in test_at_once
        patch.setattr(sys.modules["gateway.observe"], "write_line", lambda _line: None)  # a figure's number would drown
        servers = {}
        for name in SERVICES:
            service = import_module(f"{name.replace('-', '_')}.app").SERVICE
            stack.enter_context(left_alone(service))
            server = servers[name] = stack.enter_context(running(service, name=f"security-{name}"))
            patch.setenv(f"{name.upper().replace('-', '_')}_ADDRESS", server.address)
        addresses = {name: server.address for name, server in servers.items()}
        yield Services(servers, create_app(Settings(services=addresses, public_rate=0)), register)


@contextmanager
def left_alone(service: Service) -> Iterator[None]:
    """What the service was connected to before, it is connected to afterwards."""
    before = {name: getattr(service, name) for name in CONNECTED if hasattr(service, name)}
    yield
    for name, value in before.items():
        setattr(service, name, value)
    if before:
        service.servicers(service)  # its records count on in the database that they had
        Kept.forget_all()
