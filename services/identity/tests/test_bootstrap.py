"""What an installation needs before the first login."""

import os
import subprocess
import sys

import pytest

from crm_kit.errors import Invalid
from crm_kit.settings import SettingsError
from crm_kit.testing import Server, database
from identity.app import SERVICE
from identity.bootstrap import bootstrap

PASSWORD = "Right-Horse-7"


def identity(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    told = {**os.environ, "LOG_LEVEL": "WARNING", **environment}
    return subprocess.run([sys.executable, "-m", "identity", *words], env=told, capture_output=True, text=True)


@pytest.mark.feature("IDN-05")
def test_the_command_makes_what_is_missing_and_says_so(tmp_path):
    settings = {"DATABASE_URL": database("bootstrap"), "CRM_DATA": str(tmp_path), "IDENTITY_KEY_FILE": ""}
    early = identity("bootstrap", **settings, CRM_ADMIN_PASSWORD=PASSWORD)
    assert identity("migrate", **settings).returncode == 0

    first = identity("bootstrap", **settings, CRM_ADMIN_PASSWORD=PASSWORD)
    again = identity("bootstrap", **settings, CRM_ADMIN_PASSWORD="")

    assert "migrate` first" in early.stderr
    assert early.returncode == 1
    assert (first.stdout, first.returncode) == ("created\n", 0)
    assert (again.stdout, again.returncode) == ("exists\n", 0)
    assert (tmp_path / "identity.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.feature("IDN-05")
def test_the_administrator_needs_a_password_that_is_good_enough(server: Server):
    server.sql("DELETE FROM user_account")

    with pytest.raises(SettingsError, match="CRM_ADMIN_PASSWORD must be set"):
        bootstrap(SERVICE, "")
    with pytest.raises(Invalid) as refusal:
        bootstrap(SERVICE, "short")
    assert refusal.value.problems[0].key == "password_too_short"
    assert bootstrap(SERVICE, PASSWORD) is True


@pytest.mark.feature("IDN-06")
def test_the_root_is_called_like_the_company(server: Server, monkeypatch):
    server.sql("DELETE FROM department")
    monkeypatch.setenv("CRM_COMPANY_NAME", "上海钢铁")

    bootstrap(SERVICE, "")

    assert server.sql("SELECT name FROM department") == [("上海钢铁",)]


@pytest.mark.feature("IDN-05")
def test_doing_it_again_changes_nothing(server: Server, admin, root_id):
    trainer = next(r for r in admin.ListRoles(page_size=200, fields="*").roles if r.code == "trainer")
    admin.UpdateRole(role={"id": trainer.id, "name": "讲师"}, update_mask={"paths": ["name"]}, etag=trainer.etag)
    admin.UpdateDepartment(department={"id": root_id, "name": "集团"}, update_mask={"paths": ["name"]}, etag="1")
    before = len(server.events())

    assert bootstrap(SERVICE, "") is False

    assert len(server.events()) == before
    assert admin.GetRole(id=trainer.id).name == "讲师"


@pytest.mark.feature("IDN-07")
def test_roles_that_a_release_adds_are_added(server: Server, admin):
    server.sql("DELETE FROM role WHERE code = 'trainer'")

    bootstrap(SERVICE, "")

    assert [e.action for e in server.events("role")] == ["created"]


@pytest.mark.feature("IDN-05")
def test_the_tables_are_those_of_the_migrations(server: Server):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from identity import tables

    with server.service.reader.connect() as connection:
        context = MigrationContext.configure(connection)
        found = compare_metadata(context, tables.metadata)

    assert [change for change in found if change[0] not in ("remove_table", "remove_index")] == []
