"""The roles that every installation starts with. Administrators may change them; nobody deletes them.

Rights are given by what a role does with which records; where, is said by its scopes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

READ = ("read",)
ENTER = ("read", "create")
WORK = ("read", "create", "update")
LEAD = (*WORK, "approve", "print")
RULE = (*LEAD, "delete", "import", "export")

CUSTOMERS = ("customer", "contact", "demand", "interaction")
PARTS = ("contact", "demand", "interaction", "relationship", "customer_event_participant", "occasion", "care_plan")
SALES = ("opportunity",)
SERVICE = ("service_request",)
TASKS = ("task", "task_comment")
SEEN = ("behaviour", "registered_company")
"""What is known of customers from outside: what they did, what the company register says."""
TAGGING = ("behaviour_tag_rule",)
TRADE, CHURN = "trade_entry", "churn_case"
STANDING_RULES = ("grading_rule", "lifecycle_rule", "churn_rule", "value_model")
"""What is made of customers by rule."""
PYRAMID, SEGMENT = "pyramid", "segment"
EVENTS = ("customer_event", "customer_event_participant")
PROMPTED = ("care_item", "alert")
"""What the suite makes of customers by itself: to be done for somebody, to be seen to."""
CARE_FRAME = ("care_day", "care_template")
ACTIVITIES = ("relationship", "visit", *EVENTS, "occasion", "care_plan")
BUSINESS = (*CUSTOMERS, *ACTIVITIES, *SALES, *SERVICE, *TASKS)
OFFER = ("product", "product_category", "price_list", "price_item")
OWNED = ("customer", "opportunity", "service_request", "task", "visit", "customer_event", "care_plan")
"""What belongs to somebody and can be given to another."""
ACCOUNT = ("customer", "bank_account")
PRIVATE = (("contact", "home_phone"), ("contact", "home_address"))
FAMILY = (("contact", "family"),)
POSITIONS = tuple(("visit", f"check_{way}_{name}") for way in ("in", "out") for name in ("latitude", "longitude"))
"""Where colleagues were: for them and their managers."""
REACHED_AT = (("customer", "mobile"), ("contact", "mobile"), ("contact", "wechat"))
"""What is asked of people only by those who must know it."""
FRAME = (
    *OFFER,
    *STANDING_RULES,
    "pipeline",
    "department",
    "relationship_kind",
    "review_rule",
    "visit_rule",
    *CARE_FRAME,
    "alert_rule",
)
"""What everybody in business looks things up in."""


INHERITED = ("executive", "account_manager")
"""Of each group, what a new account without roles starts with: nothing that administers the system."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """One role: its rights, and the scope of all it does not name."""

    code: str
    name: str
    group: str
    description: str
    rights: Sequence[str]
    scope: str
    scopes: dict[str, str]
    fields: Sequence[tuple[str, str, str]] = ()
    """(resource, field, rule)"""


def _may(actions: Sequence[str], *resources: str) -> list[str]:
    return [f"{resource}.{action}" for resource in resources for action in actions]


def _closed(rule: str, *named: tuple[str, str]) -> list[tuple[str, str, str]]:
    return [(resource, field, rule) for resource, field in named]


def _role(
    code: str,
    name: str,
    description: str,
    *rights: list[str],
    scope: str = "self",
    group: str = "operator",
    fields: Sequence[tuple[str, str, str]] = (),
    **scopes: str,
) -> BuiltIn:
    """A role of the business: it looks up the frame, knows every customer in brief, has tasks and hands them on."""
    common = [*_may(READ, *FRAME), "customer_brief.read"]
    common += [*_may((*WORK, "assign"), "task"), *_may((*WORK, "delete"), "task_comment")]
    every = dict.fromkeys([*common, *(r for group in rights for r in group)])
    looked_up = {} if scope == "all" else dict.fromkeys((*FRAME, "customer_brief"), "all")
    return BuiltIn(code, name, group, description, list(every), scope, {**looked_up, **scopes}, fields)


ROLES = (
    BuiltIn("system_admin", "系统管理员", "administrator", "管理用户、角色与系统设置", ["*"], "all", {}),
    _role(
        "executive",
        "高管",
        "查看、审批、修改和删除全部业务数据,可打印和导出;不能修改系统设置",
        _may(RULE, *BUSINESS, *OFFER),
        _may((*WORK, "delete"), "allocation_rule"),
        _may(("read", "create", "delete"), "duplicate_dismissal"),
        _may(RULE, TRADE),
        _may((*WORK, "export", "print"), CHURN),
        _may((*WORK, "delete"), *CARE_FRAME, "alert_rule"),
        _may(("read", "update", "export", "print"), *PROMPTED),
        _may((*WORK, "delete"), PYRAMID, SEGMENT),
        _may(("assign",), *OWNED),
        _may(READ, *SEEN, *TAGGING),
        _may(("read", "export", "print"), "report", "user", "role", "pipeline"),
        _may(READ, "pool"),
        scope="all",
        group="administrator",
    ),
    _role(
        "sales_manager",
        "销售主管",
        "管理下属的客户、商机、计划与服务请求,分析与报表",
        _may(LEAD, *BUSINESS),
        _may(("read", "create", "delete"), "duplicate_dismissal"),
        _may((*WORK, "print"), TRADE, CHURN),
        _may(("read", "update"), *PROMPTED),
        _may(READ, PYRAMID),
        _may((*WORK, "delete"), SEGMENT),
        _may(("assign",), *OWNED),
        _may(READ, "allocation_rule"),
        _may(READ, *SEEN),
        _may(("read", "export", "print"), "report"),
        _may(READ, "user"),
        _may(READ, "pool"),
        scope="subordinates",
    ),
    _role(
        "account_manager",
        "客户经理",
        "负责自己的客户、商机与服务请求;只能查看其他客户的概要",
        _may(WORK, *BUSINESS),
        _may(WORK, TRADE, CHURN),
        _may(("read", "update"), *PROMPTED),
        _may(("delete",), *PARTS),
        _may((*WORK, "delete"), SEGMENT),
        _may(READ, *SEEN),
        _may(READ, "report", "pool"),
    ),
    _role(
        "marketing",
        "市场专员",
        "市场活动、客户群、竞争对手与资料审核;维护产品资料",
        _may(READ, *CUSTOMERS, *ACTIVITIES, *SALES, *SEEN, "report"),
        _may(READ, TRADE, CHURN),
        _may((*WORK, "delete"), *TAGGING, SEGMENT),
        _may(READ, PYRAMID),
        _may(("create", "update", "approve"), "customer", "contact", "demand", "interaction"),
        _may(("create", "update", "assign"), "customer_event"),
        _may(("create", "update", "delete"), "relationship", "customer_event_participant", "occasion", "care_plan"),
        _may((*WORK, "delete"), *CARE_FRAME),
        _may(("read", "update"), "care_item"),
        _may(READ, "alert"),
        _may(("assign",), "care_plan"),
        _may((*WORK, "delete", "import", "export", "print"), *OFFER),
        _may(READ, "pool"),
        scope="all",
        fields=[*_closed("masked", ACCOUNT, *PRIVATE), *_closed("hidden", *FAMILY, *POSITIONS)],
        task="self",
        task_comment="self",
    ),
    _role(
        "service_agent",
        "客服",
        "处理服务请求、投诉与回访",
        _may(READ, *CUSTOMERS, *ACTIVITIES, *PROMPTED, "behaviour"),
        _may(READ, TRADE, CHURN, SEGMENT),
        _may(("update",), "contact"),
        _may(("create", "update"), "interaction", "demand"),
        _may((*WORK, "assign"), *SERVICE),
        _may(READ, "report"),
        scope="all",
        fields=[*_closed("masked", ACCOUNT, *PRIVATE), *_closed("hidden", *FAMILY, *POSITIONS)],
        task="self",
        task_comment="self",
        report="self",
    ),
    _role(
        "finance",
        "财务",
        "回款、发票、费用与佣金",
        _may(READ, *CUSTOMERS, *EVENTS, *SALES),
        _may((*WORK, "import"), TRADE),
        _may(READ, CHURN, PYRAMID),
        _may(("read", "export", "print"), "report"),
        scope="all",
        fields=[*_closed("masked", *PRIVATE), *_closed("hidden", *FAMILY)],
        task="self",
        task_comment="self",
    ),
    _role(
        "data_clerk",
        "录入员",
        "录入和导入客户、联系人与产品资料",
        _may((*WORK, "import"), *CUSTOMERS, *OFFER),
        _may((*WORK, "import"), TRADE),
        _may(READ, "registered_company"),
        scope="department_tree",
        task="self",
        task_comment="self",
    ),
    _role(
        "reviewer",
        "审核员",
        "审核录入的资料",
        _may(("read", "update", "approve"), *CUSTOMERS, *OFFER),
        _may(READ, "registered_company"),
        scope="all",
        fields=[*_closed("masked", ACCOUNT, *PRIVATE), *_closed("hidden", *FAMILY)],
        task="self",
        task_comment="self",
    ),
    _role(
        "channel_manager",
        "渠道经理",
        "管理分销商及其商机",
        _may(WORK, *BUSINESS),
        _may(WORK, TRADE, CHURN),
        _may(("read", "update"), *PROMPTED),
        _may(("assign",), *OWNED),
        _may(READ, "report"),
        _may(READ, "pool"),
        scope="subordinates",
    ),
    _role(
        "trainer",
        "培训师",
        "客户培训",
        _may(READ, "customer", "contact"),
        _may(ENTER, "interaction"),
        scope="all",
        fields=[*_closed("masked", *REACHED_AT), *_closed("hidden", ACCOUNT, *PRIVATE, *FAMILY)],
        interaction="self",
        task="self",
        task_comment="self",
    ),
)
