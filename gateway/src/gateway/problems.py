"""Refusals as `application/problem+json`: one form for whatever goes wrong, in the caller's language.

Internal text never leaves: a message is passed on only where a service of ours made it for the caller (its status
carries an ErrorInfo); anything else becomes a text of ours.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import grpc
import orjson
from google.rpc import code_pb2, error_details_pb2, status_pb2

from crm_kit import errors
from crm_kit.errors import EN, text
from crm_kit.field_names import camel
from gateway.call import Call, Reply
from gateway.channels import DETAILS

CONTENT_TYPE = "application/problem+json"

STATUS: Mapping[int, int] = {
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.OUT_OF_RANGE: 400,
    code_pb2.UNAUTHENTICATED: 401,
    code_pb2.PERMISSION_DENIED: 403,
    code_pb2.NOT_FOUND: 404,
    code_pb2.FAILED_PRECONDITION: 409,
    code_pb2.ALREADY_EXISTS: 409,
    code_pb2.ABORTED: 412,
    code_pb2.RESOURCE_EXHAUSTED: 429,
    code_pb2.CANCELLED: 503,
    code_pb2.UNAVAILABLE: 503,
    code_pb2.DEADLINE_EXCEEDED: 504,
}
REASONS: Mapping[str, int] = {
    "ETAG_REQUIRED": 428,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "IDEMPOTENCY_KEY_BUSY": 409,
    "TOO_LARGE_BODY": 413,
    "METHOD_NOT_ALLOWED": 405,
    "UNSUPPORTED_MEDIA_TYPE": 415,
}
GENERIC = {503: "service_unavailable", 504: "deadline_exceeded"}

TITLES: Mapping[int, str] = {
    400: "请求有误",
    401: "需要登录",
    403: "没有权限",
    404: "不存在",
    405: "方法不支持",
    409: "冲突",
    412: "版本不符",
    413: "请求体过大",
    415: "内容类型不支持",
    422: "无法处理",
    428: "缺少版本",
    429: "请求过多",
    500: "内部错误",
    503: "暂不可用",
    504: "处理超时",
}

errors.texts(
    {
        "unsupported_media_type": ("请求体应为 application/json", "The body must be application/json"),
    }
)


class Refused(errors.Refusal):
    """Of the edge itself; its status is known by its reason."""


def of_refusal(refusal: errors.Refusal, call: Call) -> Reply:
    """A refusal that the gateway itself speaks."""
    found = [{"field": p.path, "message": p.message(call.language), "reason": p.key.upper()} for p in refusal.problems]
    status = REASONS.get(refusal.reason) or STATUS.get(refusal.code, 500)
    return _reply(call, status, refusal.reason, refusal.message(call.language), found, refusal.retry_after)


def of_rpc(error: Any, call: Call, body: str) -> Reply:
    """A refusal of a service. `body` is the field of the request that the document is, if it is one."""
    status = _status(error)
    info = _detail(status, error_details_pb2.ErrorInfo())
    code = STATUS.get(status.code, 500)
    if info is None or code == 500:
        key = GENERIC.get(code, "internal")
        retry = 1.0 if code == 503 else None
        return _reply(call, code if key != "internal" else 500, key.upper(), text(key, call.language, {}), [], retry)
    code = REASONS.get(info.reason, code)
    wrong = _detail(status, error_details_pb2.BadRequest())
    found = [
        {"field": json_path(v.field, body), "message": v.description, "reason": v.reason}
        for v in (wrong.field_violations if wrong else ())
    ]
    wait = _detail(status, error_details_pb2.RetryInfo())
    retry = wait.retry_delay.seconds + wait.retry_delay.nanos / 1e9 if wait else None
    if code == 503 and retry is None:
        retry = 1.0
    return _reply(call, code, info.reason, status.message, found, retry)


def internal(call: Call) -> Reply:
    return _reply(call, 500, "INTERNAL", text("internal", call.language, {}), [], None)


def json_path(path: str, body: str) -> str:
    """A field's path as the HTTP document has it: camelCase, without the request's field that the body is."""
    if body not in ("", "*") and (path == body or path.startswith((body + ".", camel(body) + "."))):
        path = path.partition(".")[2]
    head, custom, key = path.partition("custom.")  # keys under `custom` are the administrator's
    return ".".join(camel(part) for part in head.split(".")) + custom + key


def _status(error: Any) -> status_pb2.Status:
    """The google.rpc.Status in the trailer, or what the transport says."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS:
            status = status_pb2.Status()
            status.ParseFromString(value)
            return status
    code: grpc.StatusCode = error.code()
    return status_pb2.Status(code=code.value[0])


def _detail(status: status_pb2.Status, kind: Any) -> Any:
    for detail in status.details:
        if detail.Unpack(kind):
            return kind
    return None


def _reply(
    call: Call, status: int, reason: str, detail: str, found: list[dict[str, str]], retry_after: float | None
) -> Reply:
    headers: list[tuple[str, str]] = []
    if status == 401:
        invalid = ', error="invalid_token"' if "HTTP_AUTHORIZATION" in call.environ else ""
        headers.append(("WWW-Authenticate", f'Bearer realm="crm"{invalid}'))
    if retry_after is not None:
        headers.append(("Retry-After", str(max(1, -int(-retry_after // 1)))))
    title = HTTPStatus(status).phrase if call.language == EN else TITLES.get(status, HTTPStatus(status).phrase)
    document: dict[str, Any] = {
        "type": "urn:crm:problem:" + reason.lower().replace("_", "-"),
        "title": title,
        "status": status,
        "detail": detail,
        "reason": reason,
        "requestId": call.request_id,
    }
    if found:
        document["errors"] = found
    return Reply(orjson.dumps(document), status, headers, CONTENT_TYPE)
