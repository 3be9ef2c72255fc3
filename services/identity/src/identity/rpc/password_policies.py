"""PasswordPolicyService: the standard RPCs, and which policy holds for a person."""

from __future__ import annotations

from sqlalchemy import select

from crm.identity.v1 import password_policies_pb2 as pb
from crm.records.v1 import records_pb2 as records_pb
from crm_kit.rpc import Call
from crm_records import listing
from crm_records.servicer import Servicer
from identity import password_policies
from identity.password_policies import PASSWORD_POLICIES
from identity.tables import user
from identity.users import USERS


class PasswordPolicyServicer(Servicer):
    record = PASSWORD_POLICIES
    service = pb.DESCRIPTOR.services_by_name["PasswordPolicyService"]

    def GetEffectivePasswordPolicy(
        self, call: Call, request: pb.GetEffectivePasswordPolicyRequest
    ) -> pb.EffectivePasswordPolicy:
        if request.user_id != call.caller.user_id:
            call.need("user.read")
            listing.get(call, USERS, records_pb.GetRequest(id=request.user_id, fields="id"))
        department_id = call.connection.scalar(select(user.c.department_id).where(user.c.id == request.user_id))
        policy = password_policies.of_department(call, department_id)
        row = policy.row
        holding = pb.PasswordPolicy(
            id=row["id"] if policy.found else "",
            department_id=row["department_id"] if policy.found else "",
            min_length=row["min_length"],
            character_classes=row["character_classes"],
            history=row["history"],
            expiry_days=row["expiry_days"],
            allow_known_bad=row["allow_known_bad"],
        )
        if request.user_id != call.caller.user_id or call.access.may("password_policy.read"):
            holding.own_words.extend(row["own_words"])
        return pb.EffectivePasswordPolicy(
            policy=holding,
            department_name=policy.path[-1] if policy.found else "",
            department_path=policy.path,
            reason=policy.reason(call.language),
        )
