"""Regional offices, teams and the people in them."""

import re
import unicodedata
from collections.abc import Callable, Iterable

from crm_cli.client import Client, Json
from crm_cli.importers.base import Line, Reject
from crm_cli.importers.bulk import merged
from crm_cli.importers.crm_sales_opportunities.source import Source, external
from crm_cli.importers.run import Run
from crm_cli.importers.standing import root
from crm_cli.settings import Wrong

MANAGER, AGENT = "sales_manager", "account_manager"


def load(run: Run, source: Source, password: str) -> dict[str, str]:
    """Stores offices, teams, managers and agents. Answers agent → user id."""
    lines, rejects = one_office_each(source.teams.lines)
    run.reject("sales people", [*source.teams.rejects, *rejects])
    managers = list(dict.fromkeys(line["manager"] for line in lines))
    agents = [line for line in lines if line["sales_agent"] not in managers]
    names = usernames([*managers, *(line["sales_agent"] for line in lines)])
    roles = _roles(run.client)
    teams, finish_teams = _departments(run, lines)

    def user(name: str, role: str, manager: str, leader: str, position: str) -> Json:
        row = {
            "externalId": external(name),
            "username": names[name],
            "name": name,
            "departmentId": teams[manager],
            "position": position,
            "locale": "en",
            "roleIds": [roles[role]],
        }
        return row | ({"managerId": leader} if leader else {})

    also = {"initialPassword": password}
    rows = [user(name, MANAGER, name, "", "Sales manager") for name in managers]
    stored = run.send("managers", "users", "users", rows, also=also)
    run.must(stored, managers)
    run.count("managers", stored)
    ids = {name: one.id for name, one in zip(managers, stored, strict=True)}
    finish_teams(ids)

    rows = [user(line["sales_agent"], AGENT, line["manager"], ids[line["manager"]], "Sales agent") for line in agents]
    stored = run.send("sales people", "users", "users", rows, also=also)
    run.count("sales people", stored, agents)
    return ids | {line["sales_agent"]: one.id for line, one in zip(agents, stored, strict=True)}


def one_office_each(lines: Iterable[Line]) -> tuple[list[Line], list[Reject]]:
    """A manager leads one team in one office: a row that says otherwise than the manager's first one is listed."""
    offices: dict[str, str] = {}
    good, bad = [], []
    for line in lines:
        manager, office = line["manager"], line["regional_office"]
        if not (manager and office):
            bad.append(Reject(line, "manager and regional_office must be filled"))
        elif offices.setdefault(manager, office) != office:
            bad.append(Reject(line, f"{manager} is named in {offices[manager]} before, here in {office}"))
        else:
            good.append(line)
    return good, bad


def usernames(names: Iterable[str]) -> dict[str, str]:
    """Name → account: "Moses Frase" signs in as moses.frase; of two with one account the later gets a number."""
    given: dict[str, str] = {}
    for name in dict.fromkeys(names):
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        base = re.sub(r"[^a-z0-9-]+", ".", plain).strip(".-") or "user"
        account, number = base, 2
        while account in given.values():
            account, number = f"{base}.{number}", number + 1
        given[name] = account
    return given


def _departments(run: Run, lines: list[Line]) -> tuple[dict[str, str], Callable[[dict[str, str]], None]]:
    """Offices below the root, teams below their office. The teams' managers are told when they have an account."""
    offices = list(dict.fromkeys(line["regional_office"] for line in lines))
    top = root(run.client)
    rows = [
        {"externalId": external(f"office:{office}"), "name": office, "parentId": top, "region": office}
        for office in offices
    ]
    stored = run.send("offices", "departments", "departments", rows)
    run.must(stored, offices)
    run.count("offices", stored)
    ids = {office: one.id for office, one in zip(offices, stored, strict=True)}

    managers = {line["manager"]: ids[line["regional_office"]] for line in lines}
    rows = [
        {"externalId": external(f"team:{manager}"), "name": f"Team {manager}", "parentId": office}
        for manager, office in managers.items()
    ]
    teams = run.send("teams", "departments", "departments", rows)
    run.must(teams, managers)

    def finish(users: dict[str, str]) -> None:
        led = [row | {"managerId": users[manager]} for row, manager in zip(rows, managers, strict=True)]
        again = run.send("teams' managers", "departments", "departments", led)
        run.must(again, managers)
        run.count("teams", [merged(one, other) for one, other in zip(teams, again, strict=True)])

    return {manager: one.id for manager, one in zip(managers, teams, strict=True)}, finish


def _roles(client: Client) -> dict[str, str]:
    found = {
        role["code"]: role["id"]
        for role in client.all("/v1/roles", "roles", filter=f'code in ("{MANAGER}", "{AGENT}")', fields="id,code")
    }
    if missing := {MANAGER, AGENT} - found.keys():
        raise Wrong(f"The suite has no role {', '.join(sorted(missing))}.")
    return found
