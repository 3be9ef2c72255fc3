"""Whether the services and the gateway answer that they are ready.

`python -m crm_cli.health SECONDS NAME=ADDRESS…` waits for all of them and prints who is not ready when the
time is over. It is a process of its own so that the supervisor never loads gRPC.
"""

import sys
import time
import urllib.error
import urllib.request

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub


def trouble(address: str, seconds: float = 2) -> str | None:
    """None when it is ready, else why not. A web address is asked for /readyz, any other for its gRPC health."""
    return _web(address, seconds) if address.startswith("http") else _grpc(address, seconds)


def _web(address: str, seconds: float) -> str | None:
    try:
        urllib.request.urlopen(f"{address}/readyz", timeout=seconds).close()  # noqa: S310 - our own address
    except urllib.error.HTTPError as error:
        return f"/readyz answers {error.code}"
    except OSError as error:
        return f"does not answer: {getattr(error, 'reason', error)}"
    return None


def _grpc(address: str, seconds: float) -> str | None:
    options = [("grpc.enable_http_proxy", 0)]  # health goes to the service itself
    with grpc.insecure_channel(address, options) as channel:
        try:
            reply = HealthStub(channel).Check(HealthCheckRequest(), timeout=seconds)
        except grpc.RpcError as error:
            return f"does not answer: {error.code().name}"
    if reply.status != HealthCheckResponse.SERVING:
        return HealthCheckResponse.ServingStatus.Name(reply.status)
    return None


def wait(addresses: dict[str, str], seconds: float) -> dict[str, str]:
    """Who is not ready when the time is over, and why."""
    deadline = time.monotonic() + seconds
    waiting = dict(addresses)
    while True:
        why = {name: what for name, address in waiting.items() if (what := trouble(address, 1))}
        waiting = {name: addresses[name] for name in why}
        if not waiting or time.monotonic() > deadline:
            return why
        time.sleep(0.1)


if __name__ == "__main__":
    late = wait(dict(word.split("=", 1) for word in sys.argv[2:]), float(sys.argv[1]))
    sys.stdout.write("\n".join(f"{name} {why}" for name, why in late.items()))
