"""The company register, as a part of the service."""

from __future__ import annotations

from crm_records.part import Part
from customer.register.rpc import CompanyRegisterServicer

PART = Part(servicers=[CompanyRegisterServicer])
