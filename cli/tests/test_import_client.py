"""The client against a real small HTTP server that misbehaves as told."""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from crm_cli.client import Client, Refused, Unreachable
from crm_cli.importers.bulk import store
from crm_cli.settings import Wrong

Answer = tuple[int, dict[str, str], Any]
LOGIN: Answer = (200, {}, {"accessToken": "a1", "refreshToken": "r1", "expiresIn": 900})
HANG_UP: Answer = (0, {}, None)


class Server:
    """Answers what it is told, in order and the last one again and again; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.answers: dict[str, list[Answer]] = {"/v1/auth/login": [LOGIN]}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                outer.asked.append((self.command, self.path, dict(self.headers.items()), body))
                answers = outer.answers.get(self.path.partition("?")[0], [(404, {}, {"detail": "nothing here"})])
                status, headers, document = answers.pop(0) if len(answers) > 1 else answers[0]
                if callable(document):
                    document = document(body)
                if not status:
                    self.close_connection = True
                    return
                content = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def keys(self, path: str) -> list[str]:
        return [headers["Idempotency-Key"] for _, asked, headers, _ in self.asked if asked == path]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def client(server: Server) -> Client:
    client = Client(server.url, patience=5)
    client.login("admin", "secret")
    return client


@pytest.mark.parametrize(
    "trouble",
    [
        HANG_UP,
        (429, {"Retry-After": "0"}, {"detail": "slower"}),
        (503, {"Retry-After": "0"}, {"detail": "away"}),
        (504, {}, {"detail": "late"}),
        (409, {"Retry-After": "0"}, {"reason": "IDEMPOTENCY_KEY_BUSY", "detail": "still at work"}),
    ],
)
def test_a_write_is_repeated_with_the_same_key(server: Server, client: Client, trouble: Answer) -> None:
    server.answers["/v1/things"] = [trouble, trouble, (200, {}, {"id": "1"})]

    assert client.post("/v1/things", {"name": "x"}) == {"id": "1"}

    assert len(server.keys("/v1/things")) == 3
    assert len(set(server.keys("/v1/things"))) == 1


def test_two_writes_have_two_keys(server: Server, client: Client) -> None:
    server.answers["/v1/things"] = [(200, {}, {})]

    client.post("/v1/things", {})
    client.post("/v1/things", {})

    assert len(set(server.keys("/v1/things"))) == 2


def test_retry_after_is_waited_for(server: Server, client: Client) -> None:
    server.answers["/v1/things"] = [(429, {"Retry-After": "1"}, {}), (200, {}, {})]
    began = time.monotonic()

    client.get("/v1/things")

    assert time.monotonic() - began >= 1


def test_a_refusal_is_not_repeated_and_names_the_fields(server: Server, client: Client) -> None:
    problem = {"detail": "Wrong input", "reason": "INVALID", "errors": [{"field": "name", "message": "is needed"}]}
    server.answers["/v1/things"] = [(400, {}, problem)]

    with pytest.raises(Refused, match="Wrong input: name: is needed"):
        client.post("/v1/things", {})

    assert len(server.keys("/v1/things")) == 1


def test_patience_ends(server: Server) -> None:
    client = Client(server.url, patience=0.5)
    client.login("admin", "secret")
    server.answers["/v1/things"] = [(503, {"Retry-After": "30"}, {"detail": "away"})]

    with pytest.raises(Refused, match="away"):
        client.get("/v1/things")


def test_a_token_that_is_no_longer_taken_is_renewed_once(server: Server, client: Client) -> None:
    server.answers["/v1/things"] = [(401, {}, {"detail": "expired"}), (200, {}, {"id": "1"})]
    server.answers["/v1/auth/refresh"] = [(200, {}, {"accessToken": "a2", "refreshToken": "r2", "expiresIn": 900})]

    assert client.get("/v1/things") == {"id": "1"}

    assert [headers["Authorization"] for _, path, headers, _ in server.asked if path == "/v1/things"] == [
        "Bearer a1",
        "Bearer a2",
    ]


def test_a_used_refresh_token_ends_in_a_new_login(server: Server, client: Client) -> None:
    server.answers["/v1/auth/login"] = [(200, {}, {"accessToken": "a3", "refreshToken": "r3", "expiresIn": 900})]
    server.answers["/v1/auth/refresh"] = [(401, {}, {"detail": "used"})]
    server.answers["/v1/things"] = [(401, {}, {"detail": "expired"}), (200, {}, {"id": "1"})]

    assert client.get("/v1/things") == {"id": "1"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {}, {"detail": "no"}), "does not take the name 'admin'"),
        ((200, {}, {**LOGIN[2], "mustChangePassword": True}), "must change the first password"),
    ],
)
def test_a_login_that_does_not_work_says_why(server: Server, answer: Answer, said: str) -> None:
    server.answers["/v1/auth/login"] = [answer]

    with pytest.raises(Wrong, match=said):
        Client(server.url).login("admin", "secret")


def test_nobody_there_is_said_with_what_to_do(server: Server) -> None:
    server.close()

    with pytest.raises(Unreachable, match="crm up"):
        Client(server.url).login("admin", "secret", patience=0.1)


@pytest.mark.parametrize("url", ["ftp://x", "http://", "::"])
def test_a_wrong_address_is_refused(url: str) -> None:
    with pytest.raises(Wrong, match="no address"):
        Client(url)


def test_a_list_is_read_page_by_page(server: Server, client: Client) -> None:
    pages = [{"things": [{"id": "1"}], "nextPageToken": "t"}, {"things": [{"id": "2"}]}]
    server.answers["/v1/things"] = [(200, {}, page) for page in pages]

    assert [thing["id"] for thing in client.all("/v1/things", "things")] == ["1", "2"]


def outcomes(make: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    return lambda body: {"results": [{"index": i, **make(row)} for i, row in enumerate(body["things"])]}


def test_rows_whose_reference_is_not_known_yet_are_sent_again(server: Server, client: Client) -> None:
    def late(row: dict[str, Any]) -> dict[str, Any]:
        if row["n"] % 2:
            return {"outcome": "failed", "problems": [{"field": "ownerId", "message": "does not exist"}]}
        return {"outcome": "created", "id": str(row["n"])}

    good = outcomes(lambda row: {"outcome": "created", "id": str(row["n"])})
    server.answers["/v1/things:import"] = [(200, {}, outcomes(late)), (200, {}, good)]

    stored = store(client, "things", "things", [{"n": n} for n in range(4)])

    assert [(one.outcome, one.id) for one in stored] == [("created", str(n)) for n in range(4)]
    assert [len(body["things"]) for _, path, _, body in server.asked if path == "/v1/things:import"] == [4, 2]


def test_a_row_that_spoils_the_request_is_found_and_the_others_are_stored(server: Server, client: Client) -> None:
    def answer(body: Any) -> Any:
        return {"results": [{"index": i, "outcome": "created", "id": "x"} for i in range(len(body["things"]))]}

    problem = {"detail": "Wrong input", "errors": [{"field": "things[1].age", "message": "is no number"}]}
    server.answers["/v1/things:import"] = [(400, {}, problem), (200, {}, answer), (400, {}, problem)]

    stored = store(client, "things", "things", [{"age": 1}, {"age": "x"}])

    assert [one.outcome for one in stored] == ["created", "failed"]
    assert "is no number" in stored[1].reason
