"""HTTP as clients, slow and hostile ones too, speak it."""

import contextlib
import http.client
import resource
import signal
import socket
import statistics
import threading
import time

import orjson
import pytest

from crm.customer.v1 import customers_pb2

CUSTOMER = "/v1/customers/01900000-0000-7000-8000-000000000001"


@pytest.fixture
def raw(server, services):
    """Sends bytes on a connection of its own; the answer until the server closes it or, not asked to, is quiet
    for 0.3 s."""
    with contextlib.ExitStack() as stack:

        def exchange(*pieces, pause=0.0):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(pause)
            sock.settimeout(20)  # a busy machine may be slow
            answer, closes = b"", b"Connection: close" in b"".join(pieces)
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                while data := sock.recv(65536):
                    answer += data
                    if not closes:
                        sock.settimeout(0.3)
            return answer

        yield exchange


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def get(path: str = "/livez", *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"rubbish\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (get("/" + "x" * 20_000), 414),
        (get("/livez", *(f"H{number}: x" for number in range(100))), 431),
        (get("/livez", "A: " + "x" * 70_000), 431),
    ],
    ids=range(12),
)
def test_what_is_no_http_is_refused_and_the_connection_closed(raw, services, request_, status):
    answer = raw(request_)

    assert statuses(answer) == [status]
    assert b"Connection: close" in answer
    assert b"application/problem+json" in answer
    assert services.asked("Login") == []


def test_requests_sent_together_are_answered_in_order(raw):
    answer = raw(get("/livez") + get("/nowhere") + get("/livez", "Connection: close"))

    assert statuses(answer) == [200, 404, 200]
    assert answer.rstrip().endswith(b"}")


def test_a_request_may_come_byte_by_byte(raw):
    assert statuses(raw(*(bytes([byte]) for byte in get("/livez")), pause=0.001)) == [200]


def test_an_old_client_is_answered_and_left(raw):
    answer = raw(b"GET /livez HTTP/1.0\r\n\r\n")

    assert statuses(answer) == [200]
    assert b"Connection: close" in answer


def test_a_client_that_asks_first_is_told_to_go_on(raw, services):
    head = "POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    more = "Connection: close\r\nContent-Length: 16\r\n\r\n"
    answer = raw((head + more).encode(), b'{"username":"a"}', pause=0.05)

    assert statuses(answer) == [100, 200]
    assert services.asked("Login")[0].username == "a"


def test_a_trailer_and_a_header_with_an_underscore_are_not_taken_for_headers(raw, services):
    token = services.token()
    head = (
        "DELETE /v1/customers/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        f"Idempotency_Key: 0123456789\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    answer = raw(head.encode() + b"0\r\nX-Request-Id: trailer\r\nIf-Match: 9\r\n\r\n")

    assert statuses(answer) == [200]
    assert services.asked("DeleteCustomer")[0].etag == ""
    assert "idempotency-key" not in services.seen[-1][2]
    assert b"trailer" not in answer


def test_who_reads_slowly_gets_all_of_it_and_stops_nobody(server, services):
    services.answers["GetCustomer"] = lambda *_: customers_pb2.Customer(remarks="x" * 5_000_000)
    with socket.create_connection(("127.0.0.1", server.port), 5) as slow:
        slow.sendall(get(CUSTOMER, f"Authorization: Bearer {services.token()}", "Connection: close"))
        time.sleep(0.3)
        other = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        other.request("GET", "/livez")
        assert other.getresponse().status == 200
        size = 0
        while data := slow.recv(262_144):
            size += len(data)

    assert size > 5_000_000


@pytest.mark.figure("R32")
def test_slow_and_idle_connections_do_not_hold_up_others(server, services, measured):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    header = get("/livez")[:-2]
    body = b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    token = services.token()

    def milliseconds() -> list[float]:
        took = []
        for _ in range(200):
            began = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            connection.request("GET", CUSTOMER, headers={"Authorization": f"Bearer {token}"})
            assert connection.getresponse().read() == b"{}"
            took.append((time.perf_counter() - began) * 1000)
            connection.close()
        return took

    alone = milliseconds()
    with contextlib.ExitStack() as stack:
        for start in (b"", header, body):
            for _ in range(500):
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))
                sock.sendall(start)
        beside = milliseconds()

    p99 = statistics.quantiles(beside, n=100)[98]
    measured(f"p99 {p99:.0f} ms beside 500 slow headers, 500 slow bodies and 500 idle connections")
    assert statistics.median(beside) < 5 * statistics.median(alone)


def test_what_is_in_flight_is_finished_when_the_gateway_is_told_to_stop(services, tmp_path, start_server):
    server = start_server(tmp_path)
    entered = threading.Event()

    def slow(request, context):
        entered.set()
        time.sleep(1)
        return customers_pb2.Customer(name="late")

    services.answers["GetCustomer"] = slow
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", CUSTOMER, headers={"Authorization": f"Bearer {services.token()}"})
    assert entered.wait(30)
    server.process.send_signal(signal.SIGTERM)
    answer = connection.getresponse()

    assert orjson.loads(answer.read()) == {"name": "late"}
    assert answer.getheader("Connection") == "close"
    assert server.process.wait(15) == 0
