"""A service put together: what it answers, what it listens to, and the commands that run it.

`Service` is the one wiring of a service; its `__main__` calls `run()`, tests use the same object.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from sqlalchemy import Connection, Engine, MetaData, Table

from crm_kit import (
    collector,
    db,
    idempotency,
    inbox,
    job_files,
    key_commands,
    logs,
    organisation,
    outbox,
    pool,
    rotation,
    rpc,
    sealing,
    sweeping,
    team,
)
from crm_kit.handlers import merged
from crm_kit.inbox import Every, Handler, Inbox
from crm_kit.job_runner import Jobs
from crm_kit.jobs import Kind
from crm_kit.jobs import metadata as jobs_metadata
from crm_kit.organisation_reader import Organisation
from crm_kit.peers import Peers
from crm_kit.settings import Settings, SettingsError
from crm_kit.timers import Timer, Timers
from crm_kit.work import STREAM, Work

log = logging.getLogger("service")

KIT_METADATA = (
    outbox.metadata,
    inbox.metadata,
    organisation.metadata,
    idempotency.metadata,
    team.metadata,
    pool.metadata,
    sealing.metadata,
    rotation.metadata,
    jobs_metadata,
    job_files.metadata,
    sweeping.metadata,
)
SHARED = "crm.records.v1"
"""What every service with records answers for its own."""
MAX_MESSAGE = 32 * 1024 * 1024
ROTATING = 5.0
"""Seconds between looks whether keys were changed and values wait to be sealed again."""
GRACE = 10.0
"""Seconds that requests under way are given to finish after SIGTERM."""


@dataclass(slots=True)
class Service:
    """One service: its name, its servicers by the name of the contract's service, its event handlers, its tables."""

    name: str
    contract: str
    """Package of the generated code, e.g. "crm.customer.v1"."""
    servicers: Callable[[Service], Mapping[str, object]]
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    every: Every | None = None
    """Applies every event of every service, its own too, before the handlers."""
    metadata: Sequence[MetaData] = ()
    versions: Sequence[Path] = ()
    """Folders of migrations, besides the kit's."""
    copies_organisation: bool = True
    """False only for identity, which writes the copy as it records its own events."""
    tells_freshness: bool = False
    before_commit: Callable[[rpc.Call], None] = lambda call: None
    """What an RPC that writes does last in its transaction, when its events are known."""
    before_replay: Callable[[rpc.Call, Message], None] | None = None
    """What an answer that was kept for a repeated key goes through before it is given again: it must show no more than
    its reader sees by now. A service whose RPCs that write answer records does not start without."""
    seed: Callable[[rpc.Call], None] | None = None
    """Stores what a new installation starts with; run after every migration, so it must add only what is missing."""
    swept: Callable[[Connection, sweeping.Sweep], None] = lambda connection, sweep: None
    """What is done in the transaction in which a sweep of the stream ends."""
    timers: Sequence[Timer] = ()
    jobs: Sequence[Kind] = ()
    job_ended: Callable[[rpc.Call, str], None] = lambda call, job_id: None
    """Tells the end of a job, by its id, in the transaction that ends it."""
    commands: Mapping[str, Callable[[Service], None]] = field(default_factory=dict)
    """What an operator can do with this service beyond the commands that all have."""
    settings: Settings = field(init=False)
    writer: Engine = field(init=False)
    reader: Engine = field(init=False)
    beside: Engine = field(init=False)
    """For a short transaction of its own within an RPC, which holds a connection of the writer: see `db.apart`."""
    organisation: Organisation = field(init=False)
    rpcs: rpc.Rpcs = field(init=False)
    keys: sealing.Keyring = field(init=False)

    def connect(self, settings: Settings) -> None:
        """Make the pools. Nothing is connected before the first use."""
        self.settings = settings
        self.writer = db.engine(settings.database_url, self.name, size=settings.threads)
        self.reader = db.engine(settings.database_url, self.name, size=settings.threads, read_only=True)
        self.beside = db.apart(self.writer, self.name)
        self.organisation = Organisation(self.reader)
        self.keys = sealing.connect(self.writer, settings.key_file)

    def inbox(self) -> Inbox | None:
        """The reader of the other services' events; None if there is nothing to listen to."""
        copied = {**(organisation.HANDLERS if self.copies_organisation else {}), **team.HANDLERS, **pool.HANDLERS}
        kept = {name: self._forgetting(h) for name, h in copied.items()}
        handlers = merged(kept, self.handlers)
        return Inbox(self.writer, STREAM, handlers, self.every) if handlers or self.every else None

    def _forgetting(self, handler: Handler) -> Handler:
        """An event of the organisation, of a team or of a pool ends what this process kept of it."""

        def apply(connection: Any, events: Any) -> None:
            handler(connection, events)
            self.organisation.forget()

        return apply

    def server(
        self, committed: Callable[[rpc.Call], None] = lambda call: None
    ) -> tuple[grpc.Server, health.HealthServicer]:
        """The gRPC server with every RPC of the contract, not started. `committed` is told of each that wrote."""
        server = grpc.server(
            ThreadPoolExecutor(self.settings.threads, thread_name_prefix="rpc"),
            options=[
                ("grpc.so_reuseport", 1),
                ("grpc.max_receive_message_length", MAX_MESSAGE),
                ("grpc.max_send_message_length", MAX_MESSAGE),
                ("grpc.max_metadata_size", 16 * 1024),
            ],
            maximum_concurrent_rpcs=self.settings.threads * 16,
        )
        tls = self.settings.tls
        peers = Peers(self.settings.trusted_peers, tls=tls is not None)
        hooks = self.before_commit, peers, self.before_replay
        rpcs = rpc.Rpcs(self.name, self.writer, self.reader, self.organisation, committed, *hooks)
        self.rpcs = rpcs
        own, shared = (rpc.services(contract_modules(package)) for package in (self.contract, SHARED))
        servicers = self.servicers(self)
        missing = set(own) - set(servicers)
        if missing:
            raise TypeError(f"{self.name} does not answer {', '.join(sorted(missing))}")
        handlers = [rpcs.handlers((own | shared)[name], servicer) for name, servicer in servicers.items()]
        state = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(state, server)
        server.add_generic_rpc_handlers(handlers)
        if tls:
            from crm_kit.tls import describe

            describe(server, [(own | shared)[name].full_name for name in servicers])
        return server, state

    def listen(self, server: grpc.Server) -> tuple[int, int]:
        """Open the plaintext port and, where it is set, the TLS port; 0 for none. SettingsError if one is taken."""
        plain, secure = server.add_insecure_port(self.settings.address), 0
        if not plain:
            raise SettingsError(f"{self.name} cannot listen on {self.settings.address}: the port is taken")
        if tls := self.settings.tls:
            from crm_kit.tls import Certificates

            secure = server.add_secure_port(tls.address, Certificates(tls).credentials())
            if not secure:
                raise SettingsError(f"{self.name} cannot listen on {tls.address}: the port is taken")
        return plain, secure

    def serve(self, *, work: bool = True) -> None:
        """Answer RPCs until SIGTERM, and do the background work in the same process."""
        self.keys.check()
        worker = self._worker(self.inbox())
        clock, runner = self._clock(worker), self.runner(worker.wake)

        def committed(call: rpc.Call) -> None:
            if call.events:
                worker.wake()
            if call.queued:
                runner.wake()

        server, state = self.server(committed) if work else self.server()
        self.listen(server)
        stop = _stop_signal()
        _expose_metrics(self.settings.metrics_address)
        server.start()
        if work:
            worker.start()
            clock.start()
            runner.start()
        collector.settle()
        state.set("", health_pb2.HealthCheckResponse.SERVING)
        log.info("serving on %s", self.settings.address)
        stop.wait()
        state.enter_graceful_shutdown()
        drained = server.stop(GRACE)
        if work:  # a step under way ends while the last requests are answered, not after them
            runner.stop()
            clock.stop()
        drained.wait()
        self.rpcs.refusals.flush()
        if work:
            worker.stop()
        log.info("stopped")

    def work(self, *, relay: bool = True, read: bool = True) -> None:
        """Do only the background work, until SIGTERM."""
        self.keys.check()
        stop = _stop_signal()
        _expose_metrics(self.settings.metrics_address)
        worker = self._worker(self.inbox() if read else None, relay=relay)
        clock, runner = self._clock(worker), self.runner(worker.wake)
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

    def _worker(self, reader: Inbox | None, *, relay: bool = True) -> Work:
        url, fresh = self.settings.nats_url, self.tells_freshness
        return Work(self.writer, url, reader, relay=relay, tells_freshness=fresh, swept=self.end_sweep)

    def migrate(self, *, check: bool = False) -> bool:
        """Bring the database to this release; with `check` only say whether it is."""
        from crm_kit import migrate

        alembic = migrate.config(self.writer, self.versions, [*KIT_METADATA, *self.metadata])
        if check:
            return migrate.is_current(alembic)
        if not migrate.is_current(alembic):
            migrate.upgrade(alembic)
        self.keys.ensure()
        if self.seed is not None:
            self.act(self.seed)
        return True

    def act(self, what: Callable[[rpc.Call], None]) -> bool:
        """Let the suite itself do something: one transaction with its events. Whether there are any to send."""
        with self.writer.begin() as connection:
            call = rpc.system_call(connection, self.name, self.organisation)
            what(call)
            call.send_events()
        for then in call.after_commit:
            then()
        return bool(call.events)

    def runner(self, wake: Callable[[], None] = lambda: None) -> Jobs:
        """What does the service's jobs; `wake` is told of events to send."""
        name, organisation = self.name, self.organisation
        return Jobs(self.writer, name, organisation, self.jobs, committed=wake, ended=self.job_ended)

    def end_sweep(self, sweep: sweeping.Sweep) -> None:
        """The stream holds nothing any more of what was to go from it."""
        with self.writer.begin() as connection:
            sweeping.drop(connection, sweep.id)
            self.swept(connection, sweep)

    def _clock(self, worker: Work) -> Timers:
        """What is done by the clock: the service's own, and sealing again what old keys sealed."""
        timers = [*self.timers, Timer(ROTATING, lambda _call: self._rotate())]
        return Timers(self.writer, timers, lambda act: self._by_the_clock(act, worker))

    def _rotate(self) -> None:
        rotation.go_on(self.keys, self.writer, self._sealed_tables())

    def _sealed_tables(self) -> Sequence[Table]:
        return rotation.tables([*KIT_METADATA, *self.metadata])

    def _by_the_clock(self, what: Callable[[rpc.Call], None], worker: Work) -> None:
        if self.act(what):
            worker.wake()

    def run(self, arguments: Sequence[str] = ()) -> None:
        """The command line of a service process: serve, work, migrate, retry-dead-letters, keys and their change."""
        words = list(arguments or sys.argv[1:])
        try:
            settings = Settings.from_environment(self.name)
            logs.configure(self.name, settings.log_level)
            self.connect(settings)
            match words:
                case ["serve"]:
                    self.serve()
                case ["serve", "--no-work"]:
                    self.serve(work=False)
                case ["work"]:
                    self.work()
                case ["work", "--only", "relay"]:
                    self.work(read=False)
                case ["work", "--only", "reader"]:
                    self.work(relay=False)
                case ["migrate"]:
                    self.migrate()
                case ["migrate", "--check"]:
                    sys.exit(0 if self.migrate(check=True) else 1)
                case ["retry-dead-letters"]:
                    reader = self.inbox()
                    applied, failing = reader.retry_dead_letters() if reader else (0, 0)
                    sys.stdout.write(f"{applied} applied, {failing} still failing\n")
                case ["rotate-keys", *how] if how in ([], ["--rewrap"]):
                    key_commands.rotate(self.keys, self.writer, self._sealed_tables(), rewrap=bool(how))
                case ["add-master-key"]:
                    key_commands.add_master(self.keys)
                case ["keys"]:
                    key_commands.show(self.writer, self._sealed_tables())
                case [name] if name in self.commands:
                    self.commands[name](self)
                case _:
                    usual = "serve [--no-work]", "work [--only relay|reader]", "migrate [--check]", "retry-dead-letters"
                    of_keys = "keys", "rotate-keys [--rewrap]", "add-master-key"
                    sys.exit(f"usage: {' | '.join([*usual, *of_keys, *self.commands])}")
        except SettingsError as error:
            sys.exit(f"{self.name}: {error}")
        finally:
            sys.stdout.flush()


def contract_modules(package: str) -> list[ModuleType]:
    """Every generated module of a package of the contract."""
    found = importlib.import_module(package)
    names = [m.name for m in pkgutil.iter_modules(found.__path__) if m.name.endswith("_pb2")]
    return [importlib.import_module(f"{package}.{name}") for name in sorted(names)]


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
