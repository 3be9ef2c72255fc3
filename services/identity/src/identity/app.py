"""The identity service put together."""

from __future__ import annotations

from pathlib import Path

from crm_kit.handlers import merged
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_kit.timers import Timer
from crm_records import replaying
from crm_records import servicer as records
from crm_records import tables as records_tables
from crm_records.registry import Registry
from identity import (
    client_secrets,
    devices,
    handover_steps,
    keys,
    passwords,
    privacy_requests,
    sessions,
    signing_out,
    single_sign_on,
    tables,
    transactions,
    tries,
)
from identity.api_clients import API_CLIENTS
from identity.audit import anchors, trail
from identity.departments import DEPARTMENTS
from identity.handovers import HANDOVERS
from identity.identity_providers import IDENTITY_PROVIDERS
from identity.keys import Keys
from identity.password_policies import PASSWORD_POLICIES
from identity.privacy_requests import REQUESTS
from identity.roles import ROLES
from identity.rpc.api_clients import ApiClientServicer
from identity.rpc.audit import AuditServicer
from identity.rpc.auth import AuthServicer
from identity.rpc.departments import DepartmentServicer
from identity.rpc.handovers import HandoverServicer
from identity.rpc.identity_providers import IdentityProviderServicer, SingleSignOnServicer
from identity.rpc.password_policies import PasswordPolicyServicer
from identity.rpc.privacy import PrivacyRequestServicer
from identity.rpc.roles import RoleServicer
from identity.rpc.second_factor import SecondFactorServicer
from identity.rpc.sessions import SessionServicer
from identity.rpc.users import UserServicer
from identity.users import USERS

REGISTRY = Registry(
    [USERS, DEPARTMENTS, ROLES, PASSWORD_POLICIES, API_CLIENTS, IDENTITY_PROVIDERS, HANDOVERS, REQUESTS]
)


def servicers(service: Service) -> dict[str, object]:
    REGISTRY.connect(service.writer)
    signing = Keys(service)
    passwords.make_room(service.settings.threads)
    return {
        "AuthService": AuthServicer(service, signing),
        "UserService": UserServicer(signing),
        "DepartmentService": DepartmentServicer(),
        "RoleService": RoleServicer(),
        "AuditService": AuditServicer(),
        "SessionService": SessionServicer(),
        "SecondFactorService": SecondFactorServicer(service),
        "PasswordPolicyService": PasswordPolicyServicer(),
        "ApiClientService": ApiClientServicer(service),
        "IdentityProviderService": IdentityProviderServicer(),
        "SingleSignOnService": SingleSignOnServicer(service),
        "HandoverService": HandoverServicer(),
        "PrivacyRequestService": PrivacyRequestServicer(),
        **records.servicers(REGISTRY, service.jobs),
    }


def keep_copy(call: Call) -> None:
    """People, roles and sessions act here as soon as they are stored."""
    transactions.keep_copy(call)
    call.after_commit.append(SERVICE.organisation.forget)


def retire_keys(call: Call) -> None:
    """What signed before the last rotation and has no token left."""
    keys.retire(call)
    keep_copy(call)


SERVICE = Service(
    name="identity",
    contract="crm.identity.v1",
    servicers=servicers,
    handlers=merged(
        handover_steps.handlers("identity"),
        privacy_requests.handlers("identity"),
        records.handlers("identity", REGISTRY),
    ),
    swept=records.swept("identity"),
    before_replay=replaying.before_replay(REGISTRY),
    metadata=[*records_tables.METADATA, tables.metadata],
    versions=[records_tables.VERSIONS, Path(__file__).parent / "migrations" / "versions"],
    copies_organisation=False,
    before_commit=keep_copy,
    every=trail.append,
    timers=[
        Timer(3600, sessions.sweep),
        Timer(3600, tries.sweep),
        Timer(3600, devices.sweep),
        Timer(3600, client_secrets.sweep),
        Timer(3600, single_sign_on.sweep),
        Timer(3600, signing_out.sweep),
        Timer(60, retire_keys),
        Timer(anchors.SECONDS, anchors.Anchors().write),
    ],
    commands={"rotate-signing-key": keys.rotate_command},
)
