"""The gRPC side of a service: contract in, one transaction, one answer or one refusal, one log line.

Methods are found by the name of the RPC on the servicer: `def WinOpportunity(self, call, request)`. Everything
the contract says of the RPC (who may call it, whether it only reads) is enforced here, before the method runs;
an RPC without a rule or without a method stops the start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
import psycopg
from google.api import field_behavior_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2
from psycopg import errors as pg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from crm import rule_pb2
from crm.records.v1.event_pb2 import Event
from crm_kit import audit, clients, contract, db, errors, idempotency, ids, logs, metrics, outbox
from crm_kit import caller as callers
from crm_kit.access import Access
from crm_kit.caller import Caller, Metadata
from crm_kit.organisation_reader import Organisation
from crm_kit.peers import Peers
from crm_kit.tokens import Claims, Verifier

log = logging.getLogger("rpc")

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_CODE_NAMES = {number: name for name, number in code_pb2.Code.items()}
VIEW_AS = "user.view_as"
"""The right to see what somebody else sees; a token of that kind is good for as long as its holder has it."""


@dataclass(slots=True)
class Call:
    """One RPC under way: its transaction, its caller, what it will announce."""

    connection: Connection
    caller: Caller
    metadata: Metadata
    service: str
    events: list[Event] = field(default_factory=list)
    queued: bool = False
    """Whether it queued a job."""
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    memo: dict[Any, Any] = field(default_factory=dict)
    """What was looked up during this call and need not be asked again."""
    noted: dict[str, Any] | None = None

    @property
    def access(self) -> Access:
        """What the caller may do. Only for RPCs that need somebody signed in."""
        if self.caller.access is None:
            raise errors.Unauthenticated("unauthenticated")
        return self.caller.access

    @property
    def language(self) -> str:
        return self.metadata.language

    def need(self, right: str) -> None:
        """Refuse unless the caller has a right beyond the one of the RPC."""
        if not self.access.may(right):
            raise errors.Denied("right_missing", right=right)

    def announce(self, event: Event) -> None:
        """Queue an event; it leaves if the transaction commits. Fills in who, when and the trace."""
        event.id = event.id or ids.uuid7()
        event.actor_id, event.actor_name = self.caller.user_id, self.caller.name
        event.trace_parent = self.metadata.trace_parent
        event.address, event.request_id = self.metadata.address, self.metadata.request_id
        event.session_id, event.acting_id = self.caller.session_id, self.caller.acting_id
        if not event.HasField("time"):
            event.time.GetCurrentTime()
        self.events.append(event)

    def note(self, **more: Any) -> None:
        """Say more of an audited call to the trail than its request does: fields of `crm.records.v1.Access`."""
        self.noted = {**(self.noted or {}), **more}

    def send_events(self) -> None:
        """Write the queued events to the outbox, in the order they were announced."""
        if self.events:
            outbox.record(
                self.connection,
                [(e.id, f"crm.{self.service}.{e.record_type}.{e.action}", e.SerializeToString()) for e in self.events],
            )


def system_call(connection: Connection, service: str, organisation: Organisation) -> Call:
    """A call of the system itself: first data, timers. May do everything, is nobody; `send_events` is the user's."""
    access = organisation.system()
    return Call(connection, Caller(access), callers.read({}), service)


class _Status(grpc.Status):
    """A refusal as gRPC takes it."""

    def __init__(self, refusal: errors.Refusal, language: str, domain: str) -> None:
        status = refusal.status(language, domain)
        self.code = _CODES[refusal.code]
        self.details = status.message
        self.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)


class Rpcs:
    """Turns servicers into gRPC handlers."""

    def __init__(
        self,
        service: str,
        writer: Engine,
        reader: Engine,
        organisation: Organisation,
        committed: Callable[[Call], None] = lambda call: None,
        before_commit: Callable[[Call], None] = lambda call: None,
        peers: Peers | None = None,
        before_replay: Callable[[Call, Message], None] | None = None,
    ) -> None:
        self._service, self._writer, self._reader = service, writer, reader
        self._organisation, self._committed, self._before_commit = organisation, committed, before_commit
        self._before_replay = before_replay
        self._verifier = Verifier(organisation.key)
        self.refusals = audit.Refusals(self._tell)
        self._peers, self._pace = peers or Peers(), clients.Pace()

    def handlers(self, descriptor: ServiceDescriptor, servicer: object) -> grpc.GenericRpcHandler:
        """The handlers of every RPC of a service of the contract."""
        missing = [m.name for m in descriptor.methods if not hasattr(servicer, m.name)]
        if missing:
            raise TypeError(f"{type(servicer).__name__} does not answer {', '.join(missing)}")
        methods = {m.name: self._method(m, getattr(servicer, m.name)) for m in descriptor.methods}
        return grpc.method_handlers_generic_handler(descriptor.full_name, methods)

    def _method(self, method: MethodDescriptor, body: Callable[[Call, Any], Message]) -> grpc.RpcMethodHandler:
        rule = contract.rule(method)
        if not rule.WhichOneof("who"):
            raise TypeError(f"{method.full_name} has no (crm.rule)")
        reads = contract.only_reads(method)
        answer = method.output_type
        tells_record = contract.record(answer).type or contract.holds_record(answer)
        if tells_record and not reads and self._before_replay is None:
            raise TypeError(f"{method.full_name} answers a record, and its service has no before_replay")
        run = self._reading(method, body) if reads else self._writing(method, body)
        name = method.full_name
        seconds = metrics.SECONDS.labels(name)
        counts = {n: metrics.RPCS.labels(name, _CODE_NAMES[n]) for n in _CODES if n in _CODE_NAMES}

        def handle(request: Message, context: grpc.ServicerContext) -> Message | None:
            started = time.perf_counter()
            meta = self._peers.read(context)
            caller, code, refusal = Caller(None), 0, None
            try:
                self._authenticate(rule, meta, caller)
                if caller.acting_id and not reads:
                    raise errors.Denied("view_only")
                self._authorize(rule, caller, request)
                return run(request, caller, meta)
            except errors.Refusal as error:
                refusal = error
            except Exception as error:
                refusal = translate(error)
                if refusal.code == code_pb2.UNAVAILABLE:
                    log.warning("%s: %s", name, logs.said(error))
                if refusal.code == code_pb2.INTERNAL:
                    log.exception("%s failed", name, extra={"data": {"requestId": meta.request_id}})
            finally:
                code = refusal.code if refusal else 0
                took = time.perf_counter() - started
                seconds.observe(took)
                counts[code].inc()
                line = {
                    "code": _CODE_NAMES[code],
                    "reason": refusal.reason if refusal else None,
                    "ms": round(took * 1000, 2),
                    "userId": caller.user_id,
                    **({"actingId": caller.acting_id} if caller.acting_id else {}),
                    "requestId": meta.request_id,
                    "traceId": meta.trace_id,
                }
                logs.say(log, name, line)
            if code == code_pb2.PERMISSION_DENIED and caller.user_id:
                self.refusals.refused(method, rule, request, refusal, caller, meta)
            context.abort_with_status(_Status(refusal, meta.language, self._service))
            return None

        return grpc.unary_unary_rpc_method_handler(
            handle, GetMessageClass(method.input_type).FromString, GetMessageClass(method.output_type).SerializeToString
        )

    def _authenticate(self, rule: rule_pb2.Rule, meta: Metadata, caller: Caller) -> None:
        """Find out who calls; who is known before a refusal can be told with it."""
        if rule.public:
            return
        scheme, _, token = meta.authorization.partition(" ")
        if not token or scheme.lower() != "bearer":
            raise errors.Unauthenticated("unauthenticated")
        claims = self._verifier.verify(token)
        caller.session_id, caller.acting_id = claims.session_id, claims.acting_id
        access = self._organisation.access(claims.user_id, claims.session_id)
        caller.access = access
        if claims.acting_id:
            self._refuse_looking(claims, meta)
        if claims.pending and not rule.while_pending:
            raise errors.Denied(f"{claims.pending}_required")
        if access.client:
            clients.refuse_outside(access.client, meta)
            if access.client.per_minute:
                self._pace.take(access.user_id, access.client.per_minute)
        if access.restricted:
            caller.access = access.here(meta.address)

    def _refuse_looking(self, claims: Claims, meta: Metadata) -> None:
        """Who looks through somebody's eyes must still be let in, from there, and still may look."""
        looks = self._organisation.access(claims.acting_id, claims.session_id)
        if looks.restricted:
            looks = looks.here(meta.address)
        if not looks.may(VIEW_AS):
            raise errors.Denied("right_missing", right=VIEW_AS)

    def _authorize(self, rule: rule_pb2.Rule, caller: Caller, request: Any) -> None:
        if rule.right and caller.access:
            right = rule.right
            if right.startswith("{record_type}"):
                right = right.replace("{record_type}", request.record_type)
            if not caller.access.may(right):
                raise errors.Denied("right_missing", right=right)
            caller.right = right

    def _tell(self, caller: Caller, meta: Metadata, event: Event) -> None:
        """Queue an event beside whatever became of the RPC."""
        with self._writer.begin() as connection:
            call = Call(connection, caller, meta, self._service)
            call.announce(event)
            call.send_events()
        self._committed(call)

    def _reading(
        self, method: MethodDescriptor, body: Callable[[Call, Any], Message]
    ) -> Callable[[Message, Caller, Metadata], Message]:
        def run(request: Message, caller: Caller, meta: Metadata) -> Message:
            with self._reader.connect() as connection:
                return body(Call(connection, caller, meta, self._service), request)

        def run_audited(request: Message, caller: Caller, meta: Metadata) -> Message:
            with self._reader.connect() as connection:
                call = Call(connection, caller, meta, self._service)
                response = body(call, request)
            self._tell(caller, meta, audit.done(method, rule, request, call.noted))  # else there is no answer
            return response

        rule = contract.rule(method)
        return run_audited if rule.audited else run

    def _writing(
        self, method: MethodDescriptor, body: Callable[[Call, Any], Message]
    ) -> Callable[[Message, Caller, Metadata], Message]:
        def run(request: Message, caller: Caller, meta: Metadata) -> Message:
            for again in (True, True, False):
                try:
                    return once(request, caller, meta)
                except (OperationalError, pg.DeadlockDetected, pg.SerializationFailure) as error:
                    # Two writers met in opposite order and PostgreSQL chose one to start over.
                    cause = error.orig if isinstance(error, OperationalError) else error
                    if not again or not isinstance(cause, (pg.DeadlockDetected, pg.SerializationFailure)):
                        raise
            raise AssertionError("unreachable")

        def once(request: Message, caller: Caller, meta: Metadata) -> Message:
            key = meta.idempotency_key if caller.user_id and not (secret_needed or secret_told) else ""
            with self._writer.begin() as connection:
                call = Call(connection, caller, meta, self._service)
                if key:
                    sent = _without(secrets, request).SerializeToString(deterministic=True)
                    answer = idempotency.find(connection, caller.user_id, key, name, sent)
                    if answer is not None:
                        if audited:  # it leaves the house once more
                            call.announce(audit.done(method, rule, request, None))
                            call.send_events()
                        kept_answer = answers[0].FromString(answer)
                        if self._before_replay is not None:
                            self._before_replay(call, kept_answer)
                        return kept_answer
                response = body(call, request)
                if audited:
                    call.announce(audit.done(method, rule, request, call.noted))
                call.send_events()
                self._before_commit(call)
                if key:
                    kept = _without(told, response).SerializeToString() if told else response.SerializeToString()
                    idempotency.keep(connection, caller.user_id, key, name, sent, kept)
            for then in call.after_commit:
                then()
            self._committed(call)
            return response

        name, rule = method.full_name, contract.rule(method)
        audited = rule.audited
        answers = [GetMessageClass(method.output_type)]
        # What is kept of a request and its answer must not help to guess a password, nor hold tokens.
        hidden = [f for f in method.input_type.fields if contract.field(f).sensitive]
        secrets = [f.name for f in hidden]
        secret_needed = any(field_behavior_pb2.REQUIRED in contract.behaviour(f) for f in hidden)
        # A secret that is told once, beside a record: a repeat of the request does not tell it again, nor make another.
        told, beside_record = contract.secrets(method.output_type), contract.holds_record(method.output_type)
        secret_told = bool(told) and not beside_record  # tokens: a repeat runs again
        return run


def _without(names: Iterable[str], request: Message) -> Message:
    """The request without these fields."""
    copy = type(request)()
    copy.CopyFrom(request)
    for name in names:
        copy.ClearField(name)
    return copy


def translate(error: Exception) -> errors.Refusal:
    """What the caller is told of an error that is not a refusal; the rest stays in the log."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    match cause:
        case pg.UniqueViolation():
            field_name, label = db.UNIQUE.get(cause.diag.constraint_name or "", ("", ("", "")))
            if not field_name:
                return errors.Exists("exists")
            return errors.Exists(
                "exists", errors.Problem(field_name, "taken", {"label": label, "value": _taken(cause)})
            )
        case pg.QueryCanceled():
            return errors.DeadlineExceeded("deadline_exceeded")
        case pg.LockNotAvailable():
            return errors.Unavailable("service_unavailable", retry_after=1)
        case psycopg.OperationalError() | psycopg.InterfaceError() | PoolTimeout():
            return errors.Unavailable("database_unavailable", retry_after=1)
        case psycopg.DataError():
            return errors.Invalid()
    return _Internal("internal")


class _Internal(errors.Refusal):
    code = code_pb2.INTERNAL


def _taken(error: pg.UniqueViolation) -> str:
    """The value out of PostgreSQL's `Key (credit_code)=(9111…) already exists.`, of several the last."""
    names, _, values = (error.diag.message_detail or "").partition(")=(")
    return values.partition(") already")[0].split(", ", names.count(","))[-1]


def services(modules: Iterable[Any]) -> dict[str, ServiceDescriptor]:
    """Services of the contract in generated modules, by their short name."""
    return {s.name: s for m in modules for s in m.DESCRIPTOR.services_by_name.values()}
