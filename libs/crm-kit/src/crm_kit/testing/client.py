"""Calling a service as somebody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass


class Client:
    """RPCs by their names: `client.GetCustomer(id=…)`, with fields of the request or the request itself."""

    def __init__(
        self, channel: grpc.Channel, methods: dict[str, MethodDescriptor], token: str, user_id: str, session_id: str
    ) -> None:
        self._channel, self._methods = channel, methods
        self.token, self.user_id, self.session_id = token, user_id, session_id

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._methods:
            raise AttributeError(f"the contract has no RPC {name}")
        method = self._methods[name]
        request_type, answer_type = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        send = self._channel.unary_unary(
            f"/{method.containing_service.full_name}/{name}", request_type.SerializeToString, answer_type.FromString
        )

        def call(request: Message | None = None, /, *, metadata: dict[str, str] | None = None, **fields: Any) -> Any:
            pairs = dict(metadata or {})
            if self.token:
                pairs["authorization"] = f"Bearer {self.token}"
            return send(request or request_type(**fields), metadata=tuple(pairs.items()), timeout=20)

        return call
