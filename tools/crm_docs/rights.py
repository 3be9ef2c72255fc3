"""docs/rights.md and its Chinese page: every right, what asks it, who holds it from the start."""

from __future__ import annotations

from crm_docs.contract import address, record_types, rpcs, table
from crm_docs.rights_words import Words
from identity import rights
from identity.builtin import ROLES, BuiltIn


def document(words: Words) -> str:
    asked: dict[str, list[str]] = {}
    open_to: dict[str, list[str]] = {"signed_in": [], "public": []}
    for operation in rpcs():
        who = operation.rule.WhichOneof("who")
        place = open_to[who] if who in open_to else asked.setdefault(operation.rule.right, [])
        place.append(f"`{address(operation)}`")
        for right in operation.rule.also:
            asked.setdefault(right, []).append(f"`{address(operation)}`{words.more}")
    lines = [words.head, *_said(words.roles)]
    lines += table(
        words.role_columns,
        [
            (f"`{role.code}`", role.name, f"`{role.scope}`", _scopes(role, words), _fields(role, words))
            for role in ROLES
        ],
    )
    lines += ["", *_said(words.one_resource)]
    for resource in sorted(rights.resources()):
        lines += [*_resource(resource, asked, words), ""]
    lines += _said(words.every_resource)
    generic = sorted(right for right in asked if right.startswith("{"))
    lines += table(words.right_columns[:2], [(words.right(right), "<br>".join(asked[right])) for right in generic])
    lines += ["", words.without, ""]
    lines += [words.signed_in.format(addresses=words.comma.join(open_to["signed_in"])), ""]
    lines += [words.public.format(addresses=words.comma.join(open_to["public"])), ""]
    return "\n".join(lines)


def _said(title_and_text: tuple[str, str]) -> list[str]:
    title, text = title_and_text
    return [title, "", text, ""]


def _resource(resource: str, asked: dict[str, list[str]], words: Words) -> list[str]:
    """The section of one resource."""
    kinds = record_types()
    kind = f" ({kinds[resource].full_name})" if resource in kinds else ""
    rows = []
    for right in rights.every():
        if right.partition(".")[0] == resource:
            holders = words.comma.join(words.role(role) for role in ROLES if _holds(role, right))
            rows.append((words.right(right), "<br>".join(asked.get(right, [])), holders))
    return [f"### {words.resource(resource)}{kind}", "", *table(words.right_columns, rows)]


def _holds(role: BuiltIn, right: str) -> bool:
    return any(held in ("*", right, f"{right.partition('.')[0]}.*") for held in role.rights)


def _fields(role: BuiltIn, words: Words) -> str:
    by_rule: dict[str, list[str]] = {}
    for resource, field, rule in role.fields:
        by_rule.setdefault(rule, []).append(f"{resource}.{field}")
    return _grouped(by_rule, words)


def _scopes(role: BuiltIn, words: Words) -> str:
    by_scope: dict[str, list[str]] = {}
    for resource, scope in role.scopes.items():
        by_scope.setdefault(scope, []).append(resource)
    return _grouped(by_scope, words)


def _grouped(by: dict[str, list[str]], words: Words) -> str:
    return words.semicolon.join(f"`{name}`{words.colon}{words.comma.join(things)}" for name, things in by.items())
