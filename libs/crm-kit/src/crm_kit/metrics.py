"""What a service counts. Exposed in the Prometheus text format on METRICS_ADDRESS."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RPCS = Counter("crm_rpc_total", "RPCs handled", ["rpc", "code"])
SECONDS = Histogram(
    "crm_rpc_seconds", "Time of an RPC in seconds", ["rpc"], buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
)
EVENTS_SENT = Counter("crm_events_sent_total", "Events sent by the relay")
EVENTS_APPLIED = Counter("crm_events_applied_total", "Events applied by the consumer")
EVENTS_REPEATED = Counter("crm_events_repeated_total", "Events that had been applied before")
DEAD_LETTERS = Gauge("crm_dead_letters", "Events that wait in the dead-letter table")
