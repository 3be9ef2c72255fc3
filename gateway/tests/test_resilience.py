"""What happens while a service is away, slow or starting again."""

import threading
import time

import grpc
import pytest
from google.rpc import error_details_pb2 as details
from werkzeug.test import Client

from gateway import create_app
from gateway.channels import RETRIES_AT_ONCE, RETRY_SHARE, Budget
from gateway.settings import Settings

CUSTOMER = "/v1/customers/01900000-0000-7000-8000-000000000001"


@pytest.fixture
def own(services):
    """An application with channels of its own, whose service may be stopped."""
    app = create_app(Settings(services=dict.fromkeys(Settings().services, f"127.0.0.1:{services.port}"), patience=4))
    headers = {"Authorization": f"Bearer {services.token()}"}
    client = Client(app)
    assert client.get(CUSTOMER, headers=headers).status_code == 200
    return lambda method, **more: client.open(CUSTOMER, method=method, headers={**headers, **more})


def test_a_read_does_not_notice_that_the_service_starts_again(own, services):
    services.stop()
    threading.Timer(1.5, services.start).start()

    began = time.monotonic()
    assert own("GET").status_code == 200
    assert time.monotonic() - began > 1


def test_a_read_that_a_stopping_service_has_not_begun_is_asked_again(own, services, refuse):
    not_begun = refuse(grpc.StatusCode.CANCELLED)

    def stopping(request, context):
        services.answers.pop("GetCustomer")
        return not_begun(request, context)

    services.answers["GetCustomer"] = stopping

    assert own("GET").status_code == 200


def test_a_write_is_not_sent_again(own, services):
    services.stop()
    try:
        began = time.monotonic()
        answer = own("DELETE")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert time.monotonic() - began < 3  # it has 4 seconds of patience
    finally:
        services.start()


def test_a_service_that_stays_away_is_waited_for_once_and_then_refused_at_once(own, services):
    services.stop()
    try:
        began = time.monotonic()
        assert own("GET").status_code == 503
        first = time.monotonic() - began
        assert own("GET").status_code == 503
        second = time.monotonic() - began - first
    finally:
        services.start()

    assert first > 3
    assert second < first / 2


def test_what_the_service_itself_says_is_passed_on_at_once(own, services, refuse):
    services.answers["GetCustomer"] = refuse(
        grpc.StatusCode.UNAVAILABLE, details.ErrorInfo(reason="DATABASE_UNAVAILABLE"), message="Later."
    )
    before = len(services.asked("GetCustomer"))

    answer = own("GET")

    assert (answer.status_code, answer.json["detail"]) == (503, "Later.")
    assert len(services.asked("GetCustomer")) == before + 1


@pytest.mark.figure("R35")
@pytest.mark.parametrize(
    ("method", "path", "header", "seconds"),
    [
        ("GET", CUSTOMER, "", 10),
        ("GET", CUSTOMER, "250", 0.25),
        ("GET", CUSTOMER, "999999", 10),
        ("GET", CUSTOMER, "soon", 10),
        ("POST", "/v1/customers:import", "", 60),
    ],
)
def test_every_rpc_has_a_deadline_that_the_caller_may_shorten(http, services, method, path, header, seconds):
    http(method, path, headers={"X-Timeout-Ms": header} if header else {})

    assert services.seen[-1][3] == pytest.approx(seconds, abs=0.2)


def test_a_service_that_is_too_slow_is_504(http, services):
    def slow(request, context):
        time.sleep(0.5)

    services.answers["GetCustomer"] = slow

    answer = http("GET", CUSTOMER, headers={"X-Timeout-Ms": "100"})

    assert (answer.status_code, answer.json["reason"]) == (504, "DEADLINE_EXCEEDED")


def test_retries_add_less_than_a_fifth_to_the_traffic():
    budget, requests, retries = Budget(), 10_000, 0
    for _ in range(requests):
        budget.earn()
        retries += budget.spend()

    assert retries <= requests * RETRY_SHARE + RETRIES_AT_ONCE
    assert requests + retries <= 1.2 * requests
