"""What merging has for the service's wiring: its job, and what taking an act back does besides."""

from __future__ import annotations

from crm_kit.jobs import Kind
from crm_kit.rpc import Call
from crm_records.following_merges import MERGE
from crm_records.registry import Registry
from crm_records.undoing import Undone
from customer.merging import merges, redirects


def kind_of_job(registry: Registry) -> Kind:
    """Merges with which much moves."""
    label = ("合并", "Merge")
    return Kind(MERGE, label, lambda call, job: merges.step(call, registry.records, job), ended=merges.given_up)


def undone(registry: Registry) -> dict[str, Undone]:
    """By kind of act."""

    def before(call: Call, _record_type: str, act_id: str) -> None:
        redirects.refuse_built_on(call, act_id)

    def after(call: Call, record_type: str, act_id: str) -> None:
        merges.undone(call, registry.records[record_type], act_id)

    return {MERGE: Undone(before, after)}
