"""The sales service put together."""

from __future__ import annotations

from pathlib import Path

from crm_kit.handlers import merged
from crm_kit.service import Service
from crm_records import following_merges, jobs, replaying
from crm_records import servicer as records
from crm_records import tables as records_tables
from crm_records.overview import OverviewServicer
from crm_records.registry import Registry
from sales import events, first_entries, overview, tables
from sales.categories import CATEGORIES
from sales.opportunities import OPPORTUNITIES
from sales.pipelines import PIPELINES
from sales.price_items import PRICE_ITEMS
from sales.price_lists import PRICE_LISTS
from sales.products import PRODUCTS
from sales.rpc.catalogue import PriceItemServicer, PriceListServicer, ProductCategoryServicer, ProductServicer
from sales.rpc.opportunities import OpportunityServicer, PipelineServicer

REGISTRY = Registry(
    [CATEGORIES, PRODUCTS, PRICE_LISTS, PRICE_ITEMS, PIPELINES, OPPORTUNITIES],
    foreign={"customer": tables.CUSTOMER.existing},
)

MERGES = {"customer.customer": "customer", "customer.contact": "contact"}
"""Others' records that are merged, by the source of their events."""
JOBS = [*following_merges.kinds_of_jobs(REGISTRY)]


def servicers(service: Service) -> dict[str, object]:
    REGISTRY.connect(service.writer)
    return {
        "ProductCategoryService": ProductCategoryServicer(),
        "ProductService": ProductServicer(),
        "PriceListService": PriceListServicer(),
        "PriceItemService": PriceItemServicer(),
        "PipelineService": PipelineServicer(),
        "OpportunityService": OpportunityServicer(),
        "OverviewService": OverviewServicer("sales", overview.PARTS),
        **records.servicers(REGISTRY, service.jobs),
    }


SERVICE = Service(
    name="sales",
    contract="crm.sales.v1",
    servicers=servicers,
    handlers=merged(
        events.HANDLERS, following_merges.handlers("sales", REGISTRY, MERGES), records.handlers("sales", REGISTRY)
    ),
    jobs=JOBS,
    job_ended=jobs.ended,
    seed=first_entries.seed_first_entries,
    swept=records.swept("sales"),
    before_replay=replaying.before_replay(REGISTRY),
    metadata=[*records_tables.METADATA, tables.metadata],
    versions=[records_tables.VERSIONS, Path(__file__).parent / "migrations" / "versions"],
)
