"""The overview: parts of several services put together in the contract's order, those that do not come marked."""

import socket
import threading
import time

import grpc
import pytest
from google.rpc import error_details_pb2 as details
from werkzeug.test import Client

from crm.customer.v1 import contacts_pb2
from crm.records.v1 import overview_pb2 as pb
from gateway import create_app
from gateway.contract import operations
from gateway.openapi import build
from gateway.settings import Settings

pytestmark = pytest.mark.feature("CUS-15")

PATH = "/v1/customers/01900000-0000-7000-8000-000000000001/overview"
OPERATION = next(o for o in operations() if o.name == "OverviewService.GetOverview")
PARTS = list(OPERATION.rule.parts)
SERVICES = sorted({part.service for part in PARTS})
LATE = 20.0


def answers(service, state="shown"):
    return pb.Overview(parts=[pb.OverviewPart(code=p.code, state=state) for p in PARTS if p.service == service])


def states(reply):
    return {part["code"]: part["state"] for part in reply.json["parts"]}


def of(*services):
    return {part.code for part in PARTS if part.service in services}


@pytest.fixture
def house(services):
    """The suite with each service behind an address of its own; those that are down have nobody behind it."""
    running, make = {}, type(services)

    def start(*down, **settings):
        for name in SERVICES:
            running[name] = make()
            running[name].key = services.key
            running[name].answers["GetOverview"] = lambda request, context, name=name: answers(name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            nobody = f"127.0.0.1:{free.getsockname()[1]}"
        for name in down:
            running[name].stop()
        addresses = dict.fromkeys(Settings().services, f"127.0.0.1:{services.port}")
        addresses |= {n: nobody if n in down else f"127.0.0.1:{running[n].port}" for n in SERVICES}
        client = Client(create_app(Settings(services=addresses, **settings)))
        headers = {"Authorization": f"Bearer {services.token()}", "Accept-Language": "en"}
        client.get("/v1/auth/me", headers=headers)  # the keys are known now
        return running, lambda **more: client.get(PATH, headers={**headers, **more})

    yield start
    for one in running.values():
        one.stop()


def test_the_parts_of_all_services_stand_in_the_order_of_the_contract(house, measured):
    running, ask = house()

    reply = ask()

    assert reply.status_code == 200, reply.json
    told = reply.json["parts"]
    assert [part["code"] for part in told] == [part.code for part in PARTS]
    assert {part["state"] for part in told} == {"shown"}
    first = told[0]
    assert (first["labelZh"], first["labelEn"], first["service"]) == ("基本资料", "Profile", "customer")
    assert first["address"] == PATH.removesuffix("/overview")
    assert {name: len(one.asked("GetOverview")) for name, one in running.items()} == dict.fromkeys(SERVICES, 1)
    measured(f"{len(PARTS)} parts of {len(SERVICES)} services")


def test_all_services_are_asked_at_the_same_time(http, services):
    together = threading.Barrier(len(SERVICES), timeout=10)

    def answer(request, context):
        together.wait()
        return pb.Overview(parts=[pb.OverviewPart(code=part.code, state="shown") for part in PARTS])

    services.answers["GetOverview"] = answer

    assert set(states(http("GET", PATH)).values()) == {"shown"}
    assert set(states(http("GET", PATH)).values()) == {"shown"}, "the threads that ask are kept"


@pytest.mark.parametrize("down", SERVICES)
def test_the_parts_of_a_service_that_is_down_are_marked_and_the_others_there(house, down):
    _, ask = house(down, patience=60)

    reply = ask()

    assert reply.status_code == 200, reply.json
    assert {code for code, state in states(reply).items() if state == "away"} == of(down)
    assert {code for code, state in states(reply).items() if state == "shown"} == of(*SERVICES) - of(down)
    assert all(part["labelEn"] and part["address"] for part in reply.json["parts"])


def test_a_service_that_is_stopped_under_way_is_marked_and_is_back_when_it_is(house):
    running, ask = house()
    assert set(states(ask()).values()) == {"shown"}

    running["sales"].stop()
    assert {code for code, state in states(ask()).items() if state == "away"} == of("sales")

    running["sales"].start()
    end = time.monotonic() + 60
    while set(states(ask()).values()) != {"shown"} and time.monotonic() < end:
        time.sleep(0.1)
    assert set(states(ask()).values()) == {"shown"}


def test_one_that_hangs_is_left_behind_at_the_deadline(house):
    running, ask = house(parts_timeout=1.5)
    done = threading.Event()

    def hang(request, context):
        done.wait(LATE)
        return answers("workspace")

    running["workspace"].answers["GetOverview"] = hang
    reply = ask()
    answered_first = not done.is_set()
    done.set()

    assert (reply.status_code, answered_first) == (200, True)
    assert {code for code, state in states(reply).items() if state == "away"} == of("workspace")
    deadlines = [left for one in running.values() for rpc, _, _, left in one.seen if rpc == "GetOverview"]
    assert len(deadlines) == len(SERVICES)
    assert max(deadlines) < 2


def test_a_caller_may_ask_for_a_shorter_deadline(house):
    running, ask = house()

    ask(**{"X-Timeout-Ms": "700"})

    assert max(left for one in running.values() for rpc, _, _, left in one.seen if rpc == "GetOverview") < 1


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNKNOWN])
def test_what_breaks_in_one_service_is_told_as_failed(house, refuse, code):
    running, ask = house()
    running["service-desk"].answers["GetOverview"] = refuse(code)

    assert {code for code, state in states(ask()).items() if state == "failed"} == of("service-desk")


def test_a_refusal_by_one_is_the_refusal_of_all(house, refuse):
    running, ask = house()
    info = details.ErrorInfo(reason="NOT_FOUND")
    running["customer"].answers["GetOverview"] = refuse(grpc.StatusCode.NOT_FOUND, info, message="None.")

    reply = ask()

    assert (reply.status_code, reply.json["reason"]) == (404, "NOT_FOUND")
    assert "parts" not in reply.json


def test_where_no_service_answers_there_is_no_overview(house):
    _, ask = house(*SERVICES)

    assert ask().status_code == 503


def test_a_part_that_its_service_leaves_out_is_told_as_failed(house):
    running, ask = house()
    running["sales"].answers["GetOverview"] = lambda request, context: pb.Overview()

    assert {code for code, state in states(ask()).items() if state == "failed"} == of("sales")


def test_rows_are_json_that_says_what_it_is(house):
    running, ask = house()
    part = pb.OverviewPart(code="contacts", state="shown", total=0)
    part.rows.add().Pack(contacts_pb2.Contact(id="c-1", name="王芳"))
    part.rows.add(type_url="type.googleapis.com/crm.customer.v9.OfTomorrow", value=b"\x0a\x01x")
    running["customer"].answers["GetOverview"] = lambda request, context: pb.Overview(parts=[part])

    told = next(p for p in ask().json["parts"] if p["code"] == "contacts")

    assert told["total"] == 0
    assert told["rows"] == [
        {"@type": "type.googleapis.com/crm.customer.v1.Contact", "id": "c-1", "name": "王芳"},
        {"@type": "type.googleapis.com/crm.customer.v9.OfTomorrow"},
    ]


@pytest.mark.figure("R28")
def test_the_document_tells_the_parts():
    said = build()["paths"]["/v1/customers/{id}/overview"]["get"]

    assert [(part["code"], part["service"]) for part in said["x-parts"]] == [(p.code, p.service) for p in PARTS]
    assert said["x-service"] == ", ".join(SERVICES)
    schema = build()["components"]["schemas"]["OverviewPart"]["properties"]
    assert schema["rows"]["items"]["required"] == ["@type"]
    assert set(schema["state"]["enum"]) == {"shown", "no_right", "away", "failed"}
