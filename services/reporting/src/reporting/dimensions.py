"""What keys of the figures are called: products, stages, entries of dictionaries."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from crm.records.v1.event_pb2 import Event
from crm.records.v1.records_pb2 import DictionaryEntry
from crm.sales.v1.opportunities_pb2 import Pipeline
from crm.sales.v1.products_pb2 import Product
from crm_kit import array_rows
from crm_kit.inbox import Handler
from reporting.records import newest, unpack
from reporting.tables import dim_entry, dim_pipeline, dim_product, dim_stage


def apply_products(connection: Connection, events: Sequence[Event]) -> None:
    """Keep the names of products; a deleted one is still named where it was sold."""
    rows = [{"id": e.record_id, "name": unpack(Product, e).name, "version": e.version} for e in newest(events)]
    array_rows.upsert(connection, dim_product, rows)


def apply_pipelines(connection: Connection, events: Sequence[Event]) -> None:
    """Keep pipelines and their stages, in order."""
    pipelines = {e.record_id: (unpack(Pipeline, e), e.version) for e in newest(events)}
    rows = [
        {"id": p.id, "is_default": p.default, "deleted": p.HasField("delete_time"), "version": version}
        for p, version in pipelines.values()
    ]
    stored = array_rows.upsert(connection, dim_pipeline, rows)
    stages = [
        {
            "pipeline_id": i,
            "position": position,
            "code": stage.code,
            "kind": stage.kind,
            "label_zh": stage.label_zh,
            "label_en": stage.label_en,
        }
        for i in stored
        for position, stage in enumerate(pipelines[i][0].stages)
    ]
    array_rows.replace(connection, dim_stage, "pipeline_id", stored, stages)


def entries_of(service: str) -> Handler:
    """Keeps the labels of a service's dictionaries."""

    def apply(connection: Connection, events: Sequence[Event]) -> None:
        rows = []
        for event in newest(events):
            entry = unpack(DictionaryEntry, event)
            rows.append(
                {
                    "service": service,
                    "dictionary": entry.dictionary,
                    "code": entry.code,
                    "label_zh": entry.label_zh,
                    "label_en": entry.label_en,
                    "version": event.version,
                }
            )
        array_rows.upsert(connection, dim_entry, rows)

    return apply
