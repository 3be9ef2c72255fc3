"""How fast and from where."""

import ipaddress

from werkzeug.test import Client

from gateway.limits import Peers, Rate

CUSTOMER = "/v1/customers/01900000-0000-7000-8000-000000000001"


def test_too_many_requests_of_one_address_to_a_public_route_are_429_with_the_standard_headers(limited_app, services):
    client = Client(limited_app)
    answers = [client.post("/v1/auth/login", json={"username": "a", "password": "b"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"default";q=2;w=2'
    assert answers[0].headers["RateLimit"].startswith('"default";r=1;t=')
    assert answers[2].headers["Retry-After"] == "1"
    assert answers[2].json["reason"] == "TOO_MANY_REQUESTS"
    assert len(services.asked("Login")) == 2


def test_signed_in_users_are_counted_each_for_themselves(limited_app, services):
    client = Client(limited_app)

    def ask(user):
        return client.get(CUSTOMER, headers={"Authorization": f"Bearer {services.token(user)}"}).status_code

    assert [ask("u-1") for _ in range(4)] == [200, 200, 200, 429]
    assert ask("u-2") == 200


def test_a_bucket_fills_again(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("gateway.limits.time.monotonic", lambda: now[0])
    rate = Rate(2, 3)
    assert [rate.take("a")[0] for _ in range(4)] == [True, True, True, False]

    now[0] += 1

    assert [rate.take("a")[0] for _ in range(3)] == [True, True, False]


def test_the_forwarded_address_counts_only_from_a_proxy_of_ours():
    peers = Peers((ipaddress.ip_network("10.0.0.0/8"),))
    said = {"HTTP_X_FORWARDED_FOR": "1.1.1.1, 203.0.113.9"}

    assert peers.address({"REMOTE_ADDR": "10.1.2.3", **said}) == "203.0.113.9"
    assert peers.address({"REMOTE_ADDR": "192.0.2.1", **said}) == "192.0.2.1"
    assert peers.address({"REMOTE_ADDR": "10.1.2.3", "HTTP_X_FORWARDED_FOR": "me; drop"}) == "10.1.2.3"
