"""Expecting a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2


class Refused:
    """What a refusal said: its reason, its text, its wrong fields, when to try again."""

    reason = message = ""
    fields: dict[str, str]
    retry_after = 0.0


@contextmanager
def refused(code: str, reason: str = "", *fields: str) -> Iterator[Refused]:
    """Expect a refusal with this code and reason that names at least these fields."""
    refusal = Refused()
    with pytest.raises(grpc.RpcError) as caught:
        yield refusal
    error = cast(Any, caught.value)
    refusal.fields, refusal.message = {}, error.details()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            _read_details(refusal, status_pb2.Status.FromString(value))
    said = f"{error.code().name} {refusal.reason} {refusal.fields} {refusal.message}"
    assert error.code().name == code, said
    assert reason in ("", refusal.reason), said
    assert set(fields) <= set(refusal.fields), said


NO = ("NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED")


def gets_through(rpc: Callable[..., Any], **fields: Any) -> bool:
    """Whether somebody may do something. A write that is sent with a version that never was ends in ABORTED there."""
    try:
        rpc(**fields)
    except grpc.RpcError as error:
        code = cast(Any, error).code().name
        if code not in (*NO, "ABORTED"):
            raise
        return bool(code == "ABORTED")
    return True


def _read_details(refusal: Refused, status: status_pb2.Status) -> None:
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(info):
            refusal.reason = info.reason
        elif detail.Unpack(bad):
            refusal.fields = {v.field: v.description for v in bad.field_violations}
        elif detail.Unpack(retry):
            refusal.retry_after = retry.retry_delay.ToMilliseconds() / 1000
