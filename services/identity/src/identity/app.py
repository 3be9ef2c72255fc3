"""The identity service put together."""

from __future__ import annotations

from pathlib import Path

from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_kit.timers import Timer
from crm_records import acting
from crm_records import servicer as records
from crm_records import tables as records_tables
from crm_records.record import Registry
from identity import handover_steps, privacy_requests, sessions, tables, transactions, tries
from identity.departments import DEPARTMENTS
from identity.handovers import HANDOVERS
from identity.privacy_requests import REQUESTS
from identity.roles import ROLES
from identity.rpc.auth import AuthServicer
from identity.rpc.departments import DepartmentServicer
from identity.rpc.handovers import HandoverServicer
from identity.rpc.privacy import PrivacyRequestServicer
from identity.rpc.roles import RoleServicer
from identity.rpc.users import UserServicer
from identity.users import USERS

REGISTRY = Registry([USERS, DEPARTMENTS, ROLES, HANDOVERS, REQUESTS])


def servicers(service: Service) -> dict[str, object]:
    REGISTRY.connect(service.writer)
    return {
        "AuthService": AuthServicer(service),
        "UserService": UserServicer(),
        "DepartmentService": DepartmentServicer(),
        "RoleService": RoleServicer(),
        "HandoverService": HandoverServicer(),
        "PrivacyRequestService": PrivacyRequestServicer(),
        **records.servicers(REGISTRY),
    }


def keep_copy(call: Call) -> None:
    """People, roles and sessions act here as soon as they are stored."""
    transactions.keep_copy(call)
    call.after_commit.append(SERVICE.organisation.forget)


SERVICE = Service(
    name="identity",
    contract="crm.identity.v1",
    servicers=servicers,
    handlers=acting.merged(
        handover_steps.handlers("identity"),
        privacy_requests.handlers("identity"),
        records.handlers("identity", REGISTRY),
    ),
    metadata=[*records_tables.METADATA, tables.metadata],
    versions=[records_tables.VERSIONS, Path(__file__).parent / "migrations" / "versions"],
    copies_organisation=False,
    before_commit=keep_copy,
    timers=[Timer(3600, sessions.sweep), Timer(3600, tries.sweep)],
)
