"""IdentityProviderService and SingleSignOnService."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from crm.identity.v1 import identity_providers_pb2 as pb
from crm.identity.v1.auth_pb2 import Tokens
from crm.identity.v1.keys_pb2 import Session
from crm_kit import errors, ids
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_records import fields as kinds
from crm_records import validation, writing
from crm_records.record import Row
from crm_records.servicer import Servicer
from identity import identity_providers, sessions, single_sign_on
from identity.identity_providers import IDENTITY_PROVIDERS
from identity.keys import Keys
from identity.secret import seal
from identity.tables import identity_provider
from identity.transactions import beside

MOST = 100
"""Providers on a login page."""


class IdentityProviderServicer(Servicer):
    record = IDENTITY_PROVIDERS
    service = pb.DESCRIPTOR.services_by_name["IdentityProviderService"]

    def CreateIdentityProvider(self, call: Call, request: pb.CreateIdentityProviderRequest) -> pb.IdentityProvider:
        return _provider(writing.create(call, IDENTITY_PROVIDERS, request.identity_provider, **_secret(request)))

    def SetIdentityProviderSecret(
        self, call: Call, request: pb.SetIdentityProviderSecretRequest
    ) -> pb.IdentityProvider:
        def give(_before: Row) -> dict[str, Any]:
            identity_providers.refuse_weaker(call)
            return _secret(request)

        row = writing.write(call, IDENTITY_PROVIDERS, request.id, request.etag, "secret_set", give)
        return _provider(writing.answer(call, IDENTITY_PROVIDERS, row))


class SingleSignOnServicer:
    """A state is used up and a refusal told although they roll the RPC back: both are written beside it."""

    def __init__(self, service: Service) -> None:
        self._service, self._keys = service, Keys(service)

    def ListLoginProviders(self, call: Call, _request: pb.ListLoginProvidersRequest) -> pb.ListLoginProvidersResponse:
        table = identity_provider
        query = select(table.c.id, table.c.name, table.c.kind).where(table.c.enabled, table.c.delete_time.is_(None))
        answer = pb.ListLoginProvidersResponse()
        for row in call.connection.execute(query.order_by(table.c.name, table.c.id).limit(MOST)):
            answer.providers.add(id=row.id, name=row.name, kind=row.kind or identity_providers.OPENID)
        return answer

    def StartSingleSignOn(self, call: Call, request: pb.StartSingleSignOnRequest) -> pb.StartSingleSignOnResponse:
        writing.given(request)
        return single_sign_on.start(call, request)

    def FinishSingleSignOn(self, call: Call, request: pb.FinishSingleSignOnRequest) -> Tokens:
        writing.given(request)
        try:
            with beside(self._service, call) as using:
                provider_id, begun = single_sign_on.spend(using, request.state)
            found, sign_on = single_sign_on.account(call, self._service, provider_id, begun, request)
            return single_sign_on.let_in(call, self._keys, found, request.device, sign_on)
        except (errors.Unauthenticated, errors.Denied):
            self._tell_refused(call, request.device)
            raise

    def _tell_refused(self, call: Call, device: str) -> None:
        with beside(self._service, call) as other:
            attempt = Session(id=ids.uuid7(), device=device[:200], address=call.metadata.address)
            sessions.tell(other, "refused", 1, attempt)


def _secret(request: Any) -> dict[str, Any]:
    """The client secret of a request as it is stored."""
    problems: list[errors.Problem] = []
    described = kinds.of(request.DESCRIPTOR)
    secret = validation.row_values(request, ["client_secret"], described, problems)["client_secret"]
    writing.refuse(problems)
    return {"sealed_secret": seal(secret.encode()) if secret else None, "has_secret": bool(secret)}


def _provider(message: Any) -> pb.IdentityProvider:
    assert isinstance(message, pb.IdentityProvider)
    return message
