"""The services of alerts."""

from __future__ import annotations

from crm.customer.v1 import alert_rules_pb2
from crm.customer.v1 import alerts_pb2 as pb
from crm.records.v1 import records_pb2
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.servicer import Servicer
from customer.alerts import record
from customer.alerts.record import ALERTS
from customer.alerts.rules import ALERT_RULES
from customer.many import many


class AlertRuleServicer(Servicer):
    record = ALERT_RULES
    service = alert_rules_pb2.DESCRIPTOR.services_by_name["AlertRuleService"]


class AlertServicer(Servicer):
    record = ALERTS
    service = pb.DESCRIPTOR.services_by_name["AlertService"]

    def AcknowledgeAlert(self, call: Call, request: pb.AcknowledgeAlertRequest) -> pb.Alert:
        return record.acknowledge(call, request.id, request.etag, writing.given(request)["note"])

    def AcknowledgeAlerts(self, call: Call, request: pb.AcknowledgeAlertsRequest) -> records_pb2.BulkResponse:
        note = writing.given(request)["note"]
        return many(call, request.ids, lambda alert_id: record.acknowledge(call, alert_id, None, note))

    def CountAlerts(self, call: Call, request: pb.CountAlertsRequest) -> pb.CountAlertsResponse:
        return record.count(call, request)
