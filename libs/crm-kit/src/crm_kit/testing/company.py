"""A company at random: departments in departments, a line of reporting, roles of every scope, grants and denials."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from crm_kit.testing.client import Client
from crm_kit.testing.server import Server

SCOPES = ("self", "subordinates", "department", "department_tree", "chosen", "all")
_LIVES, _PASSED = "2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


class Company:
    """Departments and people of a server, made of one chance."""

    def __init__(self, server: Server, chance: random.Random, rights: Sequence[str], people: int = 10) -> None:
        self.server, self.chance, self.rights = server, chance, rights
        self.departments: list[str] = []
        for i in range(5):
            above = chance.choice([None, *self.departments])
            self.departments.append(server.department(f"部门{i}", above))
        self.people: list[Client] = []
        self.working: list[Client] = []
        """Those whose accounts are in use: nothing can be given to others."""
        for i in range(people):
            self.people.append(self._person(f"员工{i}"))
        for department in self.departments[::2]:
            manager = chance.choice(self.people).user_id
            server.sql("UPDATE org_department SET manager_id = :m WHERE id = :id", m=manager, id=department)
        server.service.organisation.forget()

    def scopes(self) -> list[dict[str, Any]]:
        """The scope of a role, now and then another one for some resource."""
        found = [self._scope("*")]
        if self.chance.random() < 0.4:
            found.append(self._scope(self.chance.choice(self.rights).partition(".")[0]))
        return found

    def _scope(self, resource: str) -> dict[str, Any]:
        made: dict[str, Any] = {"resource": resource, "scope": self.chance.choice(SCOPES)}
        if made["scope"] == "chosen":
            made["departmentIds"] = self.chance.sample(self.departments, 2)
        return made

    def _some(self) -> list[str]:
        return [r for r in self.rights if self.chance.random() < 0.7]

    def _person(self, name: str) -> Client:
        also = [self.server.role(self._some(), self.scopes())] if self.chance.random() < 0.5 else []
        made = self.server.person(
            self._some(),
            self.scopes(),
            name=name,
            manager=self.chance.choice([None, *self.people]),
            department_id=self.chance.choice([None, *self.departments]),
            also=also,
        )
        grants = []
        while self.chance.random() < 0.3:
            grant: dict[str, Any] = {"right": self.chance.choice(self.rights)}
            if self.chance.random() < 0.5:
                grant["denied"] = True
            if self.chance.random() < 0.6:
                grant["endTime"] = self.chance.choice([_LIVES, _PASSED])
            grants.append(grant)
        active = self.chance.random() < 0.95
        self.server.sql(
            "UPDATE org_user SET grants = CAST(:grants AS jsonb), active = :active WHERE id = :id",
            grants=json.dumps(grants),
            active=active,
            id=made.user_id,
        )
        if active:
            self.working.append(made)
        self.server.service.organisation.forget()
        return made
