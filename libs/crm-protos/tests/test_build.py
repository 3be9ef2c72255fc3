from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from crm_protos.build import BuildFailed, build, is_stale

PROTO = """
syntax = "proto3";
package crm.toy.v1;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";

service ToyService {
  // Reads a toy. NOT_FOUND when it is lost.
  rpc GetToy(Toy) returns (Toy) { option (google.api.http) = {get: "/v1/toys/{id}"}; }
}
message Toy { string id = 1; google.protobuf.Timestamp create_time = 2; }
"""


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    folder = tmp_path / "protos" / "crm" / "toy" / "v1"
    folder.mkdir(parents=True)
    (folder / "toy.proto").write_text(PROTO)
    return tmp_path / "protos"


def test_the_stubs_and_the_comments_come_from_the_protos(protos: Path, tmp_path: Path) -> None:
    assert build(protos, tmp_path)

    made = {path.name for path in (tmp_path / "crm" / "toy" / "v1").iterdir()}
    assert made == {"toy_pb2.py", "toy_pb2.pyi", "toy_pb2_grpc.py"}
    descriptors = FileDescriptorSet.FromString((tmp_path / "crm_protos" / "descriptors.binpb").read_bytes())
    files = {file.name: file for file in descriptors.file}
    assert "google/api/annotations.proto" in files
    comments = [at.leading_comments.strip() for at in files["crm/toy/v1/toy.proto"].source_code_info.location]
    assert "Reads a toy. NOT_FOUND when it is lost." in comments


def test_nothing_is_built_twice(protos: Path, tmp_path: Path) -> None:
    build(protos, tmp_path)

    assert not is_stale(protos, tmp_path)
    assert not build(protos, tmp_path)


def test_a_removed_proto_leaves_no_stub(protos: Path, tmp_path: Path) -> None:
    build(protos, tmp_path)
    (protos / "crm" / "toy" / "v1" / "toy.proto").unlink()

    assert build(protos, tmp_path)
    assert not (tmp_path / "crm" / "toy").exists()
    assert (tmp_path / "crm_protos" / "descriptors.binpb").read_bytes() == b""


def test_a_broken_proto_leaves_the_last_good_stubs(protos: Path, tmp_path: Path) -> None:
    build(protos, tmp_path)
    (protos / "crm" / "toy" / "v1" / "toy.proto").write_text("this is no proto")

    with pytest.raises(BuildFailed):
        build(protos, tmp_path)
    assert (tmp_path / "crm" / "toy" / "v1" / "toy_pb2.py").exists()
    assert is_stale(protos, tmp_path)
