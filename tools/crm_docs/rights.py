"""docs/rights.md: every right, what asks it, who holds it from the start."""

from __future__ import annotations

from crm_docs.contract import address, record_types, rpcs, table
from identity import rights
from identity.builtin import ROLES, BuiltIn

HEAD = """# Rights

<!-- Made by `make docs` from the option `rule` in protos/ and from identity's built-in roles. Changes belong there. -->

Three questions are asked before anything is read or changed, in the service that owns the data:

1. **May this person do this?** A right is `resource.action`. A person has the rights of all their roles, and personal
   grants and denials on top; a denial wins. `resource.*` and `*` stand for all.
2. **On which records?** The scope of each role for each resource; of several roles the union. What lies
   outside is `NOT_FOUND`, for reading, listing, searching, counting, changing and in reports alike.
3. **Which fields?** A role's field rules hide, mask, close or require fields, in all states of a record or in some; of
   several roles the most open rule ([field rules](guide/field-rules.md)). The scope `customer_brief` is the few
   fields of customers beyond one's own scope.

| scope | the records |
| --- | --- |
| `self` | one's own |
| `subordinates` | one's own, those of everybody below, and what is nobody's in departments one manages and below |
| `department` | of the people of one's department, and of the department itself |
| `department_tree` | the same with all departments below |
| `chosen` | of the departments named |
| `all` | all |

A record belongs to where its owner is now; one without an owner to its department. Moving a person or a department
changes who sees what within two seconds, without touching the records. Whoever belongs to the team of a record reaches
it besides, to read or to read and write, until a moment or for good; deleting and assigning stay with the scope.
"""


def document() -> str:
    asked: dict[str, list[str]] = {}
    open_to: dict[str, list[str]] = {"signed_in": [], "public": []}
    for operation in rpcs():
        who = operation.rule.WhichOneof("who")
        place = open_to[who] if who in open_to else asked.setdefault(operation.rule.right, [])
        place.append(f"`{address(operation)}`")
        for right in operation.rule.also:
            asked.setdefault(right, []).append(f"`{address(operation)}` (more of it)")
    generic = sorted(right for right in asked if right.startswith("{"))
    lines = [HEAD, "## Built-in roles", "", "Administrators may change them; nobody deletes them.", ""]
    lines += table(
        ("code", "name", "scope", "scope of some resources", "fields"),
        [(f"`{role.code}`", role.name, f"`{role.scope}`", _scopes(role), _fields(role)) for role in ROLES],
    )
    lines += ["", "## Rights of one resource", ""]
    lines += ["A right without an address is there to be given; no RPC of this release asks it.", ""]
    kinds = record_types()
    for resource in sorted(rights.resources()):
        kind = f" ({kinds[resource].full_name})" if resource in kinds else ""
        lines += [f"### {resource}{kind}", ""]
        rows = []
        for right in rights.every():
            if right.partition(".")[0] == resource:
                holders = ", ".join(f"`{role.code}`" for role in ROLES if _holds(role, right))
                rows.append((f"`{right}`", "<br>".join(asked.get(right, [])), holders))
        lines += table(("right", "asked by", "held by"), rows)
        lines.append("")
    lines += ["## Rights of every resource", ""]
    lines += ["`{record_type}` is the record type in the address.", ""]
    lines += table(("right", "asked by"), [(f"`{right}`", "<br>".join(asked[right])) for right in generic])
    lines += ["", "## Without a right", ""]
    lines += [f"Signed in is enough: {', '.join(open_to['signed_in'])}. What each reaches, its comment says.", ""]
    lines += [f"Nobody needs to be signed in: {', '.join(open_to['public'])}.", ""]
    return "\n".join(lines)


def _holds(role: BuiltIn, right: str) -> bool:
    return any(held in ("*", right, f"{right.partition('.')[0]}.*") for held in role.rights)


def _fields(role: BuiltIn) -> str:
    by_rule: dict[str, list[str]] = {}
    for resource, field, rule in role.fields:
        by_rule.setdefault(rule, []).append(f"{resource}.{field}")
    return "; ".join(f"`{rule}`: {', '.join(fields)}" for rule, fields in by_rule.items())


def _scopes(role: BuiltIn) -> str:
    by_scope: dict[str, list[str]] = {}
    for resource, scope in role.scopes.items():
        by_scope.setdefault(scope, []).append(resource)
    return "; ".join(f"`{scope}`: {', '.join(resources)}" for scope, resources in by_scope.items())
