"""One question to every service with records, and their answers as one.

They are asked at the same time, each with the whole deadline. A refusal of one is the refusal of all. A service that
is away is one, too, unless the answer has a field `missing`, in which it is named: some questions are worth a part of
the answer, others are not.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from gateway.contract import Operation

AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)

Ask = Callable[[str, Any, float, Any], Any]
"""(service, request, timeout, metadata) → answer."""


def everywhere(operation: Operation, services: Sequence[str], ask: Ask) -> Callable[[Any, float, Any], Any]:
    """The RPC as a function of (request, timeout, metadata) that asks all of the services."""
    tells_missing = "missing" in operation.response.DESCRIPTOR.fields_by_name

    def ask_all(request: Any, timeout: float, metadata: Any) -> Any:
        with ThreadPoolExecutor(len(services)) as pool:
            asked = {name: pool.submit(ask, name, request, timeout, metadata) for name in services}
        answer = operation.response()
        failures = {name: error for name in services if (error := asked[name].exception()) is not None}
        for error in failures.values():
            if not (tells_missing and isinstance(error, grpc.RpcError) and error.code() in AWAY):
                raise error
        for name in services:
            if name in failures:
                answer.missing.append(name)
            else:
                answer.MergeFrom(asked[name].result())
        return answer

    return ask_all
