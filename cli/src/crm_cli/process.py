"""Starting and ending one child process so that it never outlives the one that started it."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int = subprocess.DEVNULL,
    death_signal: int = signal.SIGKILL,
    **more: Any,
) -> subprocess.Popen[bytes]:
    """A child in a session of its own (a Ctrl-C reaches only us: we end the children in order).

    On Linux it receives `death_signal` when we end, however we end.
    """
    return subprocess.Popen(
        [str(word) for word in command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=more.pop("stderr", subprocess.STDOUT),
        start_new_session=True,
        preexec_fn=_dies_with(os.getpid(), death_signal),
        **more,
    )


def _dies_with(parent: int, death_signal: int) -> Callable[[], None] | None:
    if _libc is None:
        return None

    def ask() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # it ended between fork and here
            os._exit(1)

    return ask


def end(process: subprocess.Popen[bytes], soft: int = signal.SIGTERM, seconds: float = 15) -> None:
    """Asks to end, waits, then insists; nothing of its process group stays."""
    if process.poll() is None:
        process.send_signal(soft)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    kill_group(process.pid)


def kill_group(leader: int) -> None:
    """What a dead leader left behind (the workers of a killed gateway hold its port)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float) -> bool:
    """False when the process ended or the time is over before the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
