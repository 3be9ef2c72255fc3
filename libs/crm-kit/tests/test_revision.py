"""A migration is proposed for what the tables have beyond the migrations, in the line that it belongs to."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, Table, Text

from crm_kit.service import KIT_METADATA, Service
from crm_kit.testing.revision import revise


def service(folder: Path, *columns: Column[str]) -> Service:
    metadata = MetaData()
    Table("gadget", metadata, Column("id", Integer, primary_key=True), *columns)
    return Service(name="gadgets", contract="", servicers=lambda _service: {}, metadata=[metadata], versions=[folder])


def test_a_new_line_and_its_next_step_are_written_and_nothing_when_nothing_changed(tmp_path: Path) -> None:
    first = revise(service(tmp_path), "gadgets", tmp_path, KIT_METADATA, "first tables")
    nickname = service(tmp_path, Column("nickname", Text))
    second = revise(nickname, "gadgets", tmp_path, KIT_METADATA, "gadgets have a nickname")
    nothing = revise(nickname, "gadgets", tmp_path, KIT_METADATA, "nothing new")

    assert first == tmp_path / "gadgets_0001_first_tables.py"
    assert "branch_labels = ('gadgets',)" in first.read_text()
    assert second == tmp_path / "gadgets_0002_gadgets_have_a_nickname.py"
    assert "down_revision = 'gadgets_0001'" in second.read_text()
    assert "op.add_column('gadget', sa.Column('nickname', sa.Text(), nullable=True))" in second.read_text()
    assert nothing is None
    assert len(list(tmp_path.glob("*.py"))) == 2


def test_tables_of_another_line_are_left_alone(tmp_path: Path) -> None:
    made = service(tmp_path)

    assert revise(made, "gadgets", tmp_path, [*KIT_METADATA, *made.metadata], "not ours") is None
