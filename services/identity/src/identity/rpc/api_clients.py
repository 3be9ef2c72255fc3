"""ApiClientService: the standard RPCs, secrets, letting clients in and keeping them out, and their tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from crm.identity.v1 import api_clients_pb2 as pb
from crm.identity.v1.keys_pb2 import Session
from crm.records.v1 import records_pb2 as records_pb
from crm_kit import clients, errors, ids
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_records import fields as kinds
from crm_records import recycling, writing
from crm_records.record import Row
from crm_records.servicer import Servicer
from identity import api_clients, client_secrets, sessions, tries
from identity.api_clients import API_CLIENTS
from identity.keys import Keys
from identity.transactions import beside

errors.texts(
    {
        "client_refused": (
            "客户端标识或密钥不正确，或客户端已停用",
            "Wrong client id or secret, or a disabled client",
        ),
        "unsupported_grant_type": ("只支持 client_credentials", "The only grant type is client_credentials"),
        "client_active": ("客户端已启用", "The client is active already"),
        "client_not_active": ("客户端已停用", "The client is disabled already"),
    }
)


class ApiClientServicer(Servicer):
    record = API_CLIENTS
    service = pb.DESCRIPTOR.services_by_name["ApiClientService"]

    def __init__(self, service: Service) -> None:
        self._service, self._keys = service, Keys(service)

    def CreateApiClient(self, call: Call, request: pb.CreateApiClientRequest) -> pb.CreateApiClientResponse:
        made = writing.create(call, API_CLIENTS, request.api_client, active=True, secret_time=datetime.now(UTC))
        return pb.CreateApiClientResponse(api_client=made, secret=client_secrets.make(call, made.id))

    def DeleteApiClient(self, call: Call, request: records_pb.DeleteRequest) -> records_pb.Deleted:
        deleted = recycling.delete(call, API_CLIENTS, request)
        sessions.end_all(call, request.id)
        return deleted

    def RotateApiClientSecret(self, call: Call, request: pb.RotateApiClientSecretRequest) -> pb.CreateApiClientResponse:
        hours = writing.given(request)["overlap_hours"]
        told: list[str] = []

        def rotate(before: Row) -> dict[str, Any]:
            api_clients.refuse_mightier(call, before)
            secret, end = client_secrets.replace(call, before["id"], timedelta(hours=hours))
            told.append(secret)
            return {"secret_time": datetime.now(UTC), "overlap_end_time": end}

        row = writing.write(call, API_CLIENTS, request.id, request.etag, "secret_rotated", rotate)
        return pb.CreateApiClientResponse(api_client=writing.answer(call, API_CLIENTS, row), secret=told[0])

    def ActivateApiClient(self, call: Call, request: pb.ActivateApiClientRequest) -> pb.ApiClient:
        return _switch(call, request, "activated", True)

    def DeactivateApiClient(self, call: Call, request: pb.DeactivateApiClientRequest) -> pb.ApiClient:
        answer = _switch(call, request, "deactivated", False)
        sessions.end_all(call, request.id)
        return answer

    def IssueToken(self, call: Call, request: pb.IssueTokenRequest) -> pb.ClientToken:
        _refuse_incomplete(request)
        # A secret cannot be guessed, so tries lock the place they come from, never the client out of its own.
        address = call.metadata.address
        who = f"client {request.client_id} {address}"
        with beside(self._service, call) as counting:
            counted = tries.count(counting.connection, tries.of_login(who, address))
        found = client_secrets.holder(call, request.client_id, request.client_secret)
        try:
            if found is None or not client_secrets.enters(call, found):
                raise errors.Unauthenticated("client_refused")
            # A token that is bound to a certificate is of no use without it, so it may be asked for without.
            shown = bool(call.metadata.certificate)
            clients.refuse_outside(client_secrets.limits(call, found.id), call.metadata, certificate=shown)
        except errors.Refusal:
            self._tell_refused(call, found.id if found else "")
            raise
        tries.succeeded(call.connection, counted)
        token, seconds = client_secrets.token(call, self._keys, found)
        return pb.ClientToken(
            access_token=token,
            token_type="Bearer",  # noqa: S106
            expires_in=seconds,
            scope=" ".join(found.rights),
        )

    def _tell_refused(self, call: Call, client_id: str) -> None:
        """As of people who log in: what was sent as an id is not told, it may be a secret."""
        with beside(self._service, call) as other:
            attempt = Session(id=client_id or ids.uuid7(), user_id=client_id, device="client_credentials")
            attempt.address = call.metadata.address
            sessions.tell(other, "refused", 1, attempt)


def _refuse_incomplete(request: pb.IssueTokenRequest) -> None:
    described = kinds.of(request.DESCRIPTOR)
    writing.refuse(
        Problem(f.json_name, "required", {"label": f.label}) for n, f in described.items() if not getattr(request, n)
    )
    if request.grant_type != "client_credentials":
        raise errors.Invalid(key="unsupported_grant_type")


def _switch(call: Call, request: Any, event: str, active: bool) -> pb.ApiClient:
    def turn(before: Row) -> dict[str, Any]:
        if before["active"] == active:
            raise errors.Conflict("client_active" if active else "client_not_active")
        return {"active": active}

    row = writing.write(call, API_CLIENTS, request.id, request.etag, event, turn)
    answer = writing.answer(call, API_CLIENTS, row)
    assert isinstance(answer, pb.ApiClient)
    return answer
