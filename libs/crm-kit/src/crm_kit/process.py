"""A service as a process: it answers, or does the background work, or both, until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType

from grpc_health.v1 import health_pb2

from crm_kit import collector, rotation
from crm_kit.inbox import Inbox
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_kit.timers import Timer, Timers
from crm_kit.work import Work

log = logging.getLogger("service")

ROTATING = 5.0
"""Seconds between looks whether keys were changed and values wait to be sealed again."""
GRACE = 10.0
"""Seconds that requests under way are given to finish after SIGTERM."""


def serve(service: Service, *, work: bool = True) -> None:
    """Answer RPCs until SIGTERM, and do the background work in the same process."""
    service.keys.check()
    worker = _worker(service, service.inbox())
    clock, runner = _clock(service, worker), service.runner(worker.wake)

    def committed(call: Call) -> None:
        if call.events:
            worker.wake()
        if call.queued:
            runner.wake()

    server, state = service.server(committed) if work else service.server()
    service.listen(server)
    stop = _stop_signal()
    _expose_metrics(service.settings.metrics_address)
    server.start()
    if work:
        worker.start()
        clock.start()
        runner.start()
    collector.settle()
    state.set("", health_pb2.HealthCheckResponse.SERVING)
    log.info("serving on %s", service.settings.address)
    stop.wait()
    state.enter_graceful_shutdown()
    drained = server.stop(GRACE)
    if work:  # a step under way ends while the last requests are answered, not after them
        runner.stop()
        clock.stop()
    drained.wait()
    service.rpcs.refusals.flush()
    if work:
        worker.stop()
    log.info("stopped")


def work(service: Service, *, relay: bool = True, read: bool = True) -> None:
    """Do only the background work, until SIGTERM."""
    service.keys.check()
    stop = _stop_signal()
    _expose_metrics(service.settings.metrics_address)
    worker = _worker(service, service.inbox() if read else None, relay=relay)
    clock, runner = _clock(service, worker), service.runner(worker.wake)
    worker.start()
    clock.start()
    runner.start()
    collector.settle()
    log.info("working")
    stop.wait()
    runner.stop()
    clock.stop()
    worker.stop()
    log.info("stopped")


def _worker(service: Service, reader: Inbox | None, *, relay: bool = True) -> Work:
    url, fresh = service.settings.nats_url, service.tells_freshness
    return Work(service.writer, url, reader, relay=relay, tells_freshness=fresh, swept=service.end_sweep)


def _clock(service: Service, worker: Work) -> Timers:
    """What is done by the clock: the service's own, and sealing again what old keys sealed."""
    timers = [*service.timers, Timer(ROTATING, lambda _call: _rotate(service))]
    return Timers(service.writer, timers, lambda act: _by_the_clock(service, act, worker))


def _rotate(service: Service) -> None:
    rotation.go_on(service.keys, service.writer, service.sealed_tables())


def _by_the_clock(service: Service, what: Callable[[Call], None], worker: Work) -> None:
    if service.act(what):
        worker.wake()


def _stop_signal() -> threading.Event:
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def _expose_metrics(address: str) -> None:
    """Serve /metrics where METRICS_ADDRESS says so."""
    if address:
        from prometheus_client import start_http_server

        host, _, port = address.rpartition(":")
        start_http_server(int(port), host or "127.0.0.1")
