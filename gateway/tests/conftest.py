"""A real gRPC server that speaks the protos stands where the services will be; each test says what it answers."""

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import any_pb2
from google.rpc import status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from werkzeug.test import Client

from crm.identity.v1 import auth_pb2
from crm_kit.settings import SERVICES
from crm_kit.tokens import Claims, sign
from gateway import create_app
from gateway.contract import operations
from gateway.settings import Settings

KID = "key-1"
LANGUAGE = {"Accept-Language": "en"}


class Services:
    """All services behind one port. `answers` says what an RPC does; `seen` what was asked."""

    def __init__(self, port: int = 0) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.answers: dict[str, Callable[[Any, Any], Any]] = {"GetKeys": self.keys}
        self.seen: list[tuple[str, Any, dict[str, Any], float]] = []
        self.port = port
        self.start()

    def start(self) -> None:
        self.server = grpc.server(
            futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        )
        for operation in operations():
            self.server.add_generic_rpc_handlers([self._handler(operation)])
        healthy = health.HealthServicer()
        healthy.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(healthy, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        self.server.start()

    def stop(self) -> None:
        self.server.stop(0).wait()

    def _handler(self, operation: Any) -> Any:
        def handle(request: Any, context: Any) -> Any:
            metadata = dict(context.invocation_metadata())
            self.seen.append((operation.method.name, request, metadata, context.time_remaining()))
            answer = self.answers.get(operation.method.name, lambda *_: operation.response())
            return answer(request, context)

        return grpc.method_handlers_generic_handler(
            operation.method.containing_service.full_name,
            {
                operation.method.name: grpc.unary_unary_rpc_method_handler(
                    handle, operation.request.FromString, operation.response.SerializeToString
                )
            },
        )

    def keys(self, request: Any, context: Any) -> auth_pb2.Keys:
        x = base64.urlsafe_b64encode(self.key.public_key().public_bytes_raw()).rstrip(b"=").decode()
        return auth_pb2.Keys(keys=[auth_pb2.Keys.Key(kty="OKP", crv="Ed25519", kid=KID, x=x)])

    def token(self, user: str = "u-1", seconds: int = 600, kid: str = KID) -> str:
        now = int(time.time())
        return sign(Claims(user, "s-1", "", now, now + seconds), self.key, kid)

    def asked(self, name: str) -> list[Any]:
        return [request for rpc, request, *_ in self.seen if rpc == name]


def refuse(code: grpc.StatusCode, *details: Any, message: str = "") -> Callable[[Any, Any], Any]:
    """An answer that refuses as our services do: with a google.rpc.Status in the trailer."""

    def answer(request: Any, context: Any) -> Any:
        packed = []
        for detail in details:
            box = any_pb2.Any()
            box.Pack(detail)
            packed.append(box)
        status = status_pb2.Status(code=code.value[0], message=message, details=packed)
        if details:
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, message)

    return answer


@pytest.fixture(scope="session", name="refuse")
def refuse_fixture() -> Callable[..., Any]:
    return refuse


@pytest.fixture(scope="module")
def running() -> Iterator[Services]:
    services = Services()
    yield services
    services.stop()


@pytest.fixture
def services(running: Services) -> Services:
    running.answers = {"GetKeys": running.keys}
    running.seen.clear()
    return running


def settings(port: int, **more: Any) -> Settings:
    return Settings(services=dict.fromkeys(SERVICES, f"127.0.0.1:{port}"), **more)


@pytest.fixture(scope="module")
def app(running: Services) -> Any:
    app = create_app(settings(running.port, public_rate=0))
    Client(app).get("/v1/auth/me", headers={"Authorization": f"Bearer {running.token()}"})  # the keys are known now
    return app


@pytest.fixture
def limited_app(services: Services) -> Any:
    return create_app(settings(services.port, public_rate=1, public_burst=2, user_rate=1, user_burst=3))


@pytest.fixture
def anonymous(app: Any, services: Services) -> Client:
    return Client(app)


@pytest.fixture
def http(app: Any, services: Services) -> Callable[..., Any]:
    """A signed-in, English speaking client: http("GET", "/v1/…", json=…, headers=…)."""
    client, token = Client(app), services.token()

    def request(method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
        every = {"Authorization": f"Bearer {token}", **LANGUAGE, **(headers or {})}
        return client.open(path, method=method, headers=every, **more)

    return request


class Server:
    """The gateway as it is operated: gunicorn with its workers."""

    def __init__(self, services: Services, directory: Any) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.services = services
        self.log = directory / "log"
        self.metrics = directory / "metrics"
        addresses = {f"{name.upper().replace('-', '_')}_ADDRESS": f"127.0.0.1:{services.port}" for name in SERVICES}
        environment = {
            **os.environ,
            **addresses,
            "HTTP_ADDRESS": f"127.0.0.1:{self.port}",
            "PUBLIC_RATE": "0",
            "PROMETHEUS_MULTIPROC_DIR": str(self.metrics),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve"], env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())


@pytest.fixture
def start_server(running: Services) -> Iterator[Callable[[Any], Server]]:
    """Starts one that the test itself may stop."""
    started = []

    def start(directory: Any) -> Server:
        started.append(Server(running, directory))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="module")
def server(running: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(running, tmp_path_factory.mktemp("gateway"))
    yield server
    server.process.terminate()
    server.process.wait(20)
