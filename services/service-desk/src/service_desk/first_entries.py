"""The dictionaries that a new installation starts with; administrators add, rename, order and retire entries."""

from __future__ import annotations

from crm_kit.rpc import Call
from crm_records import seed
from crm_records.seed import Entry

DICTIONARIES: dict[str, list[Entry]] = {
    "service_kind": [
        ("consultation", "咨询", "Consultation"),
        ("complaint", "投诉", "Complaint"),
        ("suggestion", "建议", "Suggestion"),
        ("fault", "故障", "Fault"),
        ("on_site", "上门", "On-site service"),
        ("return", "退货", "Return"),
        ("training", "培训", "Training"),
        ("other", "其他", "Other"),
    ],
    "service_channel": [
        ("phone", "电话", "Telephone"),
        ("mail", "邮件", "Mail"),
        ("wechat", "微信", "WeChat"),
        ("web", "网站", "Web site"),
        ("visit", "拜访", "Visit"),
        ("app", "移动端", "App"),
        ("other", "其他", "Other"),
    ],
}


def seed_dictionaries(call: Call) -> None:
    """Run after every migration."""
    seed.dictionary_entries(call, DICTIONARIES)
