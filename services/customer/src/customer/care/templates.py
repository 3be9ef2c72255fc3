"""Templates: a text with placeholders, and what becomes of it for one person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from crm.customer.v1 import care_templates_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Dependent, Record, Row
from customer.care.tables import care_plan, care_template

errors.texts(
    {
        "unknown_placeholder": (
            "未知占位符 {name}，可用：{known}",
            "There is no placeholder {name}; there are {known}",
        ),
        "template_without_text": ("中文或英文内容至少填写一项", "There is no text in either language"),
        "template_lacks_language": ("该模板没有这种语言的内容", "The template has no text in that language"),
        "template_in_use": (
            "使用该模板的方案要求相同的方式和语言",
            "A plan uses the template in this channel and language",
        ),
    }
)

PLACEHOLDERS = ("name", "honorific", "company", "owner", "occasion")
_PLACE = re.compile(r"\{([^{}]*)\}")
_BOTH = re.compile(
    r"\{company\}\s*(?:的|'s)?\s*(\{honorific\}\s*)?\{name\}"
    r"|\{name\}(\s*\{honorific\})?\s*(?:of\s|at\s|from\s)?\s*(?:\{company\}|[(（]\{company\}[)）])"
)
"""A person named together with the company: where the two are one, it is named once."""
_SPACES = re.compile(" {2,}")
"""Where an empty value leaves two."""
_TEXTS = ("subject_zh", "text_zh", "subject_en", "text_en")
_HONORIFICS = {("zh", "male"): "先生", ("zh", "female"): "女士", ("en", "male"): "Mr.", ("en", "female"): "Ms."}


@dataclass(frozen=True, slots=True)
class Said:
    """What is said to one person."""

    subject: str
    text: str


class CareTemplates(Record):
    """See the contract for the fields."""

    message = pb.CareTemplate
    table = care_template
    plural = "care_templates"

    def __init__(self) -> None:
        super().__init__()
        self.dependents.append(Dependent(care_plan.c.template_id, ("关怀方案", "Care plan")))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        """Every placeholder is one that can be filled."""
        problems = []
        for field in (self.fields[n] for n in _TEXTS):
            unknown = sorted({n for n in _PLACE.findall(row[field.name] or "") if n not in PLACEHOLDERS})
            known = " ".join(f"{{{n}}}" for n in PLACEHOLDERS)
            problems += [
                Problem(field.json_name, "unknown_placeholder", {"name": f"{{{name[:40]}}}", "known": known})
                for name in unknown
            ]
        if not row["text_zh"] and not row["text_en"]:
            problems.append(Problem("textZh", "template_without_text"))
        writing.refuse(problems)
        if (before is not None and any((row[n] is None) != (before[n] is None) for n in ("text_zh", "text_en"))) or (
            before is not None and row["channel"] != before["channel"]
        ):
            self._refuse_if_used(call, row)

    def _refuse_if_used(self, call: Call, row: Row) -> None:
        """A plan must find its text again."""
        c = care_plan.c
        query = select(c.channel, c.language).where(c.template_id == row["id"], c.delete_time.is_(None))
        for channel, language in call.connection.execute(query):
            if channel != row["channel"] or not has_text(row, language):
                raise errors.Conflict("template_in_use")


CARE_TEMPLATES = CareTemplates()


def has_text(row: Mapping[str, object], language: str | None) -> bool:
    """Whether there is something to say in a language."""
    return bool(row[f"text_{language or 'zh'}"])


def render(row: Mapping[str, str | None], language: str, values: Mapping[str, str]) -> Said:
    """The template with its places filled in; every placeholder is among the values."""
    once = values["name"] == values["company"]

    def fill(text: str | None) -> str:
        said = text or ""
        if once:
            said = _BOTH.sub(lambda found: f"{found[1] or ''}{{name}}{found[2] or ''}", said)
        return _SPACES.sub(" ", _PLACE.sub(lambda found: values[found[1]], said)).strip()

    return Said(fill(row[f"subject_{language}"]), fill(row[f"text_{language}"]))


def honorific(sex: str | None, language: str) -> str:
    """How somebody is addressed; empty where it is not known."""
    return _HONORIFICS.get((language, sex or ""), "")
