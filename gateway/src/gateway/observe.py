"""What operators see of each request: one log line and two metrics. Nothing of what the request said."""

import os
import sys
import time
from datetime import UTC, datetime

import orjson
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

from gateway.call import Call

REQUESTS = Counter("crm_http_requests_total", "HTTP requests answered", ["route", "method", "status"])
SECONDS = Histogram(
    "crm_http_request_seconds",
    "Time to answer an HTTP request",
    ["route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

_counts: dict[tuple[str, str, int], Counter] = {}
_times: dict[str, Histogram] = {}


def observe(call: Call, status: int) -> None:
    took = time.perf_counter() - call.started
    method = call.environ["REQUEST_METHOD"]
    if method not in METHODS:
        method = "other"  # what a caller invents must not become a series
    key = (call.route, method, status)
    if key not in _counts:
        _counts[key] = REQUESTS.labels(call.route, method, status)
        _times[call.route] = SECONDS.labels(call.route)
    _counts[key].inc()
    _times[call.route].observe(took)
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
        "level": "INFO" if status < 500 else "ERROR" if status == 500 else "WARNING",
        "service": "gateway",
        "message": "request",
        "requestId": call.request_id,
        "traceId": call.trace_parent[3:35],
        "method": method,
        "route": call.route,
        "status": status,
        "ms": round(took * 1000, 2),
        "userId": call.user_id,
        "peer": call.peer,
    }
    if call.acting_id:
        line["actingId"] = call.acting_id
    write_line(orjson.dumps(line))


def write_line(line: bytes) -> None:
    """One write, so that lines of several workers do not mix."""
    os.write(sys.stdout.fileno(), line + b"\n")


def exposition() -> bytes:
    """The metrics of all workers, where there are several."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)
    registry.register(REQUESTS)
    registry.register(SECONDS)
    return generate_latest(registry)
