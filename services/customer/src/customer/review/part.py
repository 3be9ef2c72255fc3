"""Review, as a part of the service."""

from __future__ import annotations

from crm_records.part import Part
from customer.review import first_entries
from customer.review.rpc import ReviewRuleServicer
from customer.review.rules import REVIEW_RULES

PART = Part(servicers=[ReviewRuleServicer], records=[REVIEW_RULES], seed=first_entries.seed)
