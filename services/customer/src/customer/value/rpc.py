"""ValueModelService."""

from __future__ import annotations

from typing import Any

from crm.customer.v1 import value_models_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer import clock
from customer.value import history, values
from customer.value.models import VALUE_MODELS


class ValueModelServicer(Servicer):
    record = VALUE_MODELS
    service = pb.DESCRIPTOR.services_by_name["ValueModelService"]

    def ActivateValueModel(self, call: Call, request: pb.ActivateValueModelRequest) -> Any:
        return VALUE_MODELS.activate(call, request)

    def RetireValueModel(self, call: Call, request: pb.RetireValueModelRequest) -> Any:
        return VALUE_MODELS.retire(call, request)

    def SimulateValueModel(self, call: Call, request: pb.SimulateValueModelRequest) -> pb.SimulateValueModelResponse:
        return values.simulate(call, request.id, clock.today(call))

    def ListCustomerScores(self, call: Call, request: pb.ListCustomerScoresRequest) -> pb.ListCustomerScoresResponse:
        return history.page(call, request)
