"""A cheap load generator: one thread, raw sockets, keep-alive; says how much CPU it took itself.

`run` keeps every connection busy, or sends at a fixed rate; then the time of a request begins when it was due.
"""

from __future__ import annotations

import select
import socket
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import quantiles


@dataclass(slots=True)
class Result:
    """What a run measured."""

    seconds: float
    milliseconds: list[float]
    statuses: Counter[int]
    cpu_seconds: float
    """Of the generator itself."""
    numbers: list[int] = field(default_factory=list)
    """Which request, counted from 0, each of the milliseconds belongs to."""
    refused: list[bytes] = field(default_factory=list)
    """Some of the answers that were no success."""

    @property
    def rate(self) -> float:
        return len(self.milliseconds) / self.seconds

    def percentile(self, percent: int) -> float:
        return quantiles(self.milliseconds, n=100)[percent - 1] if len(self.milliseconds) > 1 else self.milliseconds[0]

    def __str__(self) -> str:
        own = self.cpu_seconds / len(self.milliseconds) * 1e6
        bad = {status: n for status, n in self.statuses.items() if status >= 400}
        return (
            f"{self.rate:.0f} requests/s, p50 {self.percentile(50):.1f} ms, p99 {self.percentile(99):.1f} ms"
            f" (generator {own:.0f} µs CPU a request)" + (f", REFUSED {bad} {self.refused[:1]}" if bad else "")
        )


def request(method: str, path: str, token: str = "", body: bytes = b"", **headers: str) -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: crm", "Accept-Language: en"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def run(
    port: int, requests: Iterable[bytes], *, connections: int = 8, seconds: float = 5.0, rate: float = 0.0
) -> Result:
    """Send for some seconds, or until there are no more requests; `rate` a second if given."""
    source: Iterator[bytes] = iter(requests)
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    for _ in range(connections):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLIN)
    idle, begun, left = deque(sockets), dict[int, tuple[float, int]](), dict[int, int]()
    result = Result(0.0, [], Counter(), 0.0)
    cpu, start = time.process_time(), time.perf_counter()
    end, due = start + seconds, start
    more, sent = True, 0
    while True:
        now = time.perf_counter()
        more = more and now < end
        while more and idle and (not rate or due <= now):
            data = next(source, None)
            if data is None:
                more = False
                break
            fd = idle.popleft()
            begun[fd] = due if rate else now, sent
            sent += 1
            sockets[fd].sendall(data)
            due += 1 / rate if rate else 0
        if not begun and not more:
            break
        pause = max(0.0, due - time.perf_counter()) if rate and more and idle else 1.0
        for fd, _ in poll.poll(pause):
            piece = sockets[fd].recv(262144)
            if not piece:
                raise ConnectionError("the server closed a connection")
            if fd in left:
                left[fd] -= len(piece)
            else:
                head, _, body = piece.partition(b"\r\n\r\n")
                left[fd] = _length(head) - len(body)
                status = int(head[9:12])
                result.statuses[status] += 1
                if status >= 400 and len(result.refused) < 5:
                    result.refused.append(body)
            if left[fd] <= 0:
                del left[fd]
                started, number = begun.pop(fd)
                result.milliseconds.append((time.perf_counter() - started) * 1000)
                result.numbers.append(number)
                idle.append(fd)
    result.seconds, result.cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    poll.close()
    for sock in sockets.values():
        sock.close()
    return result


def _length(head: bytes) -> int:
    place = head.lower().index(b"content-length:") + 15
    return int(head[place:].split(b"\r\n", 1)[0])
