"""What the protos say: every RPC with its address, its right and its messages.

Routes, OpenAPI document and contract tests are all made from this one list.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any, cast

from google.api import annotations_pb2
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from crm import rule_pb2
from crm_kit.field_names import camel

SERVICES = {
    "crm.identity.v1": "identity",
    "crm.customer.v1": "customer",
    "crm.sales.v1": "sales",
    "crm.service_desk.v1": "service-desk",
    "crm.workspace.v1": "workspace",
    "crm.reporting.v1": "reporting",
}
SHARED = "crm.records.v1"
"""Served by every service with records: a call goes to the owner of the request's record type, or to all of them."""

PARAMETER = re.compile(r"\{([a-z_.]+)\}")
VERBS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, slots=True)
class Operation:
    """One RPC as it is reached over HTTP."""

    method: MethodDescriptor
    service: str
    """The service that answers; empty where the record type decides, or all are asked."""
    verb: str
    path: str
    body: str
    rule: Any
    request: Any
    response: Any

    @property
    def name(self) -> str:
        return f"{self.method.containing_service.name}.{self.method.name}"

    @property
    def rpc(self) -> str:
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def template(self) -> str:
        """The path as readers see it: `{customer.id}` is `{id}`, `{record_type}` is `{recordType}`."""
        return PARAMETER.sub(lambda match: f"{{{camel(match[1].rpartition('.')[2])}}}", self.path)

    @property
    def is_file(self) -> bool:
        """Answers a file instead of JSON."""
        return self.response is HttpBody

    @property
    def takes_file(self) -> bool:
        """The body is a file as it is, instead of JSON."""
        field = self.request.DESCRIPTOR.fields_by_name.get(self.body)
        return field is not None and field.message_type is HttpBody.DESCRIPTOR

    @property
    def everywhere(self) -> bool:
        """Asked of every service with records; what they answer is put together."""
        return bool(self.rule.everywhere)

    @property
    def bulk(self) -> bool:
        """Takes many rows, so it may be larger and take longer."""
        verb = self.path.rpartition("/")[2].partition(":")[2]
        return self.takes_file or verb == "import" or verb.lower().startswith("bulk")


def files(package: str) -> Iterator[FileDescriptor]:
    """Every file of a package that exists; a service whose protos are not written yet has none."""
    parents = package.split(".")
    if any(find_spec(".".join(parents[: end + 1])) is None for end in range(len(parents))):
        return
    home = importlib.import_module(package)
    for module in sorted(info.name for info in pkgutil.iter_modules(home.__path__)):
        if module.endswith("_pb2"):
            yield importlib.import_module(f"{package}.{module}").DESCRIPTOR


def methods() -> Iterator[tuple[str, MethodDescriptor]]:
    """Every RPC with the service that answers it."""
    for package, service in (*SERVICES.items(), (SHARED, "")):
        for file in files(package):
            for rpc_service in file.services_by_name.values():
                for method in rpc_service.methods:
                    yield service, method


@cache
def operations() -> tuple[Operation, ...]:
    """Every RPC that has an address."""
    return tuple(_operation(service, method) for service, method in methods() if address(method))


def address(method: MethodDescriptor) -> tuple[str, str, str] | None:
    """Verb, path and body of the RPC's HTTP mapping."""
    http = method.GetOptions().Extensions[cast(Any, annotations_pb2.http)]
    verb = http.WhichOneof("pattern")
    return (verb.upper(), getattr(http, verb), http.body) if verb in VERBS else None


def _operation(service: str, method: MethodDescriptor) -> Operation:
    verb, path, body = address(method) or ("", "", "")
    return Operation(
        method=method,
        service=service,
        verb=verb,
        path=path,
        body=body,
        rule=method.GetOptions().Extensions[cast(Any, rule_pb2.rule)],
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
    )


@cache
def records() -> dict[str, tuple[str, Descriptor]]:
    """Record type → the service that owns it, and its message."""
    found: dict[str, tuple[str, Descriptor]] = {}
    for package, service in SERVICES.items():
        for file in files(package):
            for message in file.message_types_by_name.values():
                if kind := message.GetOptions().Extensions[cast(Any, rule_pb2.record)].type:
                    found[kind] = (service, message)
    return found
