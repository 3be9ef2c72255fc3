"""Review, as a part of the service."""

from __future__ import annotations

from crm_records.part import Part
from customer.review import first_entries, many
from customer.review.rpc import ReviewRuleServicer, ReviewServicer
from customer.review.rules import REVIEW_RULES

PART = Part(
    servicers=[ReviewRuleServicer, ReviewServicer],
    records=[REVIEW_RULES],
    jobs=many.JOBS,
    seed=first_entries.seed,
)
