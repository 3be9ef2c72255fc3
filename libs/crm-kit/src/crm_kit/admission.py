"""Who calls an RPC, and whether its rule lets them: the token, the person, the place, the right."""

from __future__ import annotations

from typing import Any

from crm import rule_pb2
from crm_kit import clients, errors
from crm_kit.caller import Caller, Metadata
from crm_kit.organisation_reader import Organisation
from crm_kit.tokens import Claims, Verifier

VIEW_AS = "user.view_as"
"""The right to see what somebody else sees; a token of that kind is good for as long as its holder has it."""


class Admission:
    """Lets callers in, or refuses them, by what this process knows of the organisation."""

    def __init__(self, organisation: Organisation) -> None:
        self._organisation = organisation
        self._verifier, self._pace = Verifier(organisation.key), clients.Pace()

    def authenticate(self, rule: rule_pb2.Rule, meta: Metadata, caller: Caller) -> None:
        """Find out who calls; who is known before a refusal can be told with it."""
        if rule.public:
            return
        scheme, _, token = meta.authorization.partition(" ")
        if not token or scheme.lower() != "bearer":
            raise errors.Unauthenticated("unauthenticated")
        claims = self._verifier.verify(token)
        caller.session_id, caller.acting_id = claims.session_id, claims.acting_id
        access = self._organisation.access(claims.user_id, claims.session_id)
        caller.access = access
        if claims.acting_id:
            self._refuse_looking(claims, meta)
        if claims.pending and not rule.while_pending:
            raise errors.Denied(f"{claims.pending}_required")
        if access.client:
            clients.refuse_outside(access.client, meta)
            if access.client.per_minute:
                self._pace.take(access.user_id, access.client.per_minute)
        if access.restricted:
            caller.access = access.here(meta.address)

    def _refuse_looking(self, claims: Claims, meta: Metadata) -> None:
        """Who looks through somebody's eyes must still be let in, from there, and still may look."""
        looks = self._organisation.access(claims.acting_id, claims.session_id)
        if looks.restricted:
            looks = looks.here(meta.address)
        if not looks.may(VIEW_AS):
            raise errors.Denied("right_missing", right=VIEW_AS)

    def authorize(self, rule: rule_pb2.Rule, caller: Caller, request: Any) -> None:
        if rule.right and caller.access:
            right = rule.right
            if right.startswith("{record_type}"):
                right = right.replace("{record_type}", request.record_type)
            if not caller.access.may(right):
                raise errors.Denied("right_missing", right=right)
            caller.right = right
