"""TradeEntryService: the standard RPCs, and the figures of a customer."""

from __future__ import annotations

from crm.customer.v1 import trade_pb2 as pb
from crm_kit import ids
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer.trade import figures, ledger
from customer.trade.entries import MANUAL, TRADE_ENTRIES


class TradeEntryServicer(Servicer):
    record = TRADE_ENTRIES
    service = pb.DESCRIPTOR.services_by_name["TradeEntryService"]

    def CreateTradeEntry(self, call: Call, request: pb.CreateTradeEntryRequest) -> pb.TradeEntry:
        made = ledger.put(call, MANUAL, ids.uuid7(), 1, request.trade_entry)
        assert made is not None
        return made

    def GetTradeFigures(self, call: Call, request: pb.GetTradeFiguresRequest) -> pb.TradeFigures:
        return figures.of_customer(call, request)
