"""The services of care."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from crm.customer.v1 import (
    care_days_pb2,
    care_items_pb2,
    care_plans_pb2,
    care_templates_pb2,
    occasions_pb2,
)
from crm.records.v1 import records_pb2
from crm_kit import errors, field_access
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import listing, writing
from crm_records.record import Record, Row
from crm_records.servicer import Servicer
from customer.care import festivals, items, people, progress, templates
from customer.care.festivals import CARE_DAYS
from customer.care.items import CARE_ITEMS
from customer.care.occasions import OCCASIONS
from customer.care.plans import CARE_PLANS
from customer.care.templates import CARE_TEMPLATES
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS
from customer.many import many

errors.texts({"one_person": ("请给出联系人或客户之一", "Give a contact or a customer, one of them")})


class CareDayServicer(Servicer):
    record = CARE_DAYS
    service = care_days_pb2.DESCRIPTOR.services_by_name["CareDayService"]

    def GetCareCalendar(self, call: Call, request: care_days_pb2.GetCareCalendarRequest) -> care_days_pb2.CareCalendar:
        return festivals.calendar(call, request)


class CareTemplateServicer(Servicer):
    record = CARE_TEMPLATES
    service = care_templates_pb2.DESCRIPTOR.services_by_name["CareTemplateService"]

    def PreviewCareTemplate(
        self, call: Call, request: care_templates_pb2.PreviewCareTemplateRequest
    ) -> care_templates_pb2.CarePreview:
        given = writing.given(request)
        template = listing.read(
            call, CARE_TEMPLATES, request.id, tuple(CARE_TEMPLATES.fields), tuple(CARE_TEMPLATES.stored)
        )
        language = given["language"] or "zh"
        texts = {n: getattr(template, n) for n in ("subject_zh", "text_zh", "subject_en", "text_en")}
        if not templates.has_text(texts, language):
            raise errors.Conflict("template_lacks_language")
        one = _somebody(call, given)
        owner = people.owner_names(call, [one]).get(one.owner_id or "", "")
        said = templates.render(texts, language, one.values(language, owner, given["occasion"] or ""))
        return care_templates_pb2.CarePreview(subject=said.subject, text=said.text)


def _somebody(call: Call, given: Row) -> people.Recipient:
    """The person of a preview, as far as the caller sees them."""
    if bool(given["contact_id"]) == bool(given["customer_id"]):
        raise errors.Invalid(Problem("contactId", "one_person"))
    record: Record = CONTACTS if given["contact_id"] else CUSTOMERS
    record_id = given["contact_id"] or given["customer_id"]
    call.need(f"{record.type}.read")
    right, call.caller.right = call.caller.right, f"{record.type}.read"
    try:
        asked = records_pb2.GetRequest(id=record_id, fields="*")
        seen: Any = listing.get(call, record, asked)
    finally:
        call.caller.right = right
    found = people.load(call, record.type, [record_id])
    if record_id not in found:
        raise errors.NotFound()
    one = found[record_id]
    # As the caller sees the person: a name that is hidden or masked stays so.
    if record is CUSTOMERS:
        company = seen.name if seen.kind == "individual" else seen.short_name or seen.name
    else:
        company = _shown_company(call, one.company)
    return replace(one, name=seen.name, sex=seen.sex or None, company=company)


def _shown_company(call: Call, company: str) -> str:
    """What a contact's customer is called, as far as the caller sees both the name and the short name."""
    rules = call.access.fields(CUSTOMERS.type)
    for name in ("name", "short_name") if rules else ():
        company = field_access.shown(rules, name, company)
    return company


class CarePlanServicer(Servicer):
    record = CARE_PLANS
    service = care_plans_pb2.DESCRIPTOR.services_by_name["CarePlanService"]

    def AssignCarePlan(self, call: Call, request: care_plans_pb2.AssignCarePlanRequest) -> care_plans_pb2.CarePlan:
        given = writing.given(request)
        changed = writing.write(call, CARE_PLANS, request.id, request.etag, "assigned", lambda _before: given)
        return writing.answer(call, CARE_PLANS, changed)


class OccasionServicer(Servicer):
    record = OCCASIONS
    service = occasions_pb2.DESCRIPTOR.services_by_name["OccasionService"]


class CareItemServicer(Servicer):
    record = CARE_ITEMS
    service = care_items_pb2.DESCRIPTOR.services_by_name["CareItemService"]

    def ConfirmCareItem(self, call: Call, request: care_items_pb2.ConfirmCareItemRequest) -> care_items_pb2.CareItem:
        return items.confirm(call, request.id, request.etag)

    def SkipCareItem(self, call: Call, request: care_items_pb2.SkipCareItemRequest) -> care_items_pb2.CareItem:
        return items.skip(call, request.id, request.etag, writing.given(request)["reason"])

    def CompleteCareItem(self, call: Call, request: care_items_pb2.CompleteCareItemRequest) -> care_items_pb2.CareItem:
        return items.complete(call, request)

    def FailCareItem(self, call: Call, request: care_items_pb2.FailCareItemRequest) -> care_items_pb2.CareItem:
        return items.fail(call, request)

    def ConfirmCareItems(self, call: Call, request: care_items_pb2.ConfirmCareItemsRequest) -> records_pb2.BulkResponse:
        return many(call, request.ids, lambda item_id: items.confirm(call, item_id, None))

    def SkipCareItems(self, call: Call, request: care_items_pb2.SkipCareItemsRequest) -> records_pb2.BulkResponse:
        reason = writing.given(request)["reason"]
        return many(call, request.ids, lambda item_id: items.skip(call, item_id, None, reason))

    def GetCareProgress(
        self, call: Call, request: care_items_pb2.GetCareProgressRequest
    ) -> care_items_pb2.CareProgress:
        return progress.progress(call, request)
