"""The way to the services: one channel each, made at its first use, because a channel does not survive a fork.

A read is asked again where the service could not be reached at all, for as long as a restart takes. An answer of
the service itself ("my database is away") is passed on at once. How many may wait, and how often something is asked
again, is bounded, so that a service that is gone neither takes all threads nor gets a storm when it is back.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from gateway.settings import MIB, Settings

Metadata = Sequence[tuple[str, str]]

OPTIONS = (
    ("grpc.max_receive_message_length", 32 * MIB),
    ("grpc.max_send_message_length", 32 * MIB),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
)
DETAILS = "grpc-status-details-bin"
RETRY_SHARE = 0.15  # of the requests
RETRIES_AT_ONCE = 30.0


class Budget:
    """Retries may add a share to the traffic, no more."""

    def __init__(self) -> None:
        self._left = RETRIES_AT_ONCE

    def earn(self) -> None:
        if self._left < RETRIES_AT_ONCE:
            self._left += RETRY_SHARE

    def spend(self) -> bool:
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Backend:
    """One service."""

    def __init__(self, address: str, patience: float, waiters: int, budget: Budget) -> None:
        self._address, self._patience, self._budget = address, patience, budget
        self._channel: grpc.Channel | None = None
        self._making = threading.Lock()
        self._waiting = threading.BoundedSemaphore(waiters)
        self._down_since = self._last_failure = 0.0

    @property
    def channel(self) -> grpc.Channel:
        if self._channel is None:
            with self._making:
                self._channel = self._channel or grpc.insecure_channel(self._address, options=OPTIONS)
        return self._channel

    def stub(self, rpc: str, request: Any, response: Any) -> Any:
        return self.channel.unary_unary(
            rpc, request_serializer=request.SerializeToString, response_deserializer=response.FromString
        )

    def ask(self, stub: Any, request: Any, timeout: float, metadata: Metadata, repeatable: bool) -> Any:
        self._budget.earn()
        try:
            answer = stub(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            if not (repeatable and unreachable(error)):
                raise
            return self._ask_again(
                lambda left: stub(request, timeout=left, metadata=metadata, wait_for_ready=True), timeout, error
            )
        self._last_failure = 0.0
        return answer

    def _ask_again(self, attempt: Callable[[float], Any], timeout: float, error: grpc.RpcError) -> Any:
        """Waits for the service to be back. One that has been away for longer than our patience is not waited for."""
        now = time.monotonic()
        if now - self._last_failure > self._patience:
            self._down_since = now
        self._last_failure = now
        end = min(now + timeout, self._down_since + self._patience)
        if not self._waiting.acquire(blocking=False):
            raise error
        try:
            while (left := end - time.monotonic()) > 0 and self._budget.spend():
                try:
                    answer = attempt(left)
                except grpc.RpcError as again:
                    if again.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                        break
                    if not unreachable(again):
                        raise
                else:
                    self._last_failure = 0.0
                    return answer
        finally:
            self._waiting.release()
        self._last_failure = time.monotonic()
        raise error


def unreachable(error: Any) -> bool:
    """The transport failed, or a stopping service gave back what it had not begun: its own answers say why."""
    return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED) and all(
        key != DETAILS for key, _ in error.trailing_metadata() or ()
    )


class Backends:
    """All services. Made before the fork, opened after it."""

    def __init__(self, settings: Settings) -> None:
        budget = Budget()
        waiters = max(1, settings.threads - 2)
        self._all = {
            name: Backend(address, settings.patience, waiters, budget) for name, address in settings.services.items()
        }

    def __getitem__(self, service: str) -> Backend:
        return self._all[service]

    def items(self) -> Any:
        return self._all.items()
