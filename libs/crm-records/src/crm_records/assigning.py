"""To whom a request gives records: a person, or a department."""

from __future__ import annotations

from google.protobuf.message import Message

from crm_kit import errors
from crm_kit.errors import Problem
from crm_records import fields as kinds
from crm_records import validation, writing
from crm_records.record import Row

errors.texts(
    {
        "assigned_to_nobody": (
            "请给出新的负责人(ownerId)或部门(departmentId)：分配不会把记录变成无主的",
            "Name the new owner (ownerId) or a department (departmentId): what is assigned is somebody's",
        )
    }
)


def taker(request: Message) -> Row:
    """The new owner and department. INVALID_ARGUMENT where the request names neither, or what is no id."""
    described = kinds.of(request.DESCRIPTOR)
    problems: list[Problem] = []
    given = validation.row_values(request, ("owner_id", "department_id"), described, problems)
    if not problems and not any(given.values()):
        problems.append(Problem(described["owner_id"].json_name, "assigned_to_nobody"))
    writing.refuse(problems)
    return given
