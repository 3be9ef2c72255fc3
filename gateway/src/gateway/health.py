"""Is the gateway alive, is it ready, what has it counted.

Ready means: it can say who is calling. So identity must answer, for without it nobody can log in; another service
that is away is shown and takes only its own routes with it. Were every service needed, one that restarts would take the
whole suite out of the load balancer.
"""

import ipaddress
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from crm_kit import errors
from gateway.call import Call, Reply, json_reply
from gateway.channels import Backends
from gateway.observe import exposition
from gateway.settings import Settings

NEEDED = "identity"
PATIENCE = 0.5


def livez(call: Call) -> Reply:
    return json_reply({"status": "ok"})


def readyz(backends: Backends) -> Any:
    def answer(call: Call) -> Reply:
        services = dict(backends.items())
        with ThreadPoolExecutor(len(services)) as pool:
            states = dict(zip(services, pool.map(_state, services.values()), strict=True))
        ready = states[NEEDED] == "serving"
        return json_reply({"status": "ready" if ready else "not_ready", "services": states}, 200 if ready else 503)

    return answer


def _state(backend: Any) -> str:
    try:
        answer = health_pb2_grpc.HealthStub(backend.channel).Check(
            health_pb2.HealthCheckRequest(), timeout=PATIENCE, wait_for_ready=True
        )
    except grpc.RpcError:
        return "unreachable"
    return "serving" if answer.status == health_pb2.HealthCheckResponse.SERVING else "not_serving"


def metrics(settings: Settings) -> Any:
    def answer(call: Call) -> Reply:
        if not settings.metrics_public and not ipaddress.ip_address(call.environ["REMOTE_ADDR"]).is_loopback:
            raise errors.NotFound("no_such_route")
        return Reply(exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")

    return answer
