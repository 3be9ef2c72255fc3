"""PoolService and PoolCustomerService."""

from __future__ import annotations

from sqlalchemy import select

from crm.customer.v1 import customers_pb2, pools_pb2
from crm.customer.v1 import pool_customers_pb2 as pb
from crm.records.v1 import jobs_pb2
from crm_kit import errors
from crm_kit.pool import today
from crm_kit.rpc import Call
from crm_records import reaching, rows, writing
from crm_records.servicer import Servicer
from customer.customers import CUSTOMERS
from customer.pools import claiming, facts, moves, returning, simulating
from customer.pools.config import ACTIVE_POOLS
from customer.pools.pools import POOLS
from customer.pools.tables import pool, pool_move
from customer.pools.terms import decide

errors.texts(
    {
        "pool_found_at": ("按部门“{department}”适用公海“{pool}”", "{pool} is the pool of the department {department}"),
        "pool_of_all": ("适用于所有部门的公海“{pool}”", "{pool} is the pool of all departments"),
        "pool_none": ("没有适用于该客户的公海", "No pool is responsible for the customer"),
    }
)


class PoolServicer(Servicer):
    record = POOLS
    service = pools_pb2.DESCRIPTOR.services_by_name["PoolService"]

    def ActivatePool(self, call: Call, request: pools_pb2.ChangePoolStateRequest) -> pools_pb2.Pool:
        found: pools_pb2.Pool = writing.act(call, POOLS, request.id, request.etag, "activate")
        return found

    def DeactivatePool(self, call: Call, request: pools_pb2.ChangePoolStateRequest) -> pools_pb2.Pool:
        found: pools_pb2.Pool = writing.act(call, POOLS, request.id, request.etag, "deactivate")
        return found

    def SimulatePool(self, call: Call, request: pools_pb2.SimulatePoolRequest) -> jobs_pb2.Job:
        return simulating.start(call, request)

    def ListSimulatedLosses(
        self, call: Call, request: pools_pb2.GetPoolSimulationRequest
    ) -> pools_pb2.ListSimulatedLossesResponse:
        return simulating.losses(call, request)

    def ListSimulatedReturns(
        self, call: Call, request: pools_pb2.GetPoolSimulationRequest
    ) -> pools_pb2.ListSimulatedReturnsResponse:
        return simulating.returns(call, request)

    def GetPoolStatistics(self, call: Call, request: pools_pb2.GetPoolStatisticsRequest) -> pools_pb2.PoolStatistics:
        moves.administered(call, request.id)
        return moves.statistics(call, request)


class PoolCustomerServicer(Servicer):
    record = CUSTOMERS
    service = pb.DESCRIPTOR.services_by_name["PoolCustomerService"]

    def ViewPoolCustomer(self, call: Call, request: pb.ViewPoolCustomerRequest) -> customers_pb2.Customer:
        return claiming.view(call, request.id)

    def ClaimCustomer(self, call: Call, request: pb.ClaimCustomerRequest) -> customers_pb2.Customer:
        return _answer(call, claiming.claim(call, request.id, request.etag))

    def GiveOutCustomer(self, call: Call, request: pb.GiveOutCustomerRequest) -> customers_pb2.Customer:
        return _answer(call, claiming.give_out(call, request.id, request.etag, request.owner_id))

    def GiveBackCustomer(self, call: Call, request: pb.GiveBackCustomerRequest) -> pb.PoolMove:
        return moves.newest(call, returning.give_back(call, request))

    def ProtectCustomer(self, call: Call, request: pb.ProtectCustomerRequest) -> customers_pb2.Customer:
        given = writing.given(request)
        return _answer(call, writing.write(call, CUSTOMERS, request.id, request.etag, "protected", lambda _row: given))

    def GetReturnTerms(self, call: Call, request: pb.GetReturnTermsRequest) -> pb.ReturnTerms:
        reaching.check_details(call, CUSTOMERS, request.id)
        one = facts.of(call, [request.id])[0]
        responsible = facts.Responsible(call, ACTIVE_POOLS.read(call.connection).values())
        at = responsible.of([one])[0]
        if at is None:
            return pb.ReturnTerms(text=errors.text("pool_none", call.language, {}))
        config, department_id = at
        verdict = decide(one, config.rules, today())
        words = {"pool": config.name, "department": responsible.tree.name(department_id)}
        answer = pb.ReturnTerms(
            pool_id=config.id,
            pool_name=config.name,
            text=errors.text("pool_found_at" if department_id else "pool_of_all", call.language, words),
            reason=verdict.reason,
            kept_by=verdict.kept_by,
            return_day=verdict.day.isoformat() if verdict.day else "",
            warning_day=verdict.warning.isoformat() if verdict.warning else "",
        )
        if verdict.rule is not None:
            stored = call.connection.execute(select(pool).where(pool.c.id == config.id)).mappings().one()
            message = rows.to_message(POOLS, dict(stored))
            answer.rule_number = verdict.rule.number
            answer.rule.CopyFrom(message.return_rules[verdict.rule.number - 1])
        return answer

    def ListCustomerPoolMoves(self, call: Call, request: pb.ListPoolMovesRequest) -> pb.ListPoolMovesResponse:
        reaching.check_details(call, CUSTOMERS, request.id)
        return moves.page(call, pool_move.c.customer_id == request.id, request)

    def ListPoolMoves(self, call: Call, request: pb.ListPoolMovesRequest) -> pb.ListPoolMovesResponse:
        moves.administered(call, request.id)
        return moves.page(call, pool_move.c.pool_id == request.id, request)


def _answer(call: Call, row: dict[str, object]) -> customers_pb2.Customer:
    found: customers_pb2.Customer = writing.answer(call, CUSTOMERS, row)
    return found
