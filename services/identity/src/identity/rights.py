"""Rights: which there are (made from the contract), and that nobody gives away more than they have."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, cast

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

from crm import rule_pb2
from crm_kit import errors
from crm_kit.access import Access
from crm_kit.rpc import Call
from crm_protos import DESCRIPTORS

ACTIONS = {
    "read": ("查看", "Read"),
    "create": ("新建", "Create"),
    "update": ("修改", "Update"),
    "delete": ("删除", "Delete"),
    "approve": ("审批", "Approve"),
    "assign": ("分配", "Assign"),
    "import": ("导入", "Import"),
    "export": ("导出", "Export"),
    "print": ("打印", "Print"),
    "configure": ("配置", "Configure"),
    "reveal": ("查看脱敏内容", "Reveal masked values"),
    "view_as": ("以其身份查看", "View as"),
}
PAPER = ("export", "print")
"""What leaves the house, of every record and of reports."""
RESOURCES = {
    "customer_brief": ("客户概要", "Customer brief"),
    "report": ("报表", "Report"),
}
"""Labels of what rights name besides record types."""

errors.texts(
    {
        "unknown_right": ("没有“{right}”这个权限", "There is no right “{right}”"),
        "unknown_resource": ("没有“{resource}”这种资源", "There is no resource “{resource}”"),
        "right_not_held": (
            "不能授予或代管自己没有的权限：{right}",
            "You cannot give or manage a right that you lack: {right}",
        ),
    }
)


@cache
def every() -> dict[str, tuple[str, str]]:
    """Every right of the suite with its labels, in the order of the contract."""
    found: dict[str, tuple[str, str]] = {}
    labels, asked, generic, owned = _contract()
    for right in asked:
        resource, _, action = right.partition(".")
        found[right] = _labels(labels, resource, action)
    more = {r: (*generic, "approve", "import", *PAPER) for r in labels if f"{r}.read" in found}
    for resource, actions in (more | {"report": PAPER}).items():
        for action in (*actions, *(["assign"] if resource in owned else [])):
            found.setdefault(f"{resource}.{action}", _labels(labels, resource, action))
    return dict(sorted(found.items()))


def _labels(records: dict[str, tuple[str, str]], resource: str, action: str) -> tuple[str, str]:
    label = records.get(resource) or RESOURCES.get(resource, (resource, resource))
    verb = ACTIONS.get(action, (action, action))
    return f"{label[0]} · {verb[0]}", f"{label[1]}: {verb[1]}"


def resources() -> set[str]:
    """What rights and scopes can be about."""
    return {right.partition(".")[0] for right in every()}


def exists(right: str) -> bool:
    """Whether an RPC of the suite could ask for it, or for one of those that it stands for."""
    return right in every() or right == "*" or (right.endswith(".*") and right[:-2] in resources())


def holds(rights: Collection[str], right: str) -> bool:
    """Whether one of them is the right or stands for it."""
    return right in rights or "*" in rights or f"{right.partition('.')[0]}.*" in rights


def refuse_more_than_own(call: Call, rights: Iterable[str]) -> None:
    """PERMISSION_DENIED unless the caller holds all of them: rights are passed on, never made."""
    for right in rights:
        if not covers(call.access, right):
            raise errors.Denied("right_not_held", right=right)


def covers(access: Access, right: str) -> bool:
    """Whether a person has the right, and of a wildcard everything that it stands for."""
    if right == "*":
        return "*" in access.rights and not access.denials
    resource, _, action = right.partition(".")
    if action == "*":
        denied = any(d == "*" or d.partition(".")[0] == resource for d in access.denials)
        return not denied and ("*" in access.rights or right in access.rights)
    return access.may(right)


def _contract() -> tuple[dict[str, tuple[str, str]], list[str], list[str], set[str]]:
    """Labels of record types, rights that RPCs ask for, actions asked of every record type, types with an owner."""
    labels: dict[str, tuple[str, str]] = {}
    asked: dict[str, None] = {}
    generic: dict[str, None] = {}
    owned: set[str] = set()
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        for message in file.message_type:
            record = cast(rule_pb2.Record, message.options.Extensions[cast(Any, rule_pb2.record)])
            if record.type:
                labels[record.type] = (record.zh, record.en)
                if _has_owner(message):
                    owned.add(record.type)
        for service in file.service:
            for method in service.method:
                rule = cast(rule_pb2.Rule, method.options.Extensions[cast(Any, rule_pb2.rule)])
                for right in filter(None, [*rule.also, rule.right]):
                    if right.startswith("{record_type}."):
                        generic[right.partition(".")[2]] = None
                    else:
                        asked[right] = None
    return labels, list(asked), list(generic), owned


def _has_owner(message: DescriptorProto) -> bool:
    return any(f.name == "owner_id" for f in message.field)
