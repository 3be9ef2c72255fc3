"""The service's tables. Columns of records come from the contract; what it cannot say stands here."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from crm.identity.v1.api_clients_pb2 import ApiClient
from crm.identity.v1.departments_pb2 import Department
from crm.identity.v1.handovers_pb2 import Handover
from crm.identity.v1.identity_providers_pb2 import IdentityProvider
from crm.identity.v1.password_policies_pb2 import PasswordPolicy
from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm.identity.v1.roles_pb2 import Role
from crm.identity.v1.users_pb2 import User
from crm_kit import db
from crm_records import schema

metadata = MetaData()


def _time(name: str, *, optional: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=optional)


user = schema.table(
    metadata,
    User.DESCRIPTOR,
    "user_account",
    Column("password_hash", Text),
    _time("password_time", optional=True),
    searchable=True,
)
"""The hash is no field of the record, so it is never answered, logged or announced."""
Index(
    "uq_user_account_username",
    func.lower(user.c.username),
    unique=True,
    postgresql_where=user.c.delete_time.is_(None),
)
db.UNIQUE["uq_user_account_username"] = ("username", ("用户名", "Username"))
Index("ix_user_account_department_id", user.c.department_id)
Index("ix_user_account_manager_id", user.c.manager_id)
Index("ix_user_account_role_ids", user.c.role_ids, postgresql_using="gin")
Index("ix_user_account_name", user.c.name, user.c.id)

department = schema.table(metadata, Department.DESCRIPTOR, "department")
Index("ix_department_manager_id", department.c.manager_id)

role = schema.table(metadata, Role.DESCRIPTOR, "role")
schema.unique(role, "code")
schema.tell_unique(role, Role.DESCRIPTOR)

password_policy = schema.table(metadata, PasswordPolicy.DESCRIPTOR, "password_policy")
schema.unique(password_policy, "department_id")
schema.tell_unique(password_policy, PasswordPolicy.DESCRIPTOR)

former_password = Table(
    "former_password",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("user_id", Uuid(as_uuid=False), nullable=False),
    Column("hash", Text, nullable=False),
)
"""Hashes that were replaced, as many as a policy may ask about; the present one stays with the account."""
Index("ix_former_password_user_id", former_password.c.user_id, former_password.c.id)
api_client = schema.table(metadata, ApiClient.DESCRIPTOR, "api_client")
Index("ix_api_client_department_id", api_client.c.department_id)

client_secret = Table(
    "client_secret",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("client_id", Uuid(as_uuid=False), nullable=False),
    _time("create_time"),
    _time("end_time", optional=True),
)
"""Of each client the one in use and, until it ends, the one before."""
Index("ix_client_secret_client_id", client_secret.c.client_id)

identity_provider = schema.table(
    metadata, IdentityProvider.DESCRIPTOR, "identity_provider", Column("sealed_secret", LargeBinary)
)
"""The client secret is encrypted with the key file, and is no field: it is never answered, logged or announced."""

single_sign_on = Table(
    "single_sign_on",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("provider_id", Uuid(as_uuid=False), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("verifier", LargeBinary, nullable=False),
    Column("nonce", Text, nullable=False),
    _time("expire_time"),
)
"""Who was sent to a provider and is not back yet, by the hash of the state; the PKCE verifier is encrypted."""
Index("ix_single_sign_on_expire_time", single_sign_on.c.expire_time)

session = Table(
    "session",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Uuid(as_uuid=False), nullable=False),
    Column("device", Text, nullable=False),
    Column("address", Text, nullable=False),
    _time("create_time"),
    _time("last_use_time"),
    _time("expire_time", optional=True),
    _time("end_time", optional=True),
    Column("device_id", Uuid(as_uuid=False)),
)
"""`expire_time` follows from the roles and is reckoned anew at each refresh."""
Index("ix_session_living", session.c.user_id, postgresql_where=session.c.end_time.is_(None))

provider_session = Table(
    "provider_session",
    metadata,
    Column("session_id", Uuid(as_uuid=False), primary_key=True),
    Column("sign_on", LargeBinary, nullable=False),
)
"""Of sessions that were opened by single sign-on: what signing out at the provider takes, encrypted."""

refresh_token = Table(
    "refresh_token",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("session_id", Uuid(as_uuid=False), nullable=False),
    _time("expire_time"),
    _time("used_time", optional=True),
)
"""Used ones stay until they expire: whoever shows one again stole it or was stolen from."""
Index("ix_refresh_token_session_id", refresh_token.c.session_id)
Index("ix_refresh_token_expire_time", refresh_token.c.expire_time)

failed_login = Table(
    "failed_login",
    metadata,
    Column("key", Text, primary_key=True),
    Column("tries", Integer, nullable=False),
    _time("last_time"),
    _time("locked_until", optional=True),
    Column("answered", ARRAY(DateTime(timezone=True)), nullable=False, server_default=text("'{}'")),
)
"""`tries` makes locks grow; `answered` are the moments of those that got an answer within the window."""
Index("ix_failed_login_last_time", failed_login.c.last_time)

known_device = Table(
    "known_device",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Uuid(as_uuid=False), nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    _time("last_use_time"),
    _time("expire_time"),
)
"""Where somebody has logged in before; the token itself is with the device."""
Index("ix_known_device_user_id", known_device.c.user_id)

second_factor = Table(
    "second_factor",
    metadata,
    Column("user_id", Uuid(as_uuid=False), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("last_step", BigInteger, nullable=False),
)
"""The secret is sealed. `last_step` is the time of the last code that was taken: neither it nor an older one counts."""

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("user_id", Uuid(as_uuid=False), primary_key=True),
    Column("hash", LargeBinary, primary_key=True),
    _time("used_time", optional=True),
)

login_challenge = Table(
    "login_challenge",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("user_id", Uuid(as_uuid=False), nullable=False),
    Column("device", Text, nullable=False),
    Column("address", Text, nullable=False),
    _time("expire_time"),
    Column("sign_on", LargeBinary),
)
"""The first step of logins that wait for the second factor; `sign_on` is as in `provider_session`."""
Index("ix_login_challenge_user_id", login_challenge.c.user_id)

signing_key = Table(
    "signing_key",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("kid", Text, nullable=False, unique=True),
    Column("x", Text, nullable=False),
    Column("private_key", LargeBinary, nullable=False),
    Column("retired", Boolean, nullable=False),
    _time("create_time"),
)
"""Private keys are encrypted with the key file, which is not in the database."""

handover = schema.table(metadata, Handover.DESCRIPTOR, "handover", searchable=True)
Index("ix_handover_from_user_id", handover.c.from_user_id, handover.c.id)
Index("ix_handover_taker_ids", handover.c.taker_ids, postgresql_using="gin")

handover_part = Table(
    "handover_part",
    metadata,
    Column("handover_id", Uuid(as_uuid=False), primary_key=True),
    Column("service", Text, primary_key=True),
    Column("record_type", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("part", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
)
"""What each service said last of its part, as the JSON of the message."""

privacy_request = schema.table(metadata, PrivacyRequest.DESCRIPTOR, "privacy_request", searchable=True)
Index("ix_privacy_request_subject_id", privacy_request.c.subject_id)

privacy_part = Table(
    "privacy_part",
    metadata,
    Column("request_id", Uuid(as_uuid=False), primary_key=True),
    Column("service", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("part", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
)
