"""Where the keys of a report get their labels, and how keys are put together by the organisation of today."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Label, Subquery, Table, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from crm_kit.organisation import department, user
from reporting.tables import dim_entry, dim_pipeline, dim_stage

NONE = ("(无)", "(none)")
TOTAL = ("合计", "Total")


def label(key: str | None, zh: str | None, en: str | None, language: str) -> str:
    """What a line is called in the caller's language; its key where nothing is known of it yet."""
    if not key:
        return in_language(NONE, language)
    return in_language((zh or "", en or ""), language) or key


def in_language(pair: tuple[str, str], language: str) -> str:
    return pair[1] if language == "en" else pair[0]


def named(table: Table) -> Subquery:
    """Labels of records by id: their name."""
    return select(table.c.id.label("key"), table.c.name.label("label_zh"), table.c.name.label("label_en")).subquery()


def entries(service: str, dictionary: str) -> Subquery:
    """Labels of a dictionary's codes."""
    e = dim_entry.c
    query = select(e.code.label("key"), e.label_zh, e.label_en)
    return query.where(e.service == service, e.dictionary == dictionary).subquery()


def stages() -> Subquery:
    """Labels of stages' codes; where pipelines share a code, the default one names it."""
    s, p = dim_stage.c, dim_pipeline.c
    query = select(s.code.label("key"), s.label_zh, s.label_en).ext(distinct_on(s.code))
    query = query.join(dim_pipeline, p.id == s.pipeline_id)
    return query.order_by(s.code, p.is_default.desc(), p.deleted, s.pipeline_id, s.position).subquery()


def credited(fact: Table) -> Label[Any]:
    """Whose success or failure it is: the owner's, unless it was handed over after it was closed."""
    return func.coalesce(fact.c.credited_id, fact.c.owner_id).label("credited")


def by_manager(grouped: FromClause) -> tuple[FromClause, ColumnElement[Any]]:
    """That person's manager now."""
    return grouped.outerjoin(user, user.c.id == grouped.c.credited), user.c.manager_id


def home_of(fact: Table) -> Label[Any]:
    """What decides where a record counts: whose it is, or its own department where nobody owns it."""
    people = [fact.c[n] for n in ("credited_id", "owner_id") if n in fact.c]
    return func.coalesce(*people, fact.c.department_id).label("home")


def by_department(grouped: FromClause) -> tuple[FromClause, ColumnElement[Any]]:
    """The owner's department now; the record's own where nobody owns it."""
    joined = grouped.outerjoin(user, user.c.id == grouped.c.home)
    own = department.alias("own")
    joined = joined.outerjoin(own, own.c.id == grouped.c.home)
    return joined, func.coalesce(user.c.department_id, own.c.id)


def by_region(grouped: FromClause) -> tuple[FromClause, ColumnElement[Any]]:
    """The region of that department, or of the nearest one above that has one."""
    joined, home = by_department(grouped)
    regions = _regions()
    return joined.outerjoin(regions, regions.c.id == home), regions.c.region


def _regions() -> Subquery:
    """Each department's region, found up the tree."""
    here = select(department.c.id, department.c.parent_id, func.nullif(department.c.region, "").label("region"))
    tree = here.cte("regions", recursive=True)
    above = select(tree.c.id, department.c.parent_id, func.nullif(department.c.region, "")).join(
        department, department.c.id == tree.c.parent_id
    )
    tree = tree.union(above.where(tree.c.region.is_(None)))
    return select(tree.c.id, tree.c.region).where(tree.c.region.is_not(None)).subquery()
