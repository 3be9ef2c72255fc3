"""The gateway as it is operated: gunicorn, sockets, log and metrics."""

import http.client
import re
import socket

import orjson
import pytest

MIB = 1024 * 1024
CUSTOMER = "/v1/customers/01900000-0000-7000-8000-000000000001"


@pytest.fixture
def connection(server, services):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    yield connection
    connection.close()


@pytest.fixture
def ask(connection, services):
    token = services.token()

    def ask(method, path, body=None, headers=None, **more):
        every = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, body, every, **more)
        answer = connection.getresponse()
        return answer, answer.read()

    return ask


def pieces(size):
    yield b'{"remarks": "'
    for _ in range(size // 65536):
        yield b"x" * 65536
    yield b'"}'


@pytest.mark.figure("R31")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413_and_reaches_no_service(ask, services, chunked):
    body = pieces(10 * MIB) if chunked else b'{"remarks": "' + b"x" * 10 * MIB + b'"}'

    answer, content = ask("POST", "/v1/customers", body, encode_chunked=chunked)

    assert answer.status == 413
    assert answer.getheader("Content-Type") == "application/problem+json"
    assert orjson.loads(content)["reason"] == "TOO_LARGE_BODY"
    assert services.asked("CreateCustomer") == []


@pytest.mark.parametrize("address", ["/v1/customers?search=云启", "/v1/customers/云启", "/v1/customers?search=云 启"])
def test_an_address_that_is_not_encoded_is_told_how_to_be(server, address):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(f"GET {address} HTTP/1.1\r\nHost: crm\r\n\r\n".encode())
        head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 ")
    assert "--data-urlencode" in orjson.loads(body)["detail"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_under_the_limit_arrives_whole(ask, services, chunked):
    body = pieces(MIB // 2) if chunked else b"".join(pieces(MIB // 2))

    assert ask("POST", "/v1/customers", body, encode_chunked=chunked)[0].status == 200
    assert len(services.asked("CreateCustomer")[0].customer.remarks) == MIB // 2


def test_an_import_may_be_larger(ask, services):
    rows = b'{"customers": [' + b",".join(b'{"remarks": "%s"}' % (b"x" * 4000) for _ in range(1000)) + b"]}"

    assert ask("POST", "/v1/customers:import", rows)[0].status == 200
    assert len(services.asked("ImportCustomers")[0].customers) == 1000


def test_a_body_that_ends_early_is_not_taken(server, services):
    with socket.create_connection(("127.0.0.1", server.port), 5) as raw:
        head = f"POST /v1/customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {services.token()}\r\n"
        raw.sendall(head.encode() + b'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"name": "x"}')
        raw.shutdown(socket.SHUT_WR)
        answer = raw.recv(65536)

    assert answer.startswith((b"HTTP/1.1 400", b""))
    assert services.asked("CreateCustomer") == []


def test_one_connection_carries_many_requests(connection, ask):
    ask("GET", CUSTOMER)
    before = connection.sock

    for _ in range(5):
        assert ask("GET", CUSTOMER)[0].status == 200

    assert connection.sock is before


def test_alive_ready_and_counted_over_all_workers(server, ask):
    assert ask("GET", "/livez")[0].status == 200
    answer, content = ask("GET", "/readyz")
    assert (answer.status, orjson.loads(content)["services"]["identity"]) == (200, "serving")

    def counted():
        text = ask("GET", "/metrics")[1].decode()
        found = re.search(r'crm_http_requests_total\{.*route="/v1/people/\{id\}",status="200"\} (\d+)', text)
        return int(float(found[1])) if found else 0

    before = counted()
    for _ in range(20):
        ask("GET", "/v1/people/01900000-0000-7000-8000-000000000001")

    assert counted() == before + 20


def test_each_request_is_one_log_line_that_tells_nothing_private(server, ask, services):
    path = "/v1/contacts?search=13800138000&fields=secret%0Aline"
    ask("GET", path, headers={"X-Request-Id": "logged-1", "User-Agent": "a\tb"})

    lines = [line for line in server.log.read_text().splitlines() if "logged-1" in line]
    line = orjson.loads(lines[0])

    assert len(lines) == 1
    assert (line["route"], line["method"], line["status"], line["userId"]) == ("/v1/contacts", "GET", 200, "u-1")
    assert "13800138000" not in server.log.read_text()
    assert services.token()[:30] not in server.log.read_text()
