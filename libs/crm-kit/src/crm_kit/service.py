"""A service put together: what it answers, what it listens to, what it stores.

`Service` is the one wiring of a service: `commands` runs it as a process, tests use the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2_grpc
from sqlalchemy import Connection, Engine, MetaData, Table

from crm_kit import (
    contract,
    db,
    idempotency,
    inbox_tables,
    job_files,
    organisation,
    outbox,
    pool,
    rotation,
    sealing,
    sweeping,
    team,
)
from crm_kit.answering import Rpcs
from crm_kit.handlers import merged
from crm_kit.inbox import Every, Handler, Inbox
from crm_kit.job_runner import Jobs
from crm_kit.jobs import Kind
from crm_kit.jobs import metadata as jobs_metadata
from crm_kit.organisation_reader import Organisation
from crm_kit.peers import Peers
from crm_kit.rpc import Call, system_call
from crm_kit.settings import Settings, SettingsError
from crm_kit.stream import STREAM
from crm_kit.timers import Timer
from crm_kit.tls import Certificates, describe

KIT_METADATA = (
    outbox.metadata,
    inbox_tables.metadata,
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
    before_commit: Callable[[Call], None] = lambda call: None
    """What an RPC that writes does last in its transaction, when its events are known."""
    before_replay: Callable[[Call, Message], None] | None = None
    """What an answer that was kept for a repeated key goes through before it is given again: it must show no more than
    its reader sees by now. A service whose RPCs that write answer records does not start without."""
    seed: Callable[[Call], None] | None = None
    """Stores what a new installation starts with; run after every migration, so it must add only what is missing."""
    swept: Callable[[Connection, sweeping.Sweep], None] = lambda connection, sweep: None
    """What is done in the transaction in which a sweep of the stream ends."""
    timers: Sequence[Timer] = ()
    jobs: Sequence[Kind] = ()
    job_ended: Callable[[Call, str], None] = lambda call, job_id: None
    """Tells the end of a job, by its id, in the transaction that ends it."""
    commands: Mapping[str, Callable[[Service], None]] = field(default_factory=dict)
    """What an operator can do with this service beyond the commands that all have."""
    settings: Settings = field(init=False)
    writer: Engine = field(init=False)
    reader: Engine = field(init=False)
    beside: Engine = field(init=False)
    """For a short transaction of its own within an RPC, which holds a connection of the writer: see `db.apart`."""
    organisation: Organisation = field(init=False)
    rpcs: Rpcs = field(init=False)
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
        self, committed: Callable[[Call], None] = lambda call: None
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
        rpcs = Rpcs(self.name, self.writer, self.reader, self.organisation, committed, *hooks)
        self.rpcs = rpcs
        own, shared = (contract.services(package) for package in (self.contract, SHARED))
        servicers = self.servicers(self)
        missing = set(own) - set(servicers)
        if missing:
            raise TypeError(f"{self.name} does not answer {', '.join(sorted(missing))}")
        handlers = [rpcs.handlers((own | shared)[name], servicer) for name, servicer in servicers.items()]
        state = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(state, server)
        server.add_generic_rpc_handlers(handlers)
        if tls:
            describe(server, [(own | shared)[name].full_name for name in servicers])
        return server, state

    def listen(self, server: grpc.Server) -> tuple[int, int]:
        """Open the plaintext port and, where it is set, the TLS port; 0 for none. SettingsError if one is taken."""
        plain, secure = server.add_insecure_port(self.settings.address), 0
        if not plain:
            raise SettingsError(f"{self.name} cannot listen on {self.settings.address}: the port is taken")
        if tls := self.settings.tls:
            secure = server.add_secure_port(tls.address, Certificates(tls).credentials())
            if not secure:
                raise SettingsError(f"{self.name} cannot listen on {tls.address}: the port is taken")
        return plain, secure

    def migrate(self, *, check: bool = False) -> bool:
        """Bring the database to this release; with `check` only say whether it is."""
        from crm_kit import migrate  # brings Alembic along, which no process that serves needs

        alembic = migrate.config(self.writer, self.versions, [*KIT_METADATA, *self.metadata])
        if check:
            return migrate.is_current(alembic)
        if not migrate.is_current(alembic):
            migrate.upgrade(alembic)
        self.keys.ensure()
        if self.seed is not None:
            self.act(self.seed)
        return True

    def act(self, what: Callable[[Call], None]) -> bool:
        """Let the suite itself do something: one transaction with its events. Whether there are any to send."""
        with self.writer.begin() as connection:
            call = system_call(connection, self.name, self.organisation)
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

    def sealed_tables(self) -> Sequence[Table]:
        """Those of its tables that hold sealed values."""
        return rotation.tables([*KIT_METADATA, *self.metadata])
