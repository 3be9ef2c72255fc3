"""Public pools, as a part of the service."""

from __future__ import annotations

from crm_records.part import Part
from customer.pools import first_entries, returning, simulating
from customer.pools.pools import POOLS
from customer.pools.rpc import PoolCustomerServicer, PoolServicer

PART = Part(
    servicers=[PoolServicer, PoolCustomerServicer],
    records=[POOLS],
    jobs=[returning.daily(), simulating.kind()],
    seed=first_entries.seed_dictionaries,
)
