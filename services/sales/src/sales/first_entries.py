"""What a new installation starts with: dictionaries, a pipeline, a price list; administrators change all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from crm.sales.v1 import opportunities_pb2, products_pb2
from crm_kit.rpc import Call
from crm_records import seed, writing
from crm_records.record import Record
from crm_records.seed import Entry
from sales.pipelines import PIPELINES
from sales.price_lists import PRICE_LISTS

DICTIONARIES: dict[str, list[Entry]] = {
    "opportunity_source": [
        ("existing_customer", "老客户", "Existing customer"),
        ("referral", "转介绍", "Referral"),
        ("exhibition", "展会", "Exhibition"),
        ("campaign", "市场活动", "Campaign"),
        ("website", "官网", "Web site"),
        ("cold_call", "电话开发", "Cold call"),
        ("tender", "招标信息", "Tender"),
        ("partner", "合作伙伴", "Partner"),
        ("other", "其他", "Other"),
    ],
    "lost_reason": [
        ("price", "价格", "Price"),
        ("quality", "质量", "Quality"),
        ("not_agreed", "未达成一致", "Not agreed"),
        ("competitor", "竞争对手", "Competitor"),
        ("budget", "预算", "Budget"),
        ("no_demand", "需求取消", "Demand gone"),
        ("no_answer", "失去联系", "No answer"),
        ("other", "其他", "Other"),
    ],
    "unit": [
        ("piece", "个", "Piece"),
        ("set", "套", "Set"),
        ("unit", "台", "Unit"),
        ("box", "箱", "Box"),
        ("kilogram", "千克", "Kilogram"),
        ("ton", "吨", "Ton"),
        ("meter", "米", "Metre"),
        ("hour", "小时", "Hour"),
        ("day", "天", "Day"),
        ("month", "月", "Month"),
        ("year", "年", "Year"),
        ("issue", "期", "Issue"),
    ],
}

DEFAULT_PIPELINE = "01900000-0000-7000-8000-000000000001"
DEFAULT_PRICE_LIST = "01900000-0000-7000-8000-000000000002"

_STAGES = (
    ("qualification", "初步接洽", "Qualification", "open", 10),
    ("analysis", "需求分析", "Needs analysis", "open", 25),
    ("proposal", "方案报价", "Proposal", "open", 50),
    ("negotiation", "商务谈判", "Negotiation", "open", 75),
    ("won", "赢单", "Won", "won", 100),
    ("lost", "输单", "Lost", "lost", 0),
)
_PIPELINE = {
    "name": "标准销售流程",
    "default": True,
    "stages": [
        {"code": code, "label_zh": zh, "label_en": en, "kind": kind, "probability": probability}
        for code, zh, en, kind, probability in _STAGES
    ],
}


def seed_first_entries(call: Call) -> None:
    """Run after every migration."""
    seed.dictionary_entries(call, DICTIONARIES)
    _create_once(call, PIPELINES, DEFAULT_PIPELINE, opportunities_pb2.Pipeline, _PIPELINE)
    _create_once(call, PRICE_LISTS, DEFAULT_PRICE_LIST, products_pb2.PriceList, {"name": "标准价格表", "default": True})


def _create_once(call: Call, record: Record, record_id: str, kind: Any, values: Mapping[str, Any]) -> None:
    """Its id is fixed, so it is known however often this runs, even from the recycle bin."""
    if not call.connection.scalar(select(record.table.c.id).where(record.table.c.id == record_id)):
        writing.create(call, record, kind(**values), id=record_id)
