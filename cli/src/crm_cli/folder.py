"""The data folder: one running suite at a time, its secrets, its logs, who runs."""

import fcntl
import json
import os
import secrets
import signal
import time
from pathlib import Path
from typing import IO

from crm_cli.settings import Wrong


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self._secrets = path / "secrets.json"
        self._pid = path / "crm.pid"
        self._state = path / "processes.json"
        self._lock: IO[str] | None = None

    def create(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.logs.mkdir(exist_ok=True)
        except OSError as error:
            raise Wrong(f"The data folder {self.path} cannot be made: {error.strerror}. Set CRM_DATA.") from None

    def must_exist(self) -> None:
        """Refuse where nothing was ever started: the settings are those of another suite, or none."""
        if not self._secrets.exists():
            raise Wrong(f"There is no installation in {self.path}. Set CRM_DATA to the folder of yours.")

    def lock(self) -> bool:
        """Takes the folder for this process; True when the last owner ended without giving it back.

        The kernel frees the lock with the process, so that no crash leaves a folder locked.
        """
        try:
            file = self._pid.open("a+")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Wrong(
                f"A suite already runs on {self.path} (process {self.running()}). Stop it with `crm stop`, "
                "or set CRM_DATA to another folder."
            ) from None
        except OSError as error:
            raise Wrong(f"The data folder {self.path} cannot be written: {error.strerror}. Set CRM_DATA.") from None
        file.seek(0)
        was_killed = bool(file.read().strip())
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._lock = file
        return was_killed

    def unlock(self) -> None:
        if self._lock:
            self._state.unlink(missing_ok=True)
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None

    def running(self) -> int | None:
        """The process of the `crm up` that owns this folder, if one runs."""
        try:
            with self._pid.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(file.read() or 0) or None
        except OSError:
            pass
        return None

    def stop(self, seconds: float = 60) -> bool:
        """Ends the suite that runs on this folder; False when none does."""
        if not (pid := self.running()):
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self.running() == pid:
            if time.monotonic() > deadline:
                raise Wrong(f"Process {pid} still runs after {seconds:.0f} s; look into {self.logs}.")
            time.sleep(0.05)
        return True

    def secret(self, name: str) -> str:
        """A password of this installation, made at its first use. Only the owner can read the file."""
        known = json.loads(self._secrets.read_text()) if self._secrets.exists() else {}
        if name not in known:
            known[name] = secrets.token_urlsafe(24)
            new = self._secrets.with_suffix(".new")
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(known, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._secrets)
        return str(known[name])

    def note(self, processes: dict[str, int]) -> None:
        """Who runs under which process id, for `crm status` and for tests of faults."""
        new = self._state.with_suffix(".new")
        new.write_text(json.dumps(processes))
        new.replace(self._state)

    def processes(self) -> dict[str, int]:
        try:
            return dict(json.loads(self._state.read_text()))
        except OSError:
            return {}
