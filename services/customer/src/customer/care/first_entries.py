"""What a new installation starts with: the festivals, kinds of occasions, and a few greetings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm.customer.v1.care_days_pb2 import CareDay
from crm.customer.v1.care_templates_pb2 import CareTemplate
from crm_kit.rpc import Call
from crm_records import seed as seeding
from crm_records.seed import Entry
from customer.care.days import LUNAR, LUNAR_YEAR_END, SOLAR, SOLAR_TERM, WEEKDAY
from customer.care.festivals import CARE_DAYS
from customer.care.templates import CARE_TEMPLATES
from customer.seeding import create_once

_ID = "01900000-0000-7000-8000-000000002{:03}"
DICTIONARIES: dict[str, list[Entry]] = {
    "occasion_kind": [
        ("promotion", "晋升", "Promotion"),
        ("wedding", "婚庆", "Wedding"),
        ("child", "子女", "Children"),
        ("family", "家庭", "Family"),
        ("housewarming", "乔迁", "New home or office"),
        ("award", "获奖", "Award"),
        ("other", "其他", "Other"),
    ]
}


def _on(month: int, day: int) -> Mapping[str, Any]:
    return {"calendar": SOLAR, "month": month, "day": day}


def _lunar(month: int, day: int) -> Mapping[str, Any]:
    return {"calendar": LUNAR, "month": month, "day": day}


DAYS: list[tuple[str, str, str, Mapping[str, Any]]] = [
    ("new_year", "元旦", "New Year's Day", _on(1, 1)),
    ("womens_day", "妇女节", "International Women's Day", _on(3, 8)),
    ("arbor_day", "植树节", "Arbor Day", _on(3, 12)),
    ("consumer_day", "消费者权益日", "Consumer Rights Day", _on(3, 15)),
    ("labour_day", "劳动节", "Labour Day", _on(5, 1)),
    ("youth_day", "青年节", "Youth Day", _on(5, 4)),
    ("nurses_day", "护士节", "Nurses Day", _on(5, 12)),
    ("childrens_day", "儿童节", "Children's Day", _on(6, 1)),
    ("army_day", "建军节", "Army Day", _on(8, 1)),
    ("doctors_day", "医师节", "Doctors' Day", _on(8, 19)),
    ("teachers_day", "教师节", "Teachers' Day", _on(9, 10)),
    ("national_day", "国庆节", "National Day", _on(10, 1)),
    ("journalists_day", "记者节", "Journalists' Day", _on(11, 8)),
    ("christmas", "圣诞节", "Christmas", _on(12, 25)),
    ("mothers_day", "母亲节", "Mother's Day", {"calendar": WEEKDAY, "month": 5, "weekday": 7, "nth": 2}),
    ("fathers_day", "父亲节", "Father's Day", {"calendar": WEEKDAY, "month": 6, "weekday": 7, "nth": 3}),
    ("spring_festival", "春节", "Spring Festival", _lunar(1, 1)),
    ("lantern_festival", "元宵节", "Lantern Festival", _lunar(1, 15)),
    ("dragon_boat", "端午节", "Dragon Boat Festival", _lunar(5, 5)),
    ("qixi", "七夕", "Qixi Festival", _lunar(7, 7)),
    ("mid_autumn", "中秋节", "Mid-Autumn Festival", _lunar(8, 15)),
    ("double_ninth", "重阳节", "Double Ninth Festival", _lunar(9, 9)),
    ("laba", "腊八节", "Laba Festival", _lunar(12, 8)),
    ("new_years_eve", "除夕", "Chinese New Year's Eve", {"calendar": LUNAR_YEAR_END}),
    ("beginning_of_spring", "立春", "Beginning of Spring", {"calendar": SOLAR_TERM, "term": "立春"}),
    ("qingming", "清明", "Qingming", {"calendar": SOLAR_TERM, "term": "清明"}),
    ("winter_solstice", "冬至", "Winter Solstice", {"calendar": SOLAR_TERM, "term": "冬至"}),
]
_BIRTHDAY = (
    "{name}{honorific}，祝您生日快乐，身体健康，事事顺心！{owner}敬上",
    "Dear {honorific} {name}, many happy returns of the day! {owner}",
)
_FESTIVAL = (
    "{name}{honorific}，值此{occasion}，谨祝您和家人幸福安康！{owner}敬上",
    "Dear {honorific} {name}, our best wishes to you and your family on {occasion}! {owner}",
)
TEMPLATES = [
    ("生日祝福短信", "text", _BIRTHDAY),
    ("生日祝福邮件", "mail", _BIRTHDAY),
    ("节日祝福短信", "text", _FESTIVAL),
    ("节日祝福邮件", "mail", _FESTIVAL),
    (
        "关怀任务",
        "task",
        (
            "{occasion}：问候{company}的{name}{honorific}",
            "{occasion}: give {honorific} {name} of {company} our regards",
        ),
    ),
]


def seed(call: Call) -> None:
    """Run after every migration."""
    seeding.dictionary_entries(call, DICTIONARIES)
    for number, (code, zh, en, how) in enumerate(DAYS):
        create_once(call, CARE_DAYS, _ID.format(number), CareDay(code=code, name_zh=zh, name_en=en, **how))
    for number, (name, channel, (zh, en)) in enumerate(TEMPLATES, 900):
        made = CareTemplate(
            name=name,
            channel=channel,
            subject_zh="{occasion}祝福" if channel == "mail" else "{occasion}",
            text_zh=zh,
            subject_en="{occasion}",
            text_en=en,
        )
        create_once(call, CARE_TEMPLATES, _ID.format(number), made)
