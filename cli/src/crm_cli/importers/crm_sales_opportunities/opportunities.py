"""The pipeline: its stages, and every opportunity with what is known of its way through them."""

from crm_cli.client import Client, Json
from crm_cli.importers.base import Line, Reject
from crm_cli.importers.crm_sales_opportunities.source import ACCOUNT, AGENT, PRODUCT, Source, external
from crm_cli.importers.crm_sales_opportunities.values import Unusable, amount, day, noon
from crm_cli.importers.run import Run
from crm_cli.settings import Wrong

KIND = "opportunities"
PIPELINE = "B2B"
STAGES: list[Json] = [
    {"code": "prospecting", "labelZh": "寻找商机", "labelEn": "Prospecting", "kind": "open", "probability": 20},
    {"code": "engaging", "labelZh": "接洽", "labelEn": "Engaging", "kind": "open", "probability": 60},
    {"code": "won", "labelZh": "赢单", "labelEn": "Won", "kind": "won", "probability": 100},
    {"code": "lost", "labelZh": "丢单", "labelEn": "Lost", "kind": "lost", "probability": 0},
]
STATES = {"prospecting": "assigned", "engaging": "developing", "won": "won", "lost": "lost"}


class Deals:
    """Makes opportunities of rows."""

    def __init__(
        self,
        source: Source,
        pipeline: str,
        people: dict[str, str],
        customers: dict[str, str],
        products: dict[str, str],
    ) -> None:
        self._source, self._pipeline = source, pipeline
        self._known = {AGENT: people, ACCOUNT: customers, PRODUCT: products}

    def opportunity(self, line: Line) -> Json:
        """The record, or `Unusable` with the reason. A row without an account is one without a customer."""
        stage = line["deal_stage"].casefold()
        if stage not in STATES:
            raise Unusable(f"deal_stage {line['deal_stage']!r} is none of {', '.join(STATES)}")
        engaged, closed = day(line, "engage_date"), day(line, "close_date")
        if stage in ("won", "lost") and not closed:
            raise Unusable(f"close_date is empty, but the deal is {stage}")
        product, account = self._source.name(PRODUCT, line["product"]), self._source.name(ACCOUNT, line["account"])
        row: Json = {
            "externalId": line["opportunity_id"],
            "title": f"{product} – {account or 'no account'}",
            "ownerId": self._id(AGENT, line["sales_agent"]),
            "pipelineId": self._pipeline,
            "stage": stage,
            "state": STATES[stage],
            "lines": [{"productId": self._id(PRODUCT, line["product"])}],
            "stageHistory": history(stage, engaged, closed),
        }
        if account:
            row["customerId"] = self._id(ACCOUNT, line["account"])
        if engaged:
            row["engageDate"] = engaged
        if stage in ("won", "lost"):
            row |= {"closeDate": closed, "wonAmount": amount(line, "close_value") if stage == "won" else "0.00"}
            if not row["wonAmount"]:
                raise Unusable("close_value is empty, but the deal is won")
        return row

    def _id(self, kind: str, written: str) -> str:
        name = self._source.name(kind, written)
        if found := self._known[kind].get(name):
            return found
        known = name in self._known[kind]
        raise Unusable(f"{kind} {written!r} " + ("is not stored itself" if known else "is not in its list"))


def history(stage: str, engaged: str, closed: str) -> list[Json]:
    """The stays that the dates tell of. When the prospecting began is not in the file."""
    first: Json = {"stage": "prospecting"}
    if stage == "prospecting":
        return [first]
    second: Json = {"stage": "engaging"}
    if engaged:
        first["leaveTime"] = second["enterTime"] = noon(engaged)
    if stage == "engaging":
        return [first, second]
    second["leaveTime"] = noon(closed)
    return [first, second, {"stage": stage, "enterTime": noon(closed)}]


def load(run: Run, deals: Deals, source: Source) -> None:
    """Stores every row that can be stored."""
    run.reject(KIND, source.pipeline.rejects)
    rows: list[Json] = []
    lines: list[Line] = []
    for line in source.pipeline.lines:
        try:
            rows.append(deals.opportunity(line))
            lines.append(line)
        except Unusable as reason:
            run.reject(KIND, [Reject(line, str(reason))])
    run.count(KIND, run.send(KIND, "opportunities", "opportunities", rows), lines)
    nameless = sum(1 for line in lines if not line["account"])
    if nameless:
        run.notes.append(f"Opportunities that name no account are stored without a customer: {nameless:,}.")


def pipeline(client: Client) -> str:
    """The pipeline of these stages, made if there is none of its name."""
    for found in client.all("/v1/pipelines", "pipelines", filter=f'name = "{PIPELINE}"', fields="*"):
        codes = {stage["code"] for stage in found.get("stages") or []}
        if missing := [stage["code"] for stage in STAGES if stage["code"] not in codes]:
            raise Wrong(f"The pipeline {PIPELINE} that is there has no stage {', '.join(missing)}; rename it.")
        return str(found["id"])
    made = client.post("/v1/pipelines", {"externalId": external(PIPELINE), "name": PIPELINE, "stages": STAGES})
    return str(made["id"])
