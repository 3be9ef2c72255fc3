"""`python -m gateway serve`: gunicorn's processes, each opening its own channels after the fork."""

import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

from gunicorn import glogging

from crm_kit import collector, logs
from gateway.settings import Settings

USAGE = "usage: python -m gateway serve"
GRACE = 12  # seconds for requests in flight; the suite promises to be gone in 15


def main(arguments: list[str]) -> None:
    if arguments != ["serve"]:
        sys.exit(USAGE)
    settings = Settings.from_environment()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # connections are files
    prepare_metrics()
    # after the directory is set: prometheus_client looks for it when it is imported
    from gunicorn.app.base import BaseApplication
    from prometheus_client import multiprocess

    class Server(BaseApplication):
        def load_config(self) -> None:
            for name, value in options(settings, multiprocess.mark_process_dead).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            from gateway import create_app

            app = create_app(settings)
            collector.settle()
            return app

    Server().run()


def prepare_metrics() -> None:
    """The workers count in files of one directory; those of an earlier run would be added."""
    directory = Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR") or tempfile.mkdtemp(prefix="gateway-metrics-"))
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.db"):
        old.unlink()


class Logger(glogging.Logger):
    """gunicorn's own lines in the form of all others."""

    def setup(self, cfg: Any) -> None:
        logs.configure("gateway", "WARNING")
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def options(settings: Settings, died: Any) -> dict[str, Any]:
    return {
        "bind": settings.address,
        "workers": settings.workers,
        "worker_class": "gateway.worker.EdgeWorker",
        "threads": settings.threads,
        "preload_app": False,
        "graceful_timeout": GRACE,
        "timeout": 60,
        "backlog": 512,
        "logger_class": Logger,
        "control_socket_disable": True,
        "child_exit": lambda server, worker: died(worker.pid),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
