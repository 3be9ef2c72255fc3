"""What every answer has."""

import gzip

import orjson
from google.api.httpbody_pb2 import HttpBody

from crm.customer.v1 import customers_pb2
from crm.records.v1.exports_pb2 import FileName
from gateway.openapi import build

CUSTOMER = "/v1/customers/01900000-0000-7000-8000-000000000001"


def test_an_answer_is_json_with_etag_and_is_kept_by_nobody(http, services):
    services.answers["GetCustomer"] = lambda *_: customers_pb2.Customer(name="大华", etag="3")

    answer = http("GET", CUSTOMER)

    assert answer.json == {"name": "大华", "etag": "3"}
    assert answer.headers["ETag"] == '"3"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Accept-Language" in answer.headers["Vary"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_only_a_large_answer_is_compressed_and_only_for_who_asks(http, services):
    services.answers["GetCustomer"] = lambda *_: customers_pb2.Customer(remarks="长" * 2000)

    asked, unasked = http("GET", CUSTOMER, headers={"Accept-Encoding": "br, gzip"}), http("GET", CUSTOMER)
    refused = http("GET", CUSTOMER, headers={"Accept-Encoding": "gzip;q=0"})
    services.answers["GetCustomer"] = lambda *_: customers_pb2.Customer(remarks="长")
    small = http("GET", CUSTOMER, headers={"Accept-Encoding": "gzip"})

    assert asked.headers["Content-Encoding"] == "gzip"
    assert orjson.loads(gzip.decompress(asked.data)) == unasked.json == refused.json
    assert "Content-Encoding" not in small.headers


def test_head_is_get_without_the_body(http, services):
    services.answers["GetCustomer"] = lambda *_: customers_pb2.Customer(name="大华", etag="3")

    answer = http("HEAD", CUSTOMER)

    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (200, b"", '"3"')


def test_the_greeting_and_the_interface_page_load_only_what_is_served_here(anonymous):
    for path in ("/", "/docs", "/docs.js", "/why", "/why.js", "/pages.css"):
        answer = anonymous.get(path)
        assert answer.status_code == 200
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert "http://" not in answer.text.replace("http://www.w3.org", "")
        assert "https://" not in answer.text
    assert 'lang="zh-CN"' in anonymous.get("/").text
    assert 'lang="en"' in anonymous.get("/").text


def test_what_looks_like_markup_stays_text(http):
    answer = http("GET", "/v1/<script>alert(1)</script>")

    assert answer.content_type == "application/problem+json"
    assert b"<script>" not in answer.data


def test_a_file_is_answered_as_it_is_under_a_name_for_keeping_it(http, services):
    data = "\ufeff名称,行\r\n'=1,2\r\n".encode()
    body = HttpBody(content_type="text/csv; charset=utf-8", data=data)
    body.extensions.add().Pack(FileName(name="audit-entries-20261201-002530-3f9a21.csv"))
    services.answers["ExportAuditEntries"] = lambda *_: body

    answer = http("GET", "/v1/audit-entries:export?kind=access")

    assert (answer.status_code, answer.data) == (200, data)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit-entries-20261201-002530-3f9a21.csv"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert services.asked("ExportAuditEntries")[0].kind == "access"


def test_the_document_says_which_answers_are_files():
    paths = build()["paths"]

    export, listed = paths["/v1/audit-entries:export"]["get"], paths["/v1/audit-entries"]["get"]
    assert list(export["responses"]["200"]["content"]) == ["*/*"]
    assert list(listed["responses"]["200"]["content"]) == ["application/json"]
