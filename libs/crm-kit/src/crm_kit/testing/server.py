"""A running service, its database, and the people who call it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message
from jwt.utils import base64url_encode
from sqlalchemy import insert, text

from crm.records.v1.event_pb2 import Event
from crm_kit import contract, ids, organisation, sweeping, tokens
from crm_kit.delivery import Delivery
from crm_kit.kept import Kept
from crm_kit.service import SHARED, Service
from crm_kit.settings import Settings, Tls
from crm_kit.testing.client import Client
from crm_kit.testing.postgres import database, key_file

KID = "test"
_KEY = Ed25519PrivateKey.generate()


@contextmanager
def running(service: Service, *, threads: int = 8, tls: Tls | None = None, name: str = "") -> Iterator[Server]:
    """The service's server on a port of its own, over a database made by its migrations, called `name` or as it is."""
    connect(service, name or service.name, threads=threads, tls=tls)
    service.migrate()
    server, _ = service.server()
    port, tls_port = service.listen(server)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Server(service, channel, f"127.0.0.1:{port}", tls_port)
    server.stop(0).wait()
    service.writer.dispose()
    service.reader.dispose()
    service.beside.dispose()


def connect(service: Service, name: str, *, threads: int = 4, tls: Tls | None = None) -> None:
    """Give a service a new, empty database of this name."""
    service.connect(
        Settings(
            service=service.name,
            database_url=database(name),
            nats_url="nats://127.0.0.1:1",
            address="127.0.0.1:0",
            log_level="WARNING",
            threads=threads,
            metrics_address="",
            key_file=key_file(),
            tls=tls,
        )
    )


class Server:
    """A running service as a test sees it."""

    def __init__(self, service: Service, channel: grpc.Channel, address: str, tls_port: int = 0) -> None:
        self.service, self._channel = service, channel
        self.address, self.tls_port = address, tls_port
        answered = contract.services(service.contract) | contract.services(SHARED)
        self._methods = {m.name: m for s in answered.values() for m in s.methods}
        self._remember_tables()
        self._sequence = 0
        self.nobody = self.client("")
        self.reset()

    def reset(self) -> None:
        """Empty the database; what migrations and first data filled in is there again, announced to nobody."""
        with self.service.writer.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql("SELECT seeded.reset()")
            x = base64url_encode(_KEY.public_key().public_bytes_raw()).decode()
            connection.execute(insert(organisation.signing_key).values(kid=KID, x=x, retired=False))
        self.service.organisation.forget()
        Kept.forget_all()
        self.service.servicers(self.service)  # numbers taken ahead of the emptied series would come twice

    def client(self, token: str, user_id: str = "", session_id: str = "") -> Client:
        """Calls the service's RPCs with an access token."""
        return self.over(self._channel, token, user_id, session_id)

    def over(self, channel: grpc.Channel, token: str, user_id: str = "", session_id: str = "") -> Client:
        """The same by a way of the caller's own, for example the TLS port."""
        return Client(channel, self._methods, token, user_id, session_id)

    def person(
        self,
        rights: Sequence[str] = ("*",),
        scope: str | Sequence[dict[str, Any]] = "all",
        *,
        name: str = "测试员",
        manager: Client | None = None,
        department_id: str | None = None,
        also: Sequence[str] = (),
        fields: Sequence[dict[str, Any]] = (),
        policy: dict[str, Any] | None = None,
    ) -> Client:
        """Somebody signed in with these rights, on everything of `scope` or on what a list of scopes says.

        `also` are ids of further roles; `fields` are the field rules of the first, `policy` says how it may be used.
        """
        user_id, session_id = ids.uuid7(), ids.uuid7()
        role_ids = [self.role(rights, scope, fields, policy), *also]
        self._insert(
            organisation.user,
            {
                "id": user_id,
                "username": f"u{user_id[-12:]}",
                "name": name,
                "department_id": department_id,
                "manager_id": manager.user_id if manager else None,
                "role_ids": role_ids,
                "grants": [],
                "active": True,
            },
        )
        return self.client(token(user_id, session_id), user_id, session_id)

    def viewing(self, admin: Client, person: Client) -> Client:
        """An administrator who looks through a person's eyes."""
        said = token(person.user_id, admin.session_id, acting_id=admin.user_id)
        return self.client(said, person.user_id, admin.session_id)

    def role(
        self,
        rights: Sequence[str],
        scope: str | Sequence[dict[str, Any]] = "all",
        fields: Sequence[dict[str, Any]] = (),
        policy: dict[str, Any] | None = None,
    ) -> str:
        """A role; its id."""
        role_id = ids.uuid7()
        scopes = [{"resource": "*", "scope": scope}] if isinstance(scope, str) else list(scope)
        self._insert(
            organisation.role,
            {
                "id": role_id,
                "code": f"role-{role_id}",
                "name": "角色",
                "rights": list(rights),
                "scopes": scopes,
                "field_rules": list(fields),
                "policy": policy or {},
            },
        )
        return role_id

    def department(self, name: str = "部门", parent_id: str | None = None, manager: Client | None = None) -> str:
        """A department of the organisation's copy; its id."""
        department_id, manager_id = ids.uuid7(), manager.user_id if manager else None
        made = {"id": department_id, "name": name, "parent_id": parent_id, "manager_id": manager_id}
        self._insert(organisation.department, made)
        return department_id

    def events(self, record_type: str = "") -> list[Event]:
        """What the service announced since the last reset, in order."""
        with self.service.writer.connect() as connection:
            rows = connection.execute(text("SELECT payload FROM outbox ORDER BY id")).scalars()
            told = [Event.FromString(bytes(row)) for row in rows]
        return [e for e in told if record_type in ("", e.record_type)]

    def deliver(self, source: str, *events: Event) -> None:
        """Apply events of the service `source` as the reader does."""
        self.receive([(source, e) for e in events])

    def receive(self, events: Sequence[tuple[str, Event]]) -> None:
        """The same of events of several services, each with its source, in the order of the stream."""
        if not events:
            return
        inbox = self.service.inbox()
        assert inbox is not None, f"{self.service.name} listens to nobody"
        batch = []
        for source, e in events:
            self._sequence += 1
            subject = f"crm.{source}.{e.record_type}.{e.action}"
            batch.append(Delivery(self._sequence, e.id, subject, e.SerializeToString()))
        inbox.apply(batch)

    def run_jobs(self, steps: int = 10_000) -> int:
        """Do the steps of queued jobs until nothing is left to do, or so many; how many were done."""
        runner = self.service.runner()
        return next((n for n in range(steps) if not runner.step()), steps)

    def sweep(self) -> int:
        """End every sweep that is ready, as the relay does when the stream holds nothing of it; how many."""
        ended = 0
        while True:
            with self.service.writer.connect() as connection:
                one = sweeping.ready(connection)
            if one is None:
                return ended
            self.service.end_sweep(one)
            ended += 1

    def sql(self, statement: str, **parameters: Any) -> list[Any]:
        """Run a statement on the service's database, in no transaction; the rows it gives."""
        with self.service.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            result = connection.execute(text(statement), parameters)
            return list(result) if result.returns_rows else []

    def _insert(self, table: Any, row: dict[str, Any]) -> None:
        with self.service.writer.begin() as connection:
            connection.execute(insert(table).values(deleted=False, version=1, **row))
        self.service.organisation.forget()

    def _remember_tables(self) -> None:
        """Keep aside what every table but Alembic's holds now, and write the function that brings it back.

        One function, planned once: a hundred tables asked for one by one are what most tests would wait for.
        """
        self.sql("CREATE SCHEMA seeded")
        steps = []
        for (name,) in self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            if name == "alembic_version":
                continue
            steps.append(f'DELETE FROM "{name}";')  # noqa: S608
            if name != "outbox" and self.sql(f'SELECT 1 FROM "{name}" LIMIT 1'):  # noqa: S608
                self.sql(f'CREATE TABLE seeded."{name}" AS SELECT * FROM "{name}"')  # noqa: S608
                steps.append(f'INSERT INTO "{name}" OVERRIDING SYSTEM VALUE SELECT * FROM seeded."{name}";')  # noqa: S608
        body = "\n".join(steps)
        self.sql(f"CREATE FUNCTION seeded.reset() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {body} END $$")


def token(user_id: str, session_id: str, *, pending: str = "", seconds: int = 900, acting_id: str = "") -> str:
    """An access token signed with the tests' key."""
    now = int(time.time())
    claims = tokens.Claims(user_id, session_id, pending, now, now + seconds, acting_id=acting_id)
    return tokens.sign(claims, _KEY, KID)


def event(record: Message, action: str, version: int = 1) -> Event:
    """The event that the owner of a record announces."""
    kind = contract.record(record.DESCRIPTOR).type
    record_id = cast(Any, record).id
    made = Event(id=ids.uuid7(), record_type=kind, action=action, record_id=record_id, version=version)
    made.time.GetCurrentTime()
    made.record.Pack(record)
    return made
