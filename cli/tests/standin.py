"""What stands in for a service in the tests of the supervisor: the contract of a process, and nothing else."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

PACKAGES = ("identity", "customer", "sales", "service_desk", "workspace", "reporting", "gateway")


def write(folder: Path) -> None:
    """Packages of the services' names, found before the real ones when the folder is on the PYTHONPATH."""
    for name in PACKAGES:
        versions = folder / name / "migrations" / "versions"
        versions.mkdir(parents=True)
        (folder / name / "__init__.py").touch()
        (folder / name / "__main__.py").write_text(f"import standin; standin.main({name!r})")
        (versions / "0001_first.py").write_text('revision = "0001"')


def main(package: str) -> None:
    done = Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    match sys.argv[1]:
        case "migrate" if "--check" in sys.argv:
            sys.exit(not _is_migrated())
        case "migrate":
            _is_migrated() or _migrate()
        case "bootstrap":
            _bootstrap()
        case "audit-verify":
            _verify(sys.argv[2])
        case "serve" if package == "gateway":
            _serve_web(done)
        case "serve":
            _serve(done)


def _database():  # type: ignore[no-untyped-def]
    import psycopg

    return psycopg.connect(os.environ["DATABASE_URL"])


def _migrate() -> None:
    with _database() as connection:
        connection.execute("CREATE TABLE alembic_version AS SELECT '0001' AS version_num")
        connection.execute("CREATE TABLE account (name text PRIMARY KEY)")


def _is_migrated() -> bool:
    with _database() as connection:
        row = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        return bool(row and row[0])


def _bootstrap() -> None:
    assert os.environ["CRM_ADMIN_PASSWORD"]
    with _database() as connection:
        statement = "INSERT INTO account VALUES ('admin') ON CONFLICT DO NOTHING RETURNING name"
        print("created" if connection.execute(statement).fetchone() else "exists")


def _verify(start: str) -> None:
    with _database() as connection:
        rows = connection.execute("SELECT count(*) FROM alembic_version").fetchone()
    print(f"checked from {start}: {rows[0]} row")
    sys.exit(int(os.environ.get("STANDIN_VERDICT", "0")))


def _serve(done: Event) -> None:
    import grpc
    from grpc_health.v1 import health, health_pb2_grpc

    print(sorted(name for name in os.environ if name.endswith(("_URL", "_PASSWORD"))), flush=True)
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    server.add_insecure_port(os.environ["ADDRESS"])
    server.start()
    done.wait()
    server.stop(0).wait()


def _serve_web(done: Event) -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    host, _, port = os.environ["HTTP_ADDRESS"].rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Ready)
    Thread(target=server.serve_forever, daemon=True).start()
    done.wait()
