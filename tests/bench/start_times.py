"""P01: from a fresh clone to the first page, then a start from nothing, then one with the data there.

    .venv/bin/python tests/bench/start_times.py

Clones this checkout's HEAD into a temporary folder and runs `make run` there with an empty home, so downloads count.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from suite import SERVICES, free_ports

LONGEST = 900


def main() -> None:
    here = Path(__file__).resolve().parents[2]
    place = Path(tempfile.mkdtemp(prefix="crm-start-"))
    ports = free_ports(3 + len(SERVICES))
    home = place / "home"
    home.mkdir()
    own = {f"{n.upper().replace('-', '_')}_ADDRESS": f"127.0.0.1:{p}" for n, p in zip(SERVICES, ports[3:], strict=True)}
    environment = os.environ | own | {"HOME": str(home)}
    environment |= {"CRM_HTTP_PORT": str(ports[0]), "POSTGRES_PORT": str(ports[1]), "NATS_PORT": str(ports[2])}
    for name in ("CRM_DATA", "PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(name, None)
    clone = place / "clone"
    subprocess.run(["git", "clone", "--quiet", str(here), str(clone)], check=True)
    try:
        say("fresh clone, empty home, downloads included", 300, measure(clone, environment, ports[0]))
        shutil.rmtree(clone / ".data")
        say("later start from nothing", 15, measure(clone, environment, ports[0]))
        say("later start with data", 8, measure(clone, environment, ports[0]))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def measure(clone: Path, environment: dict[str, str], port: int) -> float:
    """Seconds from `make run` to the first page; then it is stopped."""
    began = time.monotonic()
    with (clone.parent / "output").open("ab") as output:
        run = subprocess.Popen(
            ["make", "run"], cwd=clone, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    while not serves(port):
        if run.poll() is not None or time.monotonic() - began > LONGEST:
            sys.exit((clone.parent / "output").read_text())
        time.sleep(0.05)
    seconds = time.monotonic() - began
    os.killpg(run.pid, signal.SIGTERM)
    run.wait(60)
    return seconds


def serves(port: int) -> bool:
    """Whether the page is there, and the services behind it."""
    try:
        for path in ("/readyz", "/"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()
    except OSError:
        return False
    return True


def say(what: str, target: float, seconds: float) -> None:
    print(f"{what}: {seconds:.1f} s (target {target} s)", flush=True)


if __name__ == "__main__":
    main()
