"""One question to several services, and their answers as one.

They are asked at the same time, each with the whole deadline. A refusal of one is the refusal of all. A service that
is away is one, too, unless some of the answer is worth having: where the answer has a field `missing` the service is
named in it, and where the contract names the parts of the answer, those of the service are marked.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any

import grpc

from gateway.contract import Operation

log = logging.getLogger(__name__)

AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
BROKEN = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED)
"""Of one service of many: an older release that does not know the question yet is one, too."""

Ask = Callable[[str, Any, float, Any], Any]
"""(service, request, timeout, metadata) → answer."""


class Askers:
    """The threads that ask, kept from one request to the next; made at the first, for they do not survive a fork."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="ask")

    def ask(self, services: Sequence[str], one: Callable[[str], Any]) -> Mapping[str, Any]:
        """What each service answered, or the error of it; the last is asked by the thread of the request itself."""
        *others, last = services
        asked: dict[str, Future[Any]] = {name: self._pool.submit(one, name) for name in others}
        found: dict[str, Any] = {}
        try:
            found[last] = one(last)
        except Exception as error:
            found[last] = error
        for name, future in asked.items():
            found[name] = future.exception() or future.result()
        return found


def everywhere(
    operation: Operation, services: Sequence[str], ask: Ask, askers: Askers
) -> Callable[[Any, float, Any], Any]:
    """The RPC as a function of (request, timeout, metadata) that asks all of the services."""
    put_together = _parts if operation.rule.parts else _lists

    def ask_all(request: Any, timeout: float, metadata: Any) -> Any:
        found = askers.ask(services, lambda name: ask(name, request, timeout, metadata))
        return put_together(operation, request, found)

    return ask_all


def _lists(operation: Operation, _request: Any, found: Mapping[str, Any]) -> Any:
    answer = operation.response()
    tells_missing = "missing" in operation.response.DESCRIPTOR.fields_by_name
    for name in sorted(found):
        if isinstance(found[name], Exception) and not (tells_missing and _is(found[name], AWAY)):
            raise found[name]
    for name in sorted(found):
        if isinstance(found[name], Exception):
            answer.missing.append(name)
        else:
            answer.MergeFrom(found[name])
    return answer


def _parts(operation: Operation, request: Any, found: Mapping[str, Any]) -> Any:
    """Every part of the contract in its order: as its service answered it, or marked."""
    failures = {name: error for name, error in found.items() if isinstance(error, Exception)}
    for name, error in failures.items():
        if not _is(error, (*AWAY, *BROKEN)) or len(failures) == len(found):
            raise error
        log.warning("%s did not answer %s: %s", name, operation.name, error)
    told = {part.code: part for name in found if name not in failures for part in found[name].parts}
    answer = operation.response()
    for declared in operation.rule.parts:
        part = answer.parts.add()
        if declared.code in told:
            part.CopyFrom(told[declared.code])
        else:
            away = declared.service in failures and _is(failures[declared.service], AWAY)
            part.state = "away" if away else "failed"
        part.code, part.service = declared.code, declared.service
        part.address = declared.address.replace("{id}", request.id)
        part.label_zh, part.label_en = declared.zh, declared.en
    return answer


def _is(error: Any, codes: Sequence[grpc.StatusCode]) -> bool:
    return isinstance(error, grpc.RpcError) and error.code() in codes
