"""The gRPC side of a service: contract in, one transaction, one answer or one refusal, one log line.

Methods are found by the name of the RPC on the servicer: `def WinOpportunity(self, call, request)`. Everything
the contract says of the RPC (who may call it, whether it only reads) is enforced here, before the method runs;
an RPC without a rule or without a method stops the start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import grpc
from google.api import field_behavior_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2
from psycopg import errors as pg
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from crm.records.v1.event_pb2 import Event
from crm_kit import audit, contract, errors, failures, idempotency, logs, metrics
from crm_kit.admission import Admission
from crm_kit.caller import Caller, Metadata
from crm_kit.organisation_reader import Organisation
from crm_kit.peers import Peers
from crm_kit.rpc import Call

log = logging.getLogger("rpc")

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_CODE_NAMES = {number: name for name, number in code_pb2.Code.items()}


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
        self._committed, self._before_commit, self._before_replay = committed, before_commit, before_replay
        self._admission = Admission(organisation)
        self.refusals = audit.Refusals(self._tell)
        self._peers = peers or Peers()

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
                self._admission.authenticate(rule, meta, caller)
                if caller.acting_id and not reads:
                    raise errors.Denied("view_only")
                self._admission.authorize(rule, caller, request)
                return run(request, caller, meta)
            except errors.Refusal as error:
                refusal = error
            except Exception as error:
                refusal = failures.translate(error)
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
