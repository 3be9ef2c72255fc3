"""Departments: the nodes of the organisation tree."""

from __future__ import annotations

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, false

from crm.identity.v1 import departments_pb2 as pb
from crm_kit.rpc import Call
from crm_kit.scope import Shape
from crm_records.record import Dependent, Record, Row
from identity import giving, trees
from identity.tables import department, user


class Departments(Record):
    """See the contract for the fields."""

    message = pb.Department
    table = department
    plural = "departments"

    def __init__(self) -> None:
        super().__init__()
        self.dependents += [
            Dependent(department.c.parent_id, ("下级部门", "Sub-department")),
            Dependent(user.c.department_id, ("人员", "Person")),
        ]

    def within(self, shape: Shape) -> ColumnElement[bool] | None:
        """Departments have no owner: those that the scope names."""
        if shape.all:
            return None
        if not shape.departments:
            return false()
        return self.table.c.id == any_(bindparam("scope_department_ids", type_=ARRAY(Uuid(as_uuid=False))))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        trees.refuse_cycle(call, self, row, trees.unless_restored(before), "parent_id")
        if before is None:
            return
        moved = row["parent_id"] != before["parent_id"]
        if moved or (row["manager_id"] and row["manager_id"] != before["manager_id"]):
            # Whoever manages it, or stands above it, comes to see what is nobody's in all of these.
            opened = trees.below(call, department, "parent_id", row["id"])
            if moved and row["parent_id"]:
                opened.add(row["parent_id"])
            giving.refuse_beyond_reach(call, set(), opened)

    def may_delete(self, call: Call, row: Row) -> None:
        """Nothing comes to stand below it from here on: the dependents are counted next."""
        trees.lock(call, self.table)


DEPARTMENTS = Departments()
