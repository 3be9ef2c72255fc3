"""CustomerService: the standard RPCs, and briefs, counts, assignment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from crm.customer.v1 import customers_pb2 as pb
from crm.records.v1 import records_pb2 as records_pb
from crm_kit import errors, organisation
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import assigning, bulk, counting, dictionaries, fields, listing, search, writing
from crm_records.record import Record, Unseen
from crm_records.servicer import Servicer
from customer.allocation import asking
from customer.customers import CUSTOMERS
from customer.customers import Customers as CustomerRecord
from customer.merging import redirects
from customer.review import marks
from customer.tables import customer


class Briefs(CustomerRecord):
    """What everybody who may see briefs knows: the same rows, asked for under a right and scope of their own."""

    search = ("name", "short_name", "pinyin", "pinyin_initials")
    search_whole = ()
    list_fields = ("name", "region", "province", "city", "relation", "last_contact_time", "owner_id")
    ruled_by = "customer"

    def searched_parts(self) -> Sequence[Record]:
        return ()

    def search_condition(self) -> ColumnElement[bool]:
        """By name only: a search must not tell the phone number or the contacts of what one does not see."""
        names = (customer.c.name, customer.c.short_name, customer.c.pinyin, customer.c.pinyin_initials)
        return and_(search.condition(customer), or_(*map(search.holds, names)))

    def search_exactly(self, words: str, unseen: Unseen) -> list[tuple[str, str]]:
        return []

    def __init__(self) -> None:
        super().__init__()
        self.type = "customer_brief"


BRIEFS = Briefs()
GROUPABLE = ("owner_id", "department_id", "province", "city")
"""Fields without a dictionary that counts may be grouped by."""
BRIEF_TAKES = ("page_size", "page_token", "search")
"""What a list of briefs may be asked: by the rest one could ask for more than briefs tell."""

errors.texts({"not_taken": ("此处不支持{label}", "{label} is not possible here")})


def brief_message(m: Any, names: Mapping[str, str]) -> pb.CustomerBrief:
    """A customer as the brief view tells it; `names` are those of owners by id."""
    return pb.CustomerBrief(
        id=m.id,
        name=m.name,
        region=m.region,
        province=m.province,
        city=m.city,
        relation=m.relation,
        owner_name=names.get(m.owner_id, ""),
        last_contact_time=m.last_contact_time if m.HasField("last_contact_time") else None,
    )


class CustomerServicer(Servicer):
    record = CUSTOMERS
    service = pb.DESCRIPTOR.services_by_name["CustomerService"]

    def GetCustomer(self, call: Call, request: records_pb.GetRequest) -> pb.Customer:
        found: pb.Customer = redirects.get(call, CUSTOMERS, request)
        return found

    def CreateCustomer(self, call: Call, request: pb.CreateCustomerRequest) -> pb.Customer:
        if request.allocate:
            asking.ask(call)
        made: pb.Customer = writing.create(call, CUSTOMERS, request.customer)
        return made

    def ImportCustomers(self, call: Call, request: pb.ImportCustomersRequest) -> records_pb.BulkResponse:
        if request.allocate:
            asking.ask(call)
        return bulk.import_rows(call, CUSTOMERS, request.customers)

    def AssignCustomer(self, call: Call, request: pb.AssignCustomerRequest) -> pb.Customer:
        to = assigning.taker(request)
        after = writing.write(call, CUSTOMERS, request.id, request.etag, "assigned", lambda _before: to)
        return writing.answer(call, CUSTOMERS, after)

    def ApproveCustomer(self, call: Call, request: pb.ApproveCustomerRequest) -> pb.Customer:
        return marks.approve(call, CUSTOMERS, request)

    def ReturnCustomer(self, call: Call, request: pb.ReturnCustomerRequest) -> pb.Customer:
        return marks.send_back(call, CUSTOMERS, request)

    def ListCustomerBriefs(self, call: Call, request: records_pb.ListRequest) -> pb.ListCustomerBriefsResponse:
        kinds = fields.of(request.DESCRIPTOR)
        refused = [kinds[f.name] for f, _ in request.ListFields() if f.name not in BRIEF_TAKES]
        writing.refuse(Problem(f.json_name, "not_taken", {"label": f.label}) for f in refused)
        page = listing.page(call, BRIEFS, request)
        owners = {m.owner_id for m in page.messages if m.owner_id}
        query = select(organisation.user.c.id, organisation.user.c.name)
        names = {r.id: r.name for r in call.connection.execute(query.where(one_of(organisation.user.c.id, owners)))}
        answer = pb.ListCustomerBriefsResponse(next_page_token=page.next_page_token)
        answer.customers.extend(brief_message(m, names) for m in page.messages)
        return answer

    def CountCustomers(self, call: Call, request: pb.CountCustomersRequest) -> pb.CountCustomersResponse:
        field = _group_field(request.group_by)
        groups, total = counting.count_groups(call, CUSTOMERS, field.name, request.filter, request.search)
        names: dict[str, str] = {}
        if field.references == "user":
            query = select(organisation.user.c.id, organisation.user.c.name)
            ids = [key for key, _ in groups if key]
            names = {r.id: r.name for r in call.connection.execute(query.where(one_of(organisation.user.c.id, ids)))}
        answer = pb.CountCustomersResponse(total=total)
        for key, n in groups:
            text = str(key or "")
            label = dictionaries.label(call, field.dictionary, text) if field.dictionary else names.get(text, text)
            answer.groups.add(key=text, label=label, count=n)
        return answer


def _group_field(name: str) -> Any:
    """The field that a count is grouped by, or a refusal."""
    field = CUSTOMERS.stored.get(name) or next((f for f in CUSTOMERS.stored.values() if f.json_name == name), None)
    if field is None or not (field.dictionary or field.values or field.name in GROUPABLE):
        raise errors.Invalid(Problem("groupBy", "unknown_field", {"name": name[:60]}))
    return field
