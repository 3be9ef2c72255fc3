"""What OAuth 2.0 libraries expect of a token address (RFC 6749), around an operation that speaks JSON otherwise.

A form becomes the JSON document that it stands for; its answer and its refusal get the names of the RFC. Requests in
JSON pass through as they are.
"""

import base64
import binascii
import io
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import grpc
import orjson

from crm_kit import errors
from gateway import problems
from gateway.call import Call, Reply
from gateway.contract import Operation
from gateway.limits import read_body

FORM = "application/x-www-form-urlencoded"
FIELDS = 20
ERRORS = {"UNSUPPORTED_GRANT_TYPE": "unsupported_grant_type", "CLIENT_REFUSED": "invalid_client"}
KINDS = {
    400: "invalid_request",
    401: "invalid_client",
    403: "unauthorized_client",
    413: "invalid_request",
    415: "invalid_request",
    500: "server_error",
}
"""By status, where the reason says nothing closer; for the others: temporarily_unavailable."""

View = Callable[..., Reply]


def view(operation: Operation, answer: View, limit: int) -> View:
    """The operation's view, that takes forms as well."""
    names = {field.name for field in operation.request.DESCRIPTOR.fields}
    renamed = {field.json_name: field.name for field in operation.response.DESCRIPTOR.fields}

    def either(call: Call, **args: str) -> Reply:
        if call.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != FORM:
            return answer(call, **args)
        try:
            _as_json(call.environ, _form(call.environ, names, limit))
            reply = answer(call, **args)
        except errors.Refusal as refusal:
            reply = problems.of_refusal(refusal, call)
            reply.headers += getattr(refusal, "headers", [])
            return _refused(reply)
        except grpc.RpcError as error:
            return _refused(problems.of_rpc(error, call, call.body))
        document = orjson.loads(reply.body)
        reply.body = orjson.dumps({renamed[name]: value for name, value in document.items()})
        return reply

    return either


def _form(environ: dict[str, Any], names: set[str], limit: int) -> dict[str, str]:
    """The fields of the form; what we do not know is ignored, what is given twice refused, as the RFC has it."""
    try:
        text = read_body(environ, limit).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except ValueError:
        raise errors.Invalid(key="bad_form") from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise errors.Invalid(key="bad_form")
    basic = _basic(environ.get("HTTP_AUTHORIZATION", ""))
    if basic and "client_secret" in form:
        raise errors.Invalid(key="bad_form")
    return {name: value for name, value in {**form, **basic}.items() if name in names}


def _basic(authorization: str) -> dict[str, str]:
    """Client id and secret out of HTTP Basic, where each of them is encoded like a form."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        name, _, secret = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise errors.Invalid(key="bad_form") from None
    return {"client_id": unquote_plus(name), "client_secret": unquote_plus(secret)}


def _as_json(environ: dict[str, Any], document: dict[str, str]) -> None:
    body = orjson.dumps(document)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"] = "application/json", str(len(body))


def _refused(reply: Reply) -> Reply:
    """The refusal as RFC 6749, 5.2 has it; reason and request id stay beside it."""
    problem = orjson.loads(reply.body)
    status, reason = problem["status"], problem["reason"]
    document = {
        "error": ERRORS.get(reason) or KINDS.get(status, "temporarily_unavailable"),
        "error_description": problem["detail"],
        "reason": reason,
        "request_id": problem["requestId"],
    }
    headers = [pair for pair in reply.headers if pair[0] != "WWW-Authenticate"]
    if status == 401:
        headers.append(("WWW-Authenticate", 'Basic realm="crm"'))
    return Reply(orjson.dumps(document), 400 if status == 403 else status, headers)


errors.texts(
    {
        "bad_form": (
            "表单有误：字段不能重复，客户端密钥只能以一种方式给出",
            "The form is wrong: no field twice, and the client's secret in one way only",
        ),
    }
)
