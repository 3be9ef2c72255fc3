"""Refusals: words of the business, translated once at each border.

A rule raises `Conflict("already_closed", name=…)`. The key is the reason that programs read
(`ALREADY_CLOSED`) and the key of a text in both languages; the RPC server turns it into a
`google.rpc.Status`, the gateway turns that into problem+json. Texts of a service are added with
`texts({...})` where the service's rules stand; internal text never leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

ZH, EN = "zh-CN", "en"

_texts: dict[str, tuple[str, str]] = {}


def texts(more: Mapping[str, tuple[str, str]]) -> None:
    """Add texts: key → (Chinese, English). A key must mean the same everywhere."""
    for key, pair in more.items():
        if _texts.setdefault(key, pair) != pair:
            raise ValueError(f"text {key!r} is defined twice")


def text(key: str, language: str, params: Mapping[str, Any]) -> str:
    """The text of a key in a language; values that are (zh, en) pairs are chosen alike."""
    index = 1 if language == EN else 0
    chosen = {k: v[index] if isinstance(v, tuple) else v for k, v in params.items()}
    return _texts[key][index].format_map(chosen)


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong field: its path in the JSON document, what is wrong, and the label people know it by."""

    path: str
    key: str
    params: dict[str, Any] = field(default_factory=dict)

    def message(self, language: str) -> str:
        return text(self.key, language, self.params)


class Refusal(Exception):
    """Says no, changes nothing. `code` is a google.rpc.Code."""

    code: int = code_pb2.UNKNOWN

    def __init__(self, key: str, *problems: Problem, retry_after: float | None = None, **params: Any) -> None:
        super().__init__(key)
        self.key, self.problems, self.params, self.retry_after = key, problems, params, retry_after

    @property
    def reason(self) -> str:
        return self.key.upper()

    def message(self, language: str) -> str:
        return text(self.key, language, self.params)

    def status(self, language: str, domain: str) -> status_pb2.Status:
        """The refusal as it travels: reason, wrong fields, when to try again."""
        details: list[Any] = [error_details_pb2.ErrorInfo(reason=self.reason, domain=domain)]
        if self.problems:
            details.append(
                error_details_pb2.BadRequest(
                    field_violations=[
                        error_details_pb2.BadRequest.FieldViolation(
                            field=p.path, description=p.message(language), reason=p.key.upper()
                        )
                        for p in self.problems
                    ]
                )
            )
        if self.retry_after is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromMilliseconds(int(self.retry_after * 1000))
            details.append(retry)
        packed = []
        for detail in details:
            box = any_pb2.Any()
            box.Pack(detail)
            packed.append(box)
        return status_pb2.Status(code=self.code, message=self.message(language), details=packed)


class Invalid(Refusal):
    """The request itself is wrong; names each wrong field."""

    code = code_pb2.INVALID_ARGUMENT

    def __init__(self, *problems: Problem, key: str = "invalid", **params: Any) -> None:
        super().__init__(key, *problems, **params)


class Unauthenticated(Refusal):
    code = code_pb2.UNAUTHENTICATED


class Denied(Refusal):
    code = code_pb2.PERMISSION_DENIED


class NotFound(Refusal):
    """There is no such record, or the caller's scope does not reach it: never told apart."""

    code = code_pb2.NOT_FOUND

    def __init__(self, key: str = "not_found", **params: Any) -> None:
        super().__init__(key, **params)


class Conflict(Refusal):
    """The record's state does not allow it."""

    code = code_pb2.FAILED_PRECONDITION


class Exists(Refusal):
    """A unique value is taken."""

    code = code_pb2.ALREADY_EXISTS


class Stale(Refusal):
    """Somebody changed the record since the caller read it."""

    code = code_pb2.ABORTED

    def __init__(self, key: str = "stale", **params: Any) -> None:
        super().__init__(key, **params)


class Exhausted(Refusal):
    code = code_pb2.RESOURCE_EXHAUSTED


class Unavailable(Refusal):
    code = code_pb2.UNAVAILABLE


class DeadlineExceeded(Refusal):
    code = code_pb2.DEADLINE_EXCEEDED


texts(
    {
        "invalid": ("请求中有无效的字段", "The request has invalid fields"),
        "required": ("{label}不能为空", "{label} is required"),
        "unknown_field": ("未知字段 {name}", "Unknown field {name}"),
        "wrong_type": ("{label}应为{expected}", "{label} must be {expected}"),
        "too_long": ("{label}最多 {limit} 个字符", "{label} has more than {limit} characters"),
        "too_many": ("{label}最多 {limit} 项", "{label} has more than {limit} items"),
        "too_small": ("{label}不能小于 {limit}", "{label} must not be less than {limit}"),
        "too_large": ("{label}不能大于 {limit}", "{label} must not be more than {limit}"),
        "not_a_choice": (
            "{label}不能是“{value}”，可选：{choices}",
            "{label} cannot be “{value}”; choose one of {choices}",
        ),
        "not_an_entry": (
            "{label}没有“{value}”这一项，可选：{choices}",
            "{label} has no entry “{value}”; choose one of {choices}",
        ),
        "retired_entry": (
            "{label}的“{value}”已停用，可选：{choices}",
            "“{value}” of {label} is retired; choose one of {choices}",
        ),
        "bad_format": ("{label}的格式不正确", "{label} has a wrong format"),
        "unknown_reference": ("{label}指向的记录不存在", "{label} points at a record that does not exist"),
        "read_only": ("{label}不能修改", "{label} cannot be changed"),
        "bad_control_character": ("{label}含有控制字符", "{label} holds control characters"),
        "bad_json": ("请求体不是有效的 JSON", "The body is not valid JSON"),
        "not_an_object": ("请求体应为 JSON 对象", "The body must be a JSON object"),
        "bad_filter": ("过滤条件有误：{what}", "The filter is wrong: {what}"),
        "bad_order": ("不能按 {name} 排序", "Cannot sort by {name}"),
        "bad_page_token": ("页标记无效或属于另一个查询", "The page token is invalid or belongs to another query"),
        "bad_update_mask": ("没有要修改的字段", "No field to change is named"),
        "not_found": ("记录不存在", "There is no such record"),
        "no_such_route": ("没有这个地址", "There is no such address"),
        "method_not_allowed": ("这个地址不支持该方法", "This address does not take that method"),
        "unauthenticated": ("请先登录", "Please log in"),
        "bad_token": ("登录凭证无效或已过期", "The access token is invalid or has ended"),
        "account_disabled": ("账号已停用", "The account is disabled"),
        "password_change_required": ("请先修改密码", "Change the password before anything else"),
        "second_factor_required": (
            "请先设置双重验证",
            "Set up the second factor before anything else",
        ),
        "outside_policy": (
            "当前地址或时段不允许使用您的角色",
            "None of your roles may be used from this address or at this time",
        ),
        "view_only": (
            "正以他人身份查看，不能做任何修改",
            "You are viewing as somebody else: nothing can be changed",
        ),
        "right_missing": ("没有权限：{right}", "You lack the right {right}"),
        "right_for_field": ("指定{label}需要权限：{right}", "To set {label} takes the right {right}"),
        "stale": ("记录已被他人修改，请刷新后重试", "Somebody changed the record; read it again and retry"),
        "etag_required": (
            "须给出所读到的版本(If-Match 或 etag)",
            "Give the version that you read (If-Match or etag)",
        ),
        "taken": ("{label}“{value}”已被使用", "{label} “{value}” is taken"),
        "exists": ("同样的记录已存在", "Such a record exists already"),
        "depended_on": ("还有记录依赖它：{what}", "Other records depend on it: {what}"),
        "action_not_allowed": (
            "当前状态“{state}”下不能{action}",
            "In state “{state}” one cannot {action}",
        ),
        "not_deleted": ("记录不在回收站", "The record is not in the recycle bin"),
        "idempotency_key_reused": (
            "这个幂等键已用于另一个请求",
            "This idempotency key was used for another request",
        ),
        "idempotency_key_busy": (
            "带有这个幂等键的请求仍在处理",
            "A request with this idempotency key is still running",
        ),
        "idempotency_key_bad": ("幂等键应为 8 到 100 个可见字符", "An idempotency key has 8 to 100 visible characters"),
        "too_large_body": ("请求体超过 {limit} 字节", "The body is larger than {limit} bytes"),
        "too_many_requests": ("请求过于频繁，请稍后再试", "Too many requests; try again later"),
        "service_unavailable": ("服务暂不可用，请稍后再试", "The service is not available now; try again later"),
        "database_unavailable": ("数据库暂不可用，请稍后再试", "The database is not available now; try again later"),
        "organisation_not_here": (
            "账号信息尚未同步，请稍后再试",
            "The account has not reached this service yet; try again",
        ),
        "deadline_exceeded": ("处理超时", "It took too long"),
        "internal": ("内部错误，已记录", "An internal error; it has been recorded"),
    }
)
