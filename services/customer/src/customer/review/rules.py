"""Review rules: which fields, changed after the approval, send a record back to wait."""

from __future__ import annotations

from crm.customer.v1 import review_rules_pb2 as pb
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import custom_fields, writing
from crm_records.record import Record, Row
from crm_records.view import CUSTOM, name_of
from customer.review.marks import RULES
from customer.review.tables import review_rule


class ReviewRules(Record):
    """See the contract for the fields."""

    message = pb.ReviewRule
    table = review_rule
    plural = "review_rules"

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        """Every field must be one that people may change; it is kept as the API writes it."""
        record = self.registry.records[row["record_type"]]
        problems, names = [], []
        for given in row["fields"]:
            name = name_of(record, given)
            key = given.removeprefix(CUSTOM)
            if given.startswith(CUSTOM) and key in custom_fields.kinds_of(call, record):
                names.append(given)
            elif name in record.writable and name != "custom":
                names.append(record.fields[name].json_name)
            else:
                problems.append(Problem("fields", "unknown_field", {"name": given[:60]}))
        writing.refuse(problems)
        row["fields"] = list(dict.fromkeys(names))

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        call.after_commit.append(RULES.forget)


REVIEW_RULES = ReviewRules()
