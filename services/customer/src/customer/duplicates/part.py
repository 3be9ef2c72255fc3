"""Duplicates, as a part of the service."""

from __future__ import annotations

from crm_kit.jobs import Kind
from crm_kit.rpc import Call
from crm_records.part import Part
from customer.duplicates import clusters, deriving, dismissals, key_switch
from customer.duplicates.rpc import (
    DuplicateClusterServicer,
    DuplicateDismissalServicer,
    DuplicateKeyServicer,
    DuplicateServicer,
)


def _seed(call: Call) -> None:
    key_switch.seed(call)
    deriving.seed(call)


PART = Part(
    servicers=[DuplicateServicer, DuplicateKeyServicer, DuplicateDismissalServicer, DuplicateClusterServicer],
    records=[key_switch.KEYS, dismissals.DISMISSALS],
    jobs=[
        Kind(deriving.DERIVE, ("建立查重索引", "Derive what duplicates are found by"), deriving.derive),
        Kind(key_switch.BUILD, ("建立查重硬键", "Build a duplicate key"), key_switch.build, ended=key_switch.ended),
        Kind(clusters.FIND, ("查找重复客户", "Find duplicate customers"), clusters.find),
    ],
    seed=_seed,
)
