"""docs/events.md: what a success of each RPC may announce."""

from __future__ import annotations

from crm_docs.contract import personal, record_types, rpcs, service_of, table
from crm_kit import audit

PARTS = {
    "act": "Act",
    "custom_field": "CustomField",
    "dictionary_entry": "DictionaryEntry",
    "job": "Job",
    "number_format": "NumberFormat",
    "follower": "Follower",
    "pool_share": "PoolShare",
    "team_member": "TeamMember",
}
"""Parts of record types: announced by the service that owns the record type."""

HEAD = """# Events

<!-- Made by `make docs` from the options `announces` in protos/. Changes belong there. -->

Every change of a record is announced, in the order of the record's versions, on NATS JetStream (stream `CRM`)
under `crm.<service>.<record_type>.<action>`. The payload is always the message `crm.records.v1.Event`
([event.proto](../protos/crm/records/v1/event.proto)). It carries the whole record as it stands after the change
(`record`, an `Any` of the message named below), what differs from before (`changes`), who did it and when.

- `Event.id` is the `Nats-Msg-Id`. Delivery is at least once: whoever applies events keeps the ids it has applied.
- Events of one record arrive in the order of `version`. Between records there is no order.
- Fields marked `sensitive` in the contract are left out of `record`; `changes` shows them as `***`.
- `bulk` is true for rows of an import: nobody should be notified of those.
- An action may be announced by several RPCs, and one RPC may announce several events.
- Some events come from the clock or from the suite itself, not from an RPC; the READMEs of the services name them.

How to consume them inside the suite: [CONTRIBUTING.md](../CONTRIBUTING.md#add-an-event). Why they look like
this: [decisions/0003](decisions/0003-events-carry-the-whole-record.md).
"""


ACCESS = """## access

Message: `crm.records.v1.Access` ([access.proto](../protos/crm/records/v1/access.proto)). Nothing was changed; it is
told for the audit trail. The record id of such an event is its own.
"""


def _access() -> list[str]:
    """What is told although nothing changed."""
    by: dict[str, set[str]] = {}
    for operation in rpcs():
        if operation.rule.audited:
            by.setdefault(audit.action_of(operation.method, operation.rule), set()).add(f"`{operation.name}`")
    said = [(action, ", ".join(sorted(names))) for action, names in sorted(by.items())]
    refused = f"every RPC that refuses somebody who is signed in with PERMISSION_DENIED; after {audit.TOLD} in a minute"
    said.append((audit.REFUSED, f"{refused} the rest as one with their number"))
    rows = [(f"`crm.<service>.{audit.RECORD_TYPE}.{action}`", names) for action, names in said]
    return [ACCESS, *table(("subject", "announced by"), rows), ""]


def document() -> str:
    by_type: dict[str, dict[str, set[str]]] = {}
    for operation in rpcs():
        for announced in operation.rule.announces:
            kind, _, action = announced.partition(".")
            by_type.setdefault(kind, {}).setdefault(action, set()).add(f"`{operation.name}`")
    types = record_types()
    lines = [HEAD, *_access()]
    for kind in sorted(by_type):
        message = types.get(kind)
        service = service_of(message) if message else "<service>"
        payload = message.full_name if message else f"crm.records.v1.{PARTS[kind]}"
        lines += [f"## {kind}", ""]
        left_out = personal(message) if message else []
        lines += [f"Record: `{payload}`" + (f"; left out: `{'`, `'.join(left_out)}`" if left_out else "") + ".", ""]
        lines += table(
            ("subject", "announced by"),
            [
                (f"`crm.{service}.{kind}.{action}`", ", ".join(sorted(by)))
                for action, by in sorted(by_type[kind].items())
            ],
        )
        lines.append("")
    return "\n".join(lines)
