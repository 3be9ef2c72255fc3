"""Care plans: what must hold of one, and whom it reaches.

A plan runs in its owner's name: it finds whom the owner sees, by fields that the owner sees.
"""

from __future__ import annotations

from sqlalchemy import select

from crm.customer.v1 import care_plans_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import custom_fields, filter_language, filters, visibility, writing
from crm_records.record import Record, Row
from customer.care.tables import care_plan, care_template
from customer.care.templates import has_text
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS

errors.texts(
    {
        "channel_of_another": ("模板的方式与方案不同", "The template is for another channel"),
        "audience_of_company": (
            "该时机属于客户，请选择客户或主联系人",
            "The occasion is the company's: choose customers or primary contacts",
        ),
        "filter_without_contacts": ("对象不是联系人，不能设置联系人条件", "There are no contacts to filter"),
    }
)
DAY, DATE, BIRTHDAY, COMPANY, FIRST_DEAL, OCCASION = (
    "day",
    "date",
    "birthday",
    "company_anniversary",
    "first_deal",
    "occasion",
)
CONTACTS_, PRIMARY, CUSTOMERS_ = "contacts", "primary_contacts", "customers"
_GOES_WITH = {DAY: "day_id", DATE: "date", OCCASION: "occasion_kind"}
_USUAL = {"days_before": 0, "hour": 9, "propose_days": 3, "language": "zh"}


class CarePlans(Record):
    """See the contract for the fields."""

    message = pb.CarePlan
    table = care_plan
    plural = "care_plans"

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["kind"] = "general" if row["occasion"] in (DAY, DATE) else "special"
        for name, usual in _USUAL.items():
            row[name] = usual if row[name] is None else row[name]
        needed = _GOES_WITH.get(row["occasion"])
        for name in _GOES_WITH.values():
            if name != needed:
                row[name] = None
        if needed and row[needed] is None:
            field = self.fields[needed]
            raise errors.Invalid(Problem(field.json_name, "required", {"label": field.label}))
        if row["occasion"] in (COMPANY, FIRST_DEAL) and row["audience"] == CONTACTS_:
            raise errors.Invalid(Problem("audience", "audience_of_company"))
        if row["contact_filter"] and row["audience"] == CUSTOMERS_:
            raise errors.Invalid(Problem("contactFilter", "filter_without_contacts"))
        _check_filter(call, CUSTOMERS, row["customer_filter"], "customerFilter")
        _check_filter(call, CONTACTS, row["contact_filter"], "contactFilter")
        _check_template(call, row)


CARE_PLANS = CarePlans()


def _check_filter(call: Call, record: Record, text: str | None, field: str) -> None:
    """A filter that lists would refuse is refused when it is saved."""
    if not text:
        return
    try:
        tree = filter_language.parse(text)
        view = visibility.of(call, record)
        if view is not None:
            filter_language.refuse(tree, view.is_blind)
        compiled = filters.compile_tree(record, tree, custom_fields.kinds_of(call, record))
        compiled.parameters(tree, call.connection)
    except errors.Invalid as refusal:
        raise errors.Invalid(Problem(field, refusal.key, refusal.params)) from None


def _check_template(call: Call, row: Row) -> None:
    query = select(care_template).where(care_template.c.id == row["template_id"])
    template = dict(call.connection.execute(query).mappings().one())
    problems = []
    if template["channel"] != row["channel"]:
        problems.append(Problem("channel", "channel_of_another"))
    if not has_text(template, row["language"]):
        problems.append(Problem("language", "template_lacks_language"))
    writing.refuse(problems)
