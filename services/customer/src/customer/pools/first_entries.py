"""Reasons for which customers come into pools."""

from __future__ import annotations

from crm_kit.rpc import Call
from crm_records import seed
from crm_records.seed import Entry

DICTIONARIES: dict[str, list[Entry]] = {
    "return_reason": [
        ("no_need", "客户无需求", "No need"),
        ("no_answer", "联系不上", "Cannot be reached"),
        ("competitor", "已选竞争对手", "Chose a competitor"),
        ("not_my_region", "不属于本人区域", "Not my region"),
        ("wrong_data", "资料有误", "Wrong data"),
        ("no_time", "无精力跟进", "No time to follow up"),
        ("other", "其他", "Other"),
        ("no_contact", "超期未联系", "Not contacted in time"),
        ("no_opportunity", "超期无商机", "No opportunity in time"),
        ("no_deal", "超期未成交", "No deal in time"),
        ("contract_ended", "合同到期", "The contract ended"),
    ],
}


def seed_dictionaries(call: Call) -> None:
    """Run after every migration."""
    seed.dictionary_entries(call, DICTIONARIES)
