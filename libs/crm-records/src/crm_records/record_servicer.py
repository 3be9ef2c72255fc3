"""What every record type of a service can do: description, states, changes, fields, dictionaries, numbers."""

from __future__ import annotations

import base64
from typing import Any

from crm.records.v1 import records_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import (
    changes,
    custom_fields,
    definitions,
    dictionaries,
    disclosure,
    listing,
    numbers,
    paging,
    reaching,
    showing,
    states,
    visibility,
)
from crm_records import fields as kinds
from crm_records.record import Record
from crm_records.registry import Registry


class OfAllRecords:
    """Answers for every record type of a service."""

    def __init__(self, registry: Registry) -> None:
        self._records = registry.records

    def _record(self, record_type: str) -> Record:
        if record_type not in self._records:
            raise errors.NotFound()
        return self._records[record_type]


class RecordServicer(OfAllRecords):
    """What every record type of a service can do: description, states, changes, fields, dictionaries, numbers."""

    def DescribeRecord(self, call: Call, request: pb.DescribeRecordRequest) -> pb.RecordDescription:
        record = self._record(request.record_type)
        described = {n: _describe(record, f) for n, f in record.fields.items() if f.kind != kinds.CUSTOM}
        for row in custom_fields.KEPT.read(call.connection).get(record.type, {}).values():
            if not row.retired:
                described[f"custom.{row.key}"] = _describe_custom(row)
        view = visibility.of(call, record)
        if view is not None:
            described = {n: disclosure.of_field(view, n, f) for n, f in described.items() if not view.is_gone(n)}
        return pb.RecordDescription(
            record_type=record.type, label_zh=record.label[0], label_en=record.label[1], fields=described.values()
        )

    def ListChanges(self, call: Call, request: pb.ListChangesRequest) -> pb.ListChangesResponse:
        record = self._record(request.record_type)
        view = visibility.of(call, record)
        names = ("id",) if view is None or record.states is None else ("id", record.states.column)
        names = (*names, record.pooled) if view is not None and view.pools else names
        message = listing.read(call, record, request.id, names, showing.columns_of(record, names))
        if record.pooled:
            reaching.check_details(call, record, request.id)
        state = getattr(message, record.states.column) if record.states is not None else None
        size = paging.page_size(request)
        after = _log_position(request.page_token)
        rows = changes.of(call, record.type, request.id, after, size + 1)
        token = base64.urlsafe_b64encode(str(rows[size - 1].id).encode()).decode() if len(rows) > size else ""
        answer = pb.ListChangesResponse(changes=[changes.to_message(r) for r in rows[:size]], next_page_token=token)
        closed = view.closed_of(call, message) if view is not None else frozenset[str]()
        closed |= record.kept_back(call, [request.id]).get(request.id, frozenset())
        if view is not None or closed:
            for change in answer.changes:
                disclosure.cut(record, view, state, change, closed)
        return answer

    def ListActions(self, call: Call, request: pb.ListActionsRequest) -> pb.ListActionsResponse:
        record = self._record(request.record_type)
        names = ("id",) if record.states is None else ("id", record.states.column)
        message = listing.read(call, record, request.id, names, showing.columns_of(record, names))
        if record.states is None:
            return pb.ListActionsResponse()
        row = {record.states.column: getattr(message, record.states.column)}
        out = {r: reaching.why_not(call, record, request.id, r) for r in {t.right for t in record.states.transitions}}
        answer = pb.ListActionsResponse()
        found: dict[str, tuple[str, states.Transition]] = {}
        for way in record.states.transitions:
            # Where one way is open the action is allowed; where none is, the first says why.
            if way.action not in found or found[way.action][0]:
                why = states.why_not(call, record, row, way) or out.get(way.right, "")
                if way.action not in found or not why:
                    found[way.action] = (why, way)
        for action, (why, way) in found.items():
            answer.actions.add(action=action, allowed=not why, to=way.to, reason=why)
        return answer

    def GetStates(self, call: Call, request: pb.GetStatesRequest) -> pb.StateTable:
        record = self._record(request.record_type)
        if record.states is None:
            raise errors.NotFound()
        table = record.states
        return pb.StateTable(
            record_type=record.type,
            field=table.column,
            initial=table.initial,
            states=[pb.State(code=c, label_zh=zh, label_en=en) for c, (zh, en) in table.labels.items()],
            transitions=[
                pb.Transition(**{"from": s}, action=t.action, to=t.to, right=t.right, required=t.required)
                for t in table.transitions
                for s in t.of
            ],
        )

    def ListCustomFields(self, call: Call, request: pb.ListCustomFieldsRequest) -> pb.ListCustomFieldsResponse:
        record = self._record(request.record_type)
        found = definitions.custom_fields_of(call, record)
        view = visibility.of(call, record)
        if view is not None:
            found = [f for f in found if not view.is_gone(f"custom.{f.key}")]
        return pb.ListCustomFieldsResponse(custom_fields=found)

    def CreateCustomField(self, call: Call, request: pb.CreateCustomFieldRequest) -> pb.CustomField:
        return definitions.create_custom_field(call, self._record(request.record_type), request.custom_field)

    def UpdateCustomField(self, call: Call, request: pb.UpdateCustomFieldRequest) -> pb.CustomField:
        return definitions.update_custom_field(call, self._record(request.record_type), request)

    def ListDictionaries(self, call: Call, request: pb.ListDictionariesRequest) -> pb.ListDictionariesResponse:
        used = dictionaries.of_record(self._record(request.record_type))
        known = dictionaries.KEPT.read(call.connection)
        return pb.ListDictionariesResponse(
            entries=[definitions.entry_message(row) for name in sorted(used) for row in known.get(name, {}).values()]
        )

    def CreateDictionaryEntry(self, call: Call, request: pb.CreateDictionaryEntryRequest) -> pb.DictionaryEntry:
        record = self._record(request.record_type)
        return definitions.create_entry(call, record, request.dictionary, request.entry)

    def UpdateDictionaryEntry(self, call: Call, request: pb.UpdateDictionaryEntryRequest) -> pb.DictionaryEntry:
        return definitions.update_entry(call, self._record(request.record_type), request)

    def GetNumberFormat(self, call: Call, request: pb.GetNumberFormatRequest) -> pb.NumberFormat:
        return definitions.number_format_of(call, self._numbered(request.record_type))

    def UpdateNumberFormat(self, call: Call, request: pb.UpdateNumberFormatRequest) -> pb.NumberFormat:
        numbers.check(request.number_format.pattern)
        return definitions.update_number_format(call, self._numbered(request.record_type), request)

    def _numbered(self, record_type: str) -> Record:
        record = self._record(record_type)
        if not record.number:
            raise errors.NotFound()
        return record


def _describe(record: Record, f: kinds.Field) -> pb.FieldDescription:
    comparable = not f.computed and f.kind not in (kinds.DATA, kinds.CUSTOM)
    return pb.FieldDescription(
        name=f.json_name,
        label_zh=f.label[0],
        label_en=f.label[1],
        kind=f.kind,
        required=f.required,
        read_only=f.output_only or f.computed,
        dictionary=f.dictionary,
        references=f.references,
        sortable=comparable and not f.encrypted and f.kind not in (kinds.TEXTS, kinds.IDS),
        filterable=comparable,
        exact=comparable and f.encrypted,
        max_length=f.max_length if f.kind == kinds.TEXT else 0,
        choices=f.values,
        choice_labels=[pb.ChoiceLabel(value=v, label_zh=zh, label_en=en) for v, (zh, en) in f.labels_of_values.items()],
        rule="optional",
    )


def _describe_custom(row: Any) -> pb.FieldDescription:
    return pb.FieldDescription(
        name=f"custom.{row.key}",
        label_zh=row.label_zh,
        label_en=row.label_en,
        kind=row.kind,
        required=row.required,
        references=row.references or "",
        filterable=True,
        choices=row.choices,
        choice_labels=[pb.ChoiceLabel(value=c, label_zh=c, label_en=c) for c in row.choices],
        rule="optional",
    )


def _log_position(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token))
    except ValueError:
        raise errors.Invalid(key="bad_page_token") from None
