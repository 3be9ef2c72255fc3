"""Routes from the contract: for each operation one function with everything looked up beforehand."""

import re
from collections.abc import Callable
from typing import Any

import orjson

from crm_kit import errors
from crm_kit.codec import encoder
from gateway import files, oauth
from gateway.auth import Guard
from gateway.call import Call, Reply
from gateway.channels import Backends
from gateway.contract import PARAMETER, Operation, operations, records
from gateway.everywhere import Askers, everywhere
from gateway.limits import Rate
from gateway.reading import reader
from gateway.settings import Settings

View = Callable[..., Reply]

_KEY = re.compile(r"[!-~]{8,100}", re.ASCII)
_MILLISECONDS = re.compile(r"\d{1,6}", re.ASCII)


class Limited(errors.Exhausted):
    """Too fast; carries the RateLimit headers that its reply shall have."""

    def __init__(self, headers: list[tuple[str, str]], retry_after: float) -> None:
        super().__init__("too_many_requests", retry_after=retry_after)
        self.headers = headers


def rule(operation: Operation) -> str:
    """The address as Werkzeug writes it. A parameter holds no colon, for a verb may follow it."""
    return PARAMETER.sub(lambda match: f"<part:{match[1].replace('.', '__')}>", operation.path)


def view(operation: Operation, settings: Settings, guard: Guard, backends: Backends, rate: Rate) -> View:
    """The function that answers the operation's route."""
    read, write = reader(operation, settings), writer(operation)
    ask = _asker(operation, settings, backends)
    public, getting = operation.rule.WhichOneof("who") == "public", operation.verb == "GET"
    longest = settings.bulk_timeout if operation.bulk else settings.timeout
    if operation.rule.parts:
        longest = min(longest, settings.parts_timeout)
    has_etag = "etag" in operation.response.DESCRIPTOR.fields_by_name
    made_at = location(operation)

    def answer(call: Call, **args: str) -> Reply:
        environ, call.body = call.environ, operation.body
        if public:
            authorization = ""
            limit = _limited(rate, call.peer)
        else:
            claims = guard.claims(environ)
            call.user_id, call.acting_id = claims.user_id, claims.acting_id
            authorization = environ["HTTP_AUTHORIZATION"]
            limit = _limited(rate, call.acting_id or call.user_id)
        request = read(environ, args)
        timeout = longest
        if (asked := environ.get("HTTP_X_TIMEOUT_MS")) and _MILLISECONDS.fullmatch(asked):
            timeout = min(timeout, max(int(asked), 1) / 1000)
        message = ask(request, timeout, _metadata(call, authorization, getting))
        headers = limit
        if has_etag and message.etag:
            headers = [*headers, ("ETag", f'"{message.etag}"')]
        reply = write(message)
        reply.headers = [*headers, *reply.headers]
        if made_at and message.id:
            reply.status = 201
            reply.headers.append(("Location", f"{made_at}/{message.id}"))
        return reply

    return oauth.view(operation, answer, settings.body_limit) if operation.rule.oauth else answer


def writer(operation: Operation) -> Callable[[Any], Reply]:
    """The function that makes the reply of the RPC's answer: JSON, or the file that it is."""
    if operation.is_file:
        return files.reply
    write = encoder(operation.response.DESCRIPTOR, whole=True)
    return lambda message: Reply(orjson.dumps(write(message)))


def _limited(rate: Rate, key: str) -> list[tuple[str, str]]:
    if not rate.rate:
        return []
    passes, left = rate.take(key)
    headers = rate.headers(left)
    if not passes:
        raise Limited(headers, (1 - left) / rate.rate)
    return headers


def _metadata(call: Call, authorization: str, getting: bool) -> list[tuple[str, str]]:
    """All that a service is told beside the request. Nothing else that came from outside goes on."""
    pairs = [
        ("accept-language", call.language),
        ("x-request-id", call.request_id),
        ("traceparent", call.trace_parent),
        ("x-forwarded-for", call.peer),
    ]
    if authorization:
        pairs.append(("authorization", authorization))
    if not getting and (key := call.environ.get("HTTP_IDEMPOTENCY_KEY")):
        if not _KEY.fullmatch(key):
            raise errors.Invalid(key="idempotency_key_bad")
        pairs.append(("idempotency-key", key))
    return pairs


def _asker(operation: Operation, settings: Settings, backends: Backends) -> Callable[[Any, float, Any], Any]:
    """The RPC as a function of (request, timeout, metadata); its channel is made at the first call."""
    stubs: dict[str, Any] = {}
    parts = operation.rule.parts
    repeatable = operation.verb == "GET" and not parts  # the parts that there are do not wait for a service to be back
    owners = {kind: service for kind, (service, _) in records().items()}

    def one(service: str, request: Any, timeout: float, metadata: Any) -> Any:
        backend = backends[service]
        stub = stubs.get(service)
        if stub is None:
            stub = stubs[service] = backend.stub(operation.rpc, operation.request, operation.response)
        return backend.ask(stub, request, timeout, metadata, repeatable)

    def ask(request: Any, timeout: float, metadata: Any) -> Any:
        service = operation.service or owners.get(request.record_type)
        if not service:
            raise errors.NotFound
        return one(service, request, timeout, metadata)

    if not operation.everywhere:
        return ask
    services = sorted({part.service for part in parts} or set(owners.values()))
    return everywhere(operation, services, one, Askers(settings.threads * (len(services) - 1)))


def location(operation: Operation) -> str:
    """Where what a POST to a collection makes will be found; empty where it makes nothing with an address."""
    one = re.compile(re.escape(operation.path) + r"/\{[a-z_.]+\}")
    found = any(other.verb == "GET" and one.fullmatch(other.path) for other in operations())
    plain = (
        operation.verb == "POST" and "{" not in operation.path and "id" in operation.response.DESCRIPTOR.fields_by_name
    )
    return operation.path if found and plain else ""
