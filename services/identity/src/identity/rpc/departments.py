"""DepartmentService: the standard RPCs."""

from crm.identity.v1 import departments_pb2 as pb
from crm_records.servicer import Servicer
from identity.departments import DEPARTMENTS


class DepartmentServicer(Servicer):
    record = DEPARTMENTS
    service = pb.DESCRIPTOR.services_by_name["DepartmentService"]
