"""AuditService: reading, exporting and checking the trail."""

from __future__ import annotations

from google.api.httpbody_pb2 import HttpBody

from crm.identity.v1 import audit_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import files
from identity.audit import anchors, listing, trail, verify

errors.texts(
    {
        "anchors_unreadable": (
            "无法读取数据库外的锚点文件",
            "The file of anchors outside the database cannot be read",
        ),
    }
)

AT_ONCE = 50_000
"""Entries that one call checks at most: it must not take longer than a caller waits."""


class AuditServicer:
    def ListAuditEntries(self, call: Call, request: pb.ListAuditEntriesRequest) -> pb.ListAuditEntriesResponse:
        return listing.page(call, request)

    def GetAuditEntry(self, call: Call, request: pb.GetAuditEntryRequest) -> pb.AuditEntry:
        return listing.one(call, request.id)

    def ExportAuditEntries(self, call: Call, request: pb.ExportAuditEntriesRequest) -> HttpBody:
        data, rows = listing.table(call, request)
        call.note(rows=rows, format="csv", filter=listing.said(request))
        return files.answer(call, "audit-entries", files.CSV, data)

    def VerifyAudit(self, call: Call, request: pb.VerifyAuditRequest) -> pb.VerifyAuditResponse:
        if request.start_seq < 0:
            problem = errors.Problem("startSeq", "too_small", {"label": ("起始序号", "Start seq"), "limit": 0})
            raise errors.Invalid(problem)
        head, head_hash = trail.head(call.connection)
        try:
            result = verify.check(verify.Stored(call.connection), anchors.read, request.start_seq, AT_ONCE)
        except OSError:
            raise errors.Unavailable("anchors_unreadable") from None
        answer = pb.VerifyAuditResponse(
            entries=result.entries,
            end_seq=result.end_seq,
            head_seq=head,
            head_hash=head_hash,
            anchors=result.anchors,
        )
        if result.broken:
            said = result.broken.message(call.language)
            answer.broken.CopyFrom(pb.BrokenAuditEntry(seq=result.broken.seq, what=result.broken.what, message=said))
        elif result.end_seq < head:
            answer.next_seq = result.end_seq + 1
        return answer
