"""Builds the stubs of protos/: `python -m crm_protos.build`. Does nothing when they are up to date.

The stubs are made in a folder of their own and then put in place, so that a proto that does not compile
leaves the last good ones, and a removed proto leaves nothing behind.
"""

import fcntl
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

SOURCE = Path(__file__).parents[1]
PROTOS = SOURCE.parents[2] / "protos"
STAMP = ".stamp"


class BuildFailed(Exception):
    """protoc refused; it has said why on stderr."""


def build(protos: Path = PROTOS, target: Path = SOURCE) -> bool:
    """Makes target/crm and target/crm_protos/descriptors.binpb; False when they were up to date."""
    (target / "crm_protos").mkdir(parents=True, exist_ok=True)
    with (target / "crm_protos" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        files, now = _read(protos)
        if not is_stale(protos, target, now):
            return False
        with tempfile.TemporaryDirectory(dir=target, prefix=".build-") as made:
            _compile(protos, files, Path(made))
            (Path(made) / "crm" / STAMP).write_text(now)
            shutil.rmtree(target / "crm", ignore_errors=True)
            (Path(made) / "crm").rename(target / "crm")
            (Path(made) / "descriptors.binpb").replace(target / "crm_protos" / "descriptors.binpb")
    return True


def is_stale(protos: Path = PROTOS, target: Path = SOURCE, now: str | None = None) -> bool:
    stamp = target / "crm" / STAMP
    descriptors = target / "crm_protos" / "descriptors.binpb"
    return not (stamp.exists() and descriptors.exists() and stamp.read_text() == (now or _read(protos)[1]))


def _read(protos: Path) -> tuple[list[str], str]:
    """The proto files and what their stubs depend on: their text and the compiler."""
    digest = hashlib.sha256(version("grpcio-tools").encode())
    files = sorted(path.relative_to(protos).as_posix() for path in protos.rglob("*.proto"))
    for file in files:
        digest.update(f"\0{file}\0".encode() + (protos / file).read_bytes())
    return files, digest.hexdigest()


def _compile(protos: Path, files: Sequence[str], made: Path) -> None:
    (made / "crm").mkdir()
    descriptors = made / "descriptors.binpb"
    if not files:
        descriptors.write_bytes(b"")  # an empty set
        return

    import google.rpc.status_pb2
    import grpc_tools
    from grpc_tools import protoc

    common = Path(google.rpc.status_pb2.__file__).parents[2]
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={protos}",
            f"--proto_path={common}",
            f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
            f"--python_out={made}",
            f"--pyi_out={made}",
            f"--grpc_python_out={made}",
            f"--descriptor_set_out={descriptors}",
            "--include_imports",
            "--include_source_info",
            *files,
        ]
    )
    if status:
        raise BuildFailed("the protos do not compile; the stubs stay as they were")


if __name__ == "__main__":
    try:
        if build():
            sys.stdout.write("stubs built\n")
    except BuildFailed as failure:
        sys.exit(str(failure))
