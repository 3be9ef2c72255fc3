"""`python -m gateway serve`: gunicorn with threads, each worker opening its own channels after the fork."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from crm_kit import logs
from gateway.settings import Settings

USAGE = "usage: python -m gateway serve"
GRACE = 12  # seconds for requests in flight; the suite promises to be gone in 15


def main(arguments: list[str]) -> None:
    if arguments != ["serve"]:
        sys.exit(USAGE)
    settings = Settings.from_environment()
    directory = os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="gateway-metrics-"))
    shutil.rmtree(directory, ignore_errors=True)
    Path(directory).mkdir(parents=True)
    # after the directory is set: prometheus_client looks for it when it is imported
    from gunicorn.app.base import BaseApplication
    from prometheus_client import multiprocess

    class Server(BaseApplication):
        def load_config(self) -> None:
            for name, value in options(settings, multiprocess.mark_process_dead).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            from gateway import create_app

            logs.configure("gateway")
            return create_app(settings)

    Server().run()


def options(settings: Settings, died: Any) -> dict[str, Any]:
    return {
        "bind": settings.address,
        "workers": settings.workers,
        "worker_class": "gthread",
        "threads": settings.threads,
        "preload_app": False,
        "keepalive": 75,
        "graceful_timeout": GRACE,
        "timeout": 60,
        "limit_request_line": 8190,
        "limit_request_fields": 50,
        "limit_request_field_size": 8190,
        "backlog": 512,
        "accesslog": None,
        "loglevel": "warning",
        "control_socket_disable": True,
        "child_exit": lambda server, worker: died(worker.pid),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
