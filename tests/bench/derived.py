"""What other tables and services hold of the customers and opportunities that `filling` put in, and who is there."""

from __future__ import annotations

from typing import Any

import filling
import made
import psycopg
from filling import ID_SQL
from made import BEGAN, DEPARTMENTS, USERS, YEAR, Place, identifier
from suite import PASSWORD, Suite

from customer.duplicates.clusters import FIND
from sales.first_entries import DEFAULT_PIPELINE

_INTERACTIONS = f"""
INSERT INTO interaction (id, number, create_time, update_time, creator_id, customer_id, kind, subject, start_time)
SELECT pg_temp.made({made.INTERACTION}, n * 3 + i), 'JW20240101-' || lpad((n * 3 + i)::text, 7, '0'), at, at,
       c.owner_id, c.id, (ARRAY['call', 'visit', 'wechat'])[i + 1], '沟通 ' || i, at
FROM generate_series(%(old)s::bigint, %(new)s::bigint - 1) AS n
JOIN customer AS c ON c.id = pg_temp.made({made.CUSTOMER}, n)
CROSS JOIN generate_series(0, 2) AS i
CROSS JOIN LATERAL (SELECT %(began)s::timestamptz + ((n * 7919 + i * 10104729) %% {2 * YEAR}) * interval '1 s') AS t(at)
"""
_DEMANDS = f"""
INSERT INTO demand (id, number, create_time, update_time, customer_id, kind, description, valid_from, valid_until)
SELECT pg_temp.made({made.DEMAND}, n), 'XQ20240101-' || lpad(n::text, 7, '0'), %(began)s, %(began)s,
       pg_temp.made({made.CUSTOMER}, n), 'advertising', '投放需求 ' || n, '2024-02-01',
       CASE WHEN n %% {made.VALID} = 0 THEN '2036-01-01'::date ELSE '2024-08-01'::date END
FROM generate_series(%(old)s::bigint, %(new)s::bigint - 1) AS n WHERE n %% 5 = 0
"""
_ALERTS = f"""
INSERT INTO alert (id, create_time, update_time, customer_id, record_type, record_id, title, customer_name, kind, date,
                   days, user_id, state, unique_key)
SELECT pg_temp.made({made.OTHER}, n), %(began)s, %(began)s, c.id, 'customer', c.id, c.name, c.name,
       (ARRAY['contact_overdue', 'no_business', 'company_anniversary'])[n %% 3 + 1], '2024-03-01', 30, c.owner_id,
       CASE WHEN n %% 20 = 5 THEN 'open' ELSE 'done' END, 'made:' || n
FROM generate_series(%(old)s::bigint, %(new)s::bigint - 1) AS n
JOIN customer AS c ON c.id = pg_temp.made({made.CUSTOMER}, n) WHERE n %% 10 = 5
"""
_CLUSTERS = (
    f"""
    INSERT INTO duplicate_cluster (id, run_id)
    SELECT pg_temp.made({made.OTHER}, n), %(run)s FROM generate_series(%(old)s::bigint, %(new)s::bigint - 1) AS n
    WHERE n %% 400 = 0
    """,
    f"""
    INSERT INTO duplicate_member (run_id, customer_id, cluster_id)
    SELECT %(run)s, pg_temp.made({made.CUSTOMER}, n + i), pg_temp.made({made.OTHER}, n)
    FROM generate_series(%(old)s::bigint, %(new)s::bigint - 1) AS n, generate_series(0, 1) AS i WHERE n %% 400 = 0
    """,
    f"""
    INSERT INTO duplicate_pair (run_id, customer_id, other_id, score, reasons)
    SELECT %(run)s, pg_temp.made({made.CUSTOMER}, n), pg_temp.made({made.CUSTOMER}, n + 1), 90, '{{name}}'
    FROM generate_series(%(old)s::bigint, %(new)s::bigint - 1) AS n WHERE n %% 400 = 0
    """,
)
_RUN = """
INSERT INTO job (id, kind, record_type, parameters, state, done, result, cancelling, failures, creator_name, "right",
                 session_id, address, language, request_id, trace_parent, create_time, step_time, finish_time, version)
VALUES (%(run)s, %(kind)s, 'customer', '{}', 'done', 1, '{}', false, 0, '', 'customer.read', '', '', 'zh', '', '',
        now(), now(), now(), 1) ON CONFLICT DO NOTHING
"""
RUN = identifier(made.OTHER, 4_000_000)
"""The run of the search for duplicates."""
FROZEN = identifier(made.OTHER, 4_000_001)
"""A segment whose members are written down: every 200th customer."""
_SEGMENT = """
INSERT INTO segment (id, create_time, update_time, name, kind, shared, match, creator_id, freeze_time)
VALUES (%(id)s, now(), now(), '固化的客户群', 'frozen', true, 'all', %(creator)s, now()) ON CONFLICT DO NOTHING
"""
_MEMBERS = f"""
INSERT INTO segment_member (segment_id, customer_id, origin)
SELECT %(id)s, pg_temp.made({made.CUSTOMER}, n), 'computed'
FROM generate_series(%(old)s::bigint, %(new)s::bigint - 1) AS n WHERE n %% 200 = 0
"""
_COPIES = {
    # From which database to which table of which: what is read.
    ("customer", "sales", "copy_customer (id, name, region, owner_id, department_id, deleted, version)"):
        "SELECT id, name, region, owner_id, department_id, false, 1 FROM customer WHERE id >= {first} AND id < {last}",
    ("customer", "service_desk", "copy_customer (id, name, owner_id, department_id, deleted, version)"):
        "SELECT id, name, owner_id, department_id, false, 1 FROM customer WHERE id >= {first} AND id < {last}",
    ("sales", "customer", "customer_usage (record_id, record_type, customer_id)"):
        "SELECT id, 'opportunity', customer_id FROM opportunity WHERE id >= {begun} AND id < {ended}",
    ("sales", "customer", "customer_opportunity (record_id, customer_id, state, open, create_time, won_date, amount,"
     " version, deleted)"):
        "SELECT id, customer_id, state, state = 'developing', create_time,"
        " CASE WHEN state = 'won' THEN close_date END, coalesce(won_amount, expected_amount), 1, false"
        " FROM opportunity WHERE id >= {begun} AND id < {ended}",
    ("sales", "customer", "happening (id, customer_id, time, record_type, record_id, action, title, actor_id,"
     " actor_name)"):
        "SELECT id, customer_id, create_time, 'opportunity', id, 'created', title, creator_id, '销售'"
        " FROM opportunity WHERE id >= {begun} AND id < {ended}",
    ("sales", "workspace", "customer_record (record_id, customer_id)"):
        "SELECT id, customer_id FROM opportunity WHERE id >= {begun} AND id < {ended}",
}  # fmt: skip


def derive(place: Place, old: int, new: int) -> None:
    """What follows from the rows of `filling`."""
    known: dict[str, Any] = {"old": old, "new": new, "began": BEGAN, "run": RUN, "id": FROZEN, "kind": FIND}
    known["creator"] = place.people[0][0]
    with psycopg.connect(place.urls["customer"]) as connection:
        connection.execute(ID_SQL)
        for statement in (_INTERACTIONS, _DEMANDS, _ALERTS, *_CLUSTERS, _RUN, _SEGMENT, _MEMBERS):
            connection.execute(statement, known)
    edges = {
        "first": identifier(made.CUSTOMER, old), "last": identifier(made.CUSTOMER, new),
        "begun": identifier(made.OPPORTUNITY, old), "ended": identifier(made.OPPORTUNITY, new),
    }  # fmt: skip
    for (source, target, table), query in _COPIES.items():
        with psycopg.connect(place.urls[source]) as reading, psycopg.connect(place.urls[target]) as writing:
            asked = query.format(**{name: f"'{value}'" for name, value in edges.items()})
            with (
                reading.cursor().copy(f"COPY ({asked}) TO STDOUT") as rows,
                writing.cursor().copy(f"COPY {table} FROM STDIN") as into,
            ):
                for block in rows:
                    into.write(block)


def settle_in(suite: Suite) -> Place:
    """People, a pool, custom fields; made through the product but for most of the people, whom it copies anyway."""
    admin = suite.call("POST", "/v1/auth/login", {"username": "admin", "password": PASSWORD})["accessToken"]
    root = suite.call("GET", "/v1/departments", token=admin)["departments"][0]["id"]
    department = suite.call("POST", "/v1/departments", {"name": "华东一部", "parentId": root}, admin)["id"]
    seller = suite.member(admin, "seller", department, "department")
    pool = suite.call("POST", "/v1/pools", {"name": "公共客户", "memberDepartmentIds": [department]}, admin)
    suite.call("POST", f"/v1/pools/{pool['id']}:activate", {"etag": pool["etag"]}, admin)
    for key, kind in (("segment_code", "text"), ("contract_days", "number")):
        field = {"key": key, "kind": kind, "labelZh": key, "labelEn": key}
        suite.call("POST", "/v1/records/customer/custom-fields", field, admin)
    departments = [department, *(identifier(made.DEPARTMENT, i) for i in range(1, DEPARTMENTS))]
    each = USERS // DEPARTMENTS
    users = [seller, *(identifier(made.USER, i) for i in range(1, USERS))]
    people = tuple((user, departments[i // each]) for i, user in enumerate(users))
    urls, keys = filling.place_of(suite)
    for url in urls.values():
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO org_department (id, name, parent_id, deleted, version) VALUES (%s, %s, %s, false, 1)",
                [(d, f"部门 {i}", root) for i, d in enumerate(departments) if d != department],
            )
            cursor.executemany(
                "INSERT INTO org_user (id, username, name, department_id, role_ids, grants, active, deleted, version)"
                " VALUES (%s, %s, %s, %s, '{}', '[]', true, false, 1)",
                [(u, f"u{i}", f"销售 {i}", d) for i, (u, d) in enumerate(people) if u != seller],
            )
    return Place(urls, keys, people, pool["id"], DEFAULT_PIPELINE)
