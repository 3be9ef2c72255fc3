"""Real processes for tests that kill them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack


def free_ports(count: int) -> list[int]:
    """Held all at once, so that none comes twice."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether the condition holds before the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def run_module(module: str, *words: str, **environment: str) -> subprocess.Popen[bytes]:
    """`python -m module words…`, told these settings besides ours."""
    known = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "ADDRESS"))}
    return subprocess.Popen([sys.executable, "-m", module, *words], env=known | environment, stdin=subprocess.DEVNULL)
