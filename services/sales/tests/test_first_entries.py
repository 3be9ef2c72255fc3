"""A new installation: it has what people need to begin, says so once, and keeps what they changed."""

from __future__ import annotations

import pytest
from alembic import command

from crm.sales.v1.opportunities_pb2 import Pipeline
from crm_kit import migrate
from crm_kit.service import KIT_METADATA
from crm_kit.testing import Client, Server
from sales.app import SERVICE
from sales.first_entries import DEFAULT_PIPELINE, DEFAULT_PRICE_LIST

pytestmark = pytest.mark.feature("SAL-10")


def test_there_is_a_pipeline_a_price_list_and_every_dictionary(boss: Client) -> None:
    pipeline = boss.GetPipeline(id=DEFAULT_PIPELINE)
    entries = boss.ListDictionaries(record_type="opportunity").entries

    assert [(s.code, s.kind, s.probability) for s in pipeline.stages] == [
        ("qualification", "open", 10),
        ("analysis", "open", 25),
        ("proposal", "open", 50),
        ("negotiation", "open", 75),
        ("won", "won", 100),
        ("lost", "lost", 0),
    ]
    assert (pipeline.default, pipeline.etag) == (True, "1")
    assert boss.GetPriceList(id=DEFAULT_PRICE_LIST).default
    assert {e.dictionary for e in entries} == {"opportunity_source", "lost_reason"}
    assert {"price", "quality", "not_agreed", "competitor", "budget", "other"} <= {
        e.code for e in entries if e.dictionary == "lost_reason"
    }


def test_first_data_is_announced_once_and_left_as_people_changed_it(boss: Client, server: Server) -> None:
    server.sql("DELETE FROM pipeline")
    SERVICE.migrate()
    (told,) = server.events("pipeline")
    record = Pipeline()
    told.record.Unpack(record)
    boss.UpdatePipeline(
        pipeline={"id": DEFAULT_PIPELINE, "name": "我们的流程"}, update_mask={"paths": ["name"]}, etag="1"
    )

    SERVICE.migrate()

    assert (told.action, told.version, told.actor_id, len(record.stages)) == ("created", 1, "", 6)
    assert boss.GetPipeline(id=DEFAULT_PIPELINE).name == "我们的流程"
    assert [e.action for e in server.events()] == ["created", "updated"]


def test_the_migrations_make_the_tables_that_the_code_describes(server: Server) -> None:
    command.check(migrate.config(SERVICE.writer, SERVICE.versions, [*KIT_METADATA, *SERVICE.metadata]))
