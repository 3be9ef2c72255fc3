"""Questions that every service with records answers: asked at once, put together, and told where one is away."""

import socket
import threading
from itertools import count

import grpc
import pytest
from google.rpc import error_details_pb2 as details
from werkzeug.test import Client

from crm.records.v1 import handover_pb2 as pb
from gateway import create_app
from gateway.contract import operations, records
from gateway.settings import Settings

PATH = "/v1/users/01900000-0000-7000-8000-000000000001/belongings"
ASKED = len({service for service, _ in records().values()})


def belonging(record_type):
    return pb.ListBelongingsResponse(belongings=[pb.Belonging(record_type=record_type, owned=2)])


@pytest.fixture
def partly(services):
    """The suite with some services away."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"

    def asked(*away, path=PATH, **headers):
        addresses = {n: nobody if n in away else f"127.0.0.1:{services.port}" for n in Settings().services}
        app = create_app(Settings(services=addresses, patience=0.3))
        return Client(app).get(path, headers={"Authorization": f"Bearer {services.token()}", **headers})

    return asked


@pytest.mark.feature("IDN-05")
def test_every_service_is_asked_at_once_and_the_answers_are_one(http, services, measured):
    numbers, together = count(1), threading.Barrier(ASKED, timeout=10)

    def answer(request, context):
        together.wait()
        return belonging(f"type_{next(numbers)}")

    services.answers["ListBelongings"] = answer

    reply = http("GET", PATH)

    assert reply.status_code == 200, reply.json
    assert {b["recordType"] for b in reply.json["belongings"]} == {f"type_{n + 1}" for n in range(ASKED)}
    assert not reply.json.get("missing")
    assert len(services.asked("ListBelongings")) == ASKED
    measured(f"{ASKED} services asked at once")


def test_a_service_that_is_away_is_named_where_the_answer_has_a_place_for_it(partly, services):
    services.answers["ListBelongings"] = lambda request, context: belonging("customer")

    reply = partly("sales", "workspace")

    assert reply.status_code == 200, reply.json
    assert reply.json["missing"] == ["sales", "workspace"]
    assert len(reply.json["belongings"]) == ASKED - 2


def test_a_service_that_is_too_slow_is_named_too(http, services):
    first, done = count(), threading.Event()

    def answer(request, context):
        if next(first) == 0:
            done.wait(20)
        return belonging("customer")

    services.answers["ListBelongings"] = answer

    reply = http("GET", PATH, headers={"X-Timeout-Ms": "1500"})
    done.set()

    assert (reply.status_code, len(reply.json["missing"]), len(reply.json["belongings"])) == (200, 1, ASKED - 1)


def test_a_refusal_of_one_is_the_refusal_of_all(http, services, refuse):
    services.answers["ListBelongings"] = refuse(
        grpc.StatusCode.PERMISSION_DENIED, details.ErrorInfo(reason="RIGHT_MISSING"), message="No."
    )

    reply = http("GET", PATH)

    assert (reply.status_code, reply.json["reason"]) == (403, "RIGHT_MISSING")


@pytest.mark.figure("R28")
@pytest.mark.parametrize("operation", [o for o in operations() if o.everywhere], ids=lambda o: o.name)
def test_what_is_asked_everywhere_can_be_put_together(operation):
    assert operation.service == ""
    assert "record_type" not in operation.request.DESCRIPTOR.fields_by_name
    assert [f.name for f in operation.response.DESCRIPTOR.fields if not f.is_repeated] == []
