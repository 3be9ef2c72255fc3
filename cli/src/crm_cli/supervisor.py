"""Keeps the processes of a suite alive and ends them in order. One thread, woken by signals."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from crm_cli.folder import Folder
from crm_cli.log import Log, tail
from crm_cli.process import kill_group, spawn
from crm_cli.settings import Wrong

PAUSES = (0, 0.25, 0.5, 1, 2, 5)  # before the next start, in seconds; the last one stays
STEADY = 30  # a child that ran this long starts again at once
PATIENCE = 15  # between asking to end and insisting


class Stop(Exception):
    """SIGTERM or Ctrl-C arrived."""


@dataclass
class Child:
    """A process that is to run for as long as we do."""

    name: str
    stage: int  # the highest ends first
    launch: Callable[[IO[bytes]], "subprocess.Popen[bytes]"]
    log: Log
    soft: int = signal.SIGTERM
    process: "subprocess.Popen[bytes] | None" = None
    failures: int = 0
    started: float = 0
    due: float = field(default=0)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None


class Task:
    """A process that does one thing and ends; its answer is what it prints."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

    def is_done(self) -> bool:
        return self.process.poll() is not None

    def answer(self) -> str:
        if self.process.wait():
            raise Wrong(f"{self.name} failed:\n{tail(self._log)}\nMore is in {self._log}.")
        assert self.process.stdout
        return self.process.stdout.read().decode().strip()


class Supervisor:
    def __init__(self, folder: Folder, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.say = say
        self.children: list[Child] = []
        self._tasks: list[Task] = []
        self._stop = False
        self._looked = 0.0

    def __enter__(self) -> "Supervisor":
        self._wake, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._asked)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to be woken
        return self

    def __exit__(self, *raised: object) -> None:
        self.end()

    def keep(self, child: Child) -> None:
        self.children.append(child)
        self._start(child)

    def run_task(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Task:
        log = self.folder.logs / f"{name.replace(' ', '-')}.log"
        with log.open("wb") as errors:
            process = spawn(command, environment, subprocess.PIPE, stderr=errors)
        task = Task(name, process, log)
        self._tasks.append(task)
        return task

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Looks after the children until the condition holds; False when the time is over."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._turn(0.02)
        return True

    def run(self) -> None:
        """For ever; `Stop` ends it."""
        while True:
            self._turn(min([1.0, *(child.due - time.monotonic() for child in self.children if not child.process)]))

    def end(self) -> None:
        """The gateway first, then the services, at last what holds the data: who works finds what it needs."""
        for task in self._tasks:
            if not task.is_done():
                task.process.kill()
                task.process.wait()
        self._stop = False  # a second signal insists
        for stage in sorted({child.stage for child in self.children}, reverse=True):
            running = [child for child in self.children if child.stage == stage and child.process]
            for child in running:
                if child.process and child.process.poll() is None:
                    child.process.send_signal(child.soft)
            deadline = time.monotonic() + PATIENCE
            while any(child.process and child.process.poll() is None for child in running):
                if time.monotonic() > deadline or self._stop:
                    self._insist(running)
                    break
                self._sleep(0.1)
            for child in running:
                kill_group(child.process.pid) if child.process else None
                child.process = None

    def _insist(self, children: list[Child]) -> None:
        for child in children:
            if child.process and child.process.poll() is None:
                self.say(f"{child.name} did not end by itself; it was killed.")
                child.process.kill()
                child.process.wait()

    def _turn(self, seconds: float) -> None:
        self._sleep(seconds)
        if self._stop:
            raise Stop
        now = time.monotonic()
        for child in self.children:
            if child.process and child.process.poll() is not None:
                self._died(child, now)
            if not child.process and now >= child.due:
                self._start(child)
        if now - self._looked >= 1:
            self._looked = now
            for child in self.children:
                for error in child.log.errors():
                    self.say(f"{child.name}: {error}")
                child.log.cut()

    def _start(self, child: Child) -> None:
        child.started = time.monotonic()
        try:
            with child.log.open() as output:
                child.process = child.launch(output)
        except (OSError, Wrong) as error:
            self.say(f"{child.name} could not be started: {error}")
            self._postpone(child)
        self.folder.note({child.name: child.process.pid for child in self.children if child.process})

    def _died(self, child: Child, now: float) -> None:
        assert child.process
        kill_group(child.process.pid)
        code = child.process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        if now - child.started > STEADY:
            child.failures = 0
        self._postpone(child)
        last = f"\n{tail(child.log.path)}" if 1 < child.failures < 4 else ""
        self.say(f"{child.name} {how}; it starts again.{last}")

    def _postpone(self, child: Child) -> None:
        child.process = None
        child.due = time.monotonic() + PAUSES[min(child.failures, len(PAUSES) - 1)]
        child.failures += 1

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def _sleep(self, seconds: float) -> None:
        """Until a signal comes (a child's end, a request to stop) or the time is over."""
        if select.select([self._wake], [], [], max(0, seconds))[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)
