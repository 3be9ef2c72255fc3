"""The reporting service put together."""

from __future__ import annotations

from pathlib import Path

from crm_kit.service import Service
from reporting import events, rebuild, tables
from reporting.rpc.reports import ReportServicer


def servicers(_service: Service) -> dict[str, object]:
    return {"ReportService": ReportServicer()}


SERVICE = Service(
    name="reporting",
    contract="crm.reporting.v1",
    servicers=servicers,
    handlers=events.HANDLERS,
    metadata=[tables.metadata],
    versions=[Path(__file__).parent / "migrations" / "versions"],
    tells_freshness=True,
    commands={"rebuild": rebuild.run},
)
