"""The HTTP edge: JSON for people and programs, gRPC to the services."""

import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import grpc
from flask import Flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter

from crm.identity.v1 import auth_pb2
from crm_kit import errors
from gateway import health, pages, problems
from gateway.auth import Guard, Keys
from gateway.call import WORTH_COMPRESSING, Call, Reply, accepts_gzip, compress
from gateway.channels import Backends
from gateway.contract import operations
from gateway.limits import Peers, Rate
from gateway.observe import observe
from gateway.routes import Limited, View, rule, view
from gateway.settings import Settings

log = logging.getLogger(__name__)

HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Vary", "Accept-Encoding, Accept-Language, Authorization"),
)
POLICY = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Part(BaseConverter):
    """One part of a path, up to the colon that a verb follows."""

    regex = "[^/:]+"
    part_isolating = True


class Gateway(Flask):
    """Flask's routes, answered without its request context.

    A view gets the call and its path parameters, and returns a Reply or raises a refusal. Context, signals, session and
    hooks are what an empty Flask request is made of, and nothing here uses them.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__("gateway", static_folder=None)
        self.settings = settings
        self.url_map.converters["part"] = Part
        self.url_map.strict_slashes = self.url_map.merge_slashes = self.url_map.redirect_defaults = False
        self._match = self.url_map.bind("gateway").match
        self._peers = Peers(settings.trusted_proxies)
        self._views: dict[str, View] = {}

    def add(self, verb: str, path: str, answer: View, route: str = "") -> None:
        """One route; `route` is how logs and metrics call it."""

        def named(call: Call, **args: str) -> Reply:
            call.route = route or path
            return answer(call, **args)

        endpoint = f"{verb} {route or path}"
        self._views[endpoint] = named
        self.add_url_rule(path, endpoint, methods=[verb], provide_automatic_options=False)

    def wsgi_app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        call = Call(environ, self._peers.address(environ))
        reply = self._reply(call)
        headers = [
            ("Content-Type", reply.content_type),
            ("X-Request-Id", call.request_id),
            *HEADERS,
            *(POLICY if not reply.own_policy else ()),
            *reply.headers,
        ]
        body = reply.body
        if len(body) > WORTH_COMPRESSING and accepts_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")):
            body = compress(body)
            headers.append(("Content-Encoding", "gzip"))
        headers.append(("Content-Length", str(len(body))))
        start_response(STATUS_LINES[reply.status], headers)
        observe(call, reply.status)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _reply(self, call: Call) -> Reply:
        try:
            path = call.environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
            endpoint, args = self._match(path, call.environ["REQUEST_METHOD"])
            return self._views[endpoint](call, **args)
        except Limited as refusal:
            reply = problems.of_refusal(refusal, call)
            reply.headers += refusal.headers
            return reply
        except errors.Refusal as refusal:
            return problems.of_refusal(refusal, call)
        except grpc.RpcError as error:
            return problems.of_rpc(error, call, call.body)
        except HTTPException as error:
            return self._refused_by_router(error, call)
        except Exception:
            log.exception("request %s failed", call.request_id)
            return problems.internal(call)

    def _refused_by_router(self, error: HTTPException, call: Call) -> Reply:
        if isinstance(error, MethodNotAllowed):
            reply = problems.of_refusal(problems.Refused("method_not_allowed"), call)
            reply.headers.append(("Allow", ", ".join(sorted(error.valid_methods or ()))))
            return reply
        return problems.of_refusal(errors.NotFound("no_such_route"), call)


def create_app(settings: Settings | None = None) -> Gateway:
    """The application with all its routes; opens nothing yet, so that it can be made before a fork."""
    settings = settings or Settings.from_environment()
    backends = Backends(settings)
    app = Gateway(settings)
    guard = Guard(Keys(_key_fetcher(backends)))
    public = Rate(settings.public_rate, settings.public_burst)
    users = Rate(settings.user_rate, settings.user_burst)
    for operation in operations():
        rate = public if operation.rule.WhichOneof("who") == "public" else users
        app.add(operation.verb, rule(operation), view(operation, settings, guard, backends, rate), operation.template)
    app.add("GET", "/livez", health.livez)
    app.add("GET", "/readyz", health.readyz(backends))
    app.add("GET", "/metrics", health.metrics(settings))
    for path, answer in pages.views().items():
        app.add("GET", path, answer)
    return app


def _key_fetcher(backends: Backends) -> Callable[[], Any]:
    def fetch() -> Any:
        stub = backends["identity"].stub("/crm.identity.v1.AuthService/GetKeys", auth_pb2.GetKeysRequest, auth_pb2.Keys)
        return stub(auth_pb2.GetKeysRequest(), timeout=2.0)

    return fetch
