"""What reporting listens to. It asks no service anything: whatever a report shows came as an event."""

from __future__ import annotations

from crm_kit.inbox import Handler
from reporting import customers, dimensions, opportunities, service_requests

HANDLERS: dict[str, Handler] = {
    "customer.customer": customers.apply,
    "customer.dictionary_entry": dimensions.entries_of("customer"),
    "sales.opportunity": opportunities.apply,
    "sales.product": dimensions.apply_products,
    "sales.pipeline": dimensions.apply_pipelines,
    "sales.dictionary_entry": dimensions.entries_of("sales"),
    "service-desk.service_request": service_requests.apply,
    "service-desk.dictionary_entry": dimensions.entries_of("service-desk"),
}
