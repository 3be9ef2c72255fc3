"""`python -m identity bootstrap`: what an installation needs before the first login. Run it as often as you like.

It adds built-in roles, the root department and its password policy, the signing key and the user `admin` where they
are missing, and changes nothing that is there. Its last line is `created` if it made the user, else `exists`.
"""

from __future__ import annotations

import os
import sys

from sqlalchemy import func, select, text

from crm.identity.v1.departments_pb2 import Department
from crm.identity.v1.password_policies_pb2 import PasswordPolicy
from crm.identity.v1.roles_pb2 import DataScope, FieldRule, Role
from crm.identity.v1.users_pb2 import User
from crm_kit.errors import EN, Refusal
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_kit.settings import Settings, SettingsError
from crm_records import writing
from identity import administrators, builtin, password_policies, passwords
from identity.departments import DEPARTMENTS
from identity.keys import Keys
from identity.password_policies import PASSWORD_POLICIES
from identity.roles import ROLES
from identity.tables import department, password_policy, role, user
from identity.transactions import as_system
from identity.users import USERS

USERNAME, NAME = "admin", "系统管理员"
_ONE_AT_A_TIME = 0x43524D13


def run(service: Service) -> None:
    """The command."""
    try:
        service.connect(Settings.from_environment(service.name))
        if not service.migrate(check=True):
            raise SettingsError("the database is not of this release; run `python -m identity migrate` first")
        made = bootstrap(service, os.environ.get("CRM_ADMIN_PASSWORD", ""))
    except SettingsError as error:
        sys.exit(f"identity: {error}")
    except Refusal as refusal:
        said = [p.message(EN) for p in refusal.problems] or [refusal.message(EN)]
        sys.exit(f"identity: {'; '.join(said)}")
    sys.stdout.write("created\n" if made else "exists\n")


def bootstrap(service: Service, password: str) -> bool:
    """Add what is missing; whether the administrator was."""
    service.servicers(service)  # connects the records
    Keys(service).current()
    with as_system(service) as call:
        call.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
        _add_roles(call)
        root_id = _root(call) or _make_root(call)
        _add_password_policy(call, root_id)
        # One that was deleted does not come back: somebody meant it.
        if call.connection.scalar(select(user.c.id).where(func.lower(user.c.username) == USERNAME).limit(1)):
            return False
        _add_administrator(call, root_id, password)
        return True


def _add_roles(call: Call) -> None:
    known = set(call.connection.scalars(select(role.c.code).where(role.c.delete_time.is_(None))))
    for one in builtin.ROLES:
        if one.code not in known:
            scopes = [DataScope(resource=r, scope=s) for r, s in {"*": one.scope, **one.scopes}.items()]
            message = Role(code=one.code, name=one.name, group=one.group, description=one.description)
            message.inherited = one.code in builtin.INHERITED
            message.rights.extend(one.rights)
            message.scopes.extend(scopes)
            message.field_rules.extend(FieldRule(resource=r, field=f, rule=rule) for r, f, rule in one.fields)
            writing.create(call, ROLES, message, built_in=True)


def _root(call: Call) -> str | None:
    living = select(department.c.id).where(department.c.parent_id.is_(None), department.c.delete_time.is_(None))
    return call.connection.scalar(living.order_by(department.c.create_time, department.c.id).limit(1))


def _make_root(call: Call) -> str:
    made = writing.create(call, DEPARTMENTS, Department(name=os.environ.get("CRM_COMPANY_NAME") or "公司"))
    return str(made.id)


def _add_password_policy(call: Call, root_id: str) -> None:
    """The default of everybody; the one that is there stays as it is."""
    if call.connection.scalar(select(password_policy.c.id).where(password_policy.c.delete_time.is_(None)).limit(1)):
        return
    writing.create(call, PASSWORD_POLICIES, PasswordPolicy(department_id=root_id), **password_policies.FIRST)


def _add_administrator(call: Call, department_id: str, password: str) -> None:
    if not password:
        raise SettingsError("CRM_ADMIN_PASSWORD must be set to make the user admin")
    policy = password_policies.of_department(call, department_id)
    owner, label = password_policies.Owner(USERNAME, NAME), ("CRM_ADMIN_PASSWORD", "CRM_ADMIN_PASSWORD")
    writing.refuse(password_policies.problems(call, policy, password, owner, "", label))
    living = role.c.delete_time.is_(None)
    role_id = call.connection.scalar(select(role.c.id).where(role.c.code == administrators.CODE, living))
    message = User(username=USERNAME, name=NAME, department_id=department_id, role_ids=[str(role_id)])
    writing.create(call, USERS, message, **password_policies.first(passwords.hashed(password), must_change=False))
