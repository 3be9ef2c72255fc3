"""What a caller is told of an error that is no refusal: that of the database above all."""

from __future__ import annotations

import psycopg
from google.rpc import code_pb2
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from crm_kit import db, errors


def translate(error: Exception) -> errors.Refusal:
    """What the caller is told of an error that is not a refusal; the rest stays in the log."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    match cause:
        case pg.UniqueViolation():
            field_name, label = db.UNIQUE.get(cause.diag.constraint_name or "", ("", ("", "")))
            if not field_name:
                return errors.Exists("exists")
            return errors.Exists(
                "exists", errors.Problem(field_name, "taken", {"label": label, "value": _taken(cause)})
            )
        case pg.QueryCanceled():
            return errors.DeadlineExceeded("deadline_exceeded")
        case pg.LockNotAvailable():
            return errors.Unavailable("service_unavailable", retry_after=1)
        case psycopg.OperationalError() | psycopg.InterfaceError() | PoolTimeout():
            return errors.Unavailable("database_unavailable", retry_after=1)
        case psycopg.DataError():
            return errors.Invalid()
    return _Internal("internal")


class _Internal(errors.Refusal):
    code = code_pb2.INTERNAL


def _taken(error: pg.UniqueViolation) -> str:
    """The value out of PostgreSQL's `Key (credit_code)=(9111…) already exists.`, of several the last."""
    names, _, values = (error.diag.message_detail or "").partition(")=(")
    return values.partition(") already")[0].split(", ", names.count(","))[-1]
