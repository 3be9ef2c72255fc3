"""The TLS port of a service: certificates that may change while it runs, and what tools expect to find there."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from crm_kit.settings import SettingsError, Tls

log = logging.getLogger("tls")


class Certificates:
    """Certificate and key as they lie in their files; read again when one of them changed."""

    def __init__(self, settings: Tls) -> None:
        self._settings = settings
        self._files = [Path(f) for f in (settings.cert_file, settings.key_file, settings.client_ca_file) if f]
        self._seen: tuple[tuple[int, int], ...] = ()

    def credentials(self) -> grpc.ServerCredentials:
        """For a port of the server. SettingsError where the files are of no use."""
        try:
            self._seen = self._look()
            first = self._read()
        except (OSError, ValueError) as error:
            raise SettingsError(f"TLS_CERT_FILE, TLS_KEY_FILE or TLS_CLIENT_CA_FILE: {error}") from error
        asks = bool(self._settings.client_ca_file)
        return grpc.dynamic_ssl_server_credentials(first, self._changed, asks)

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Asked at every new connection. What cannot be read, or is only half there, leaves everything as it is."""
        try:
            seen = self._look()
            if seen == self._seen:
                return None
            new = self._read()
        except (OSError, ValueError) as error:
            log.warning("the certificate stays the old one: %s", error)
            return None
        self._seen = seen
        log.info("the certificate changed")
        return new

    def _look(self) -> tuple[tuple[int, int], ...]:
        found = [file.stat() for file in self._files]
        return tuple((one.st_mtime_ns, one.st_ino) for one in found)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        chain, key, *ca = [file.read_bytes() for file in self._files]
        of_key = load_pem_private_key(key, None).public_key()
        if x509.load_pem_x509_certificate(chain).public_key() != of_key:
            raise ValueError(f"{self._settings.key_file} is not the key of {self._settings.cert_file}")
        if ca:
            x509.load_pem_x509_certificates(ca[0])
        return grpc.ssl_server_certificate_configuration([(key, chain)], ca[0] if ca else None)


def describe(server: grpc.Server, names: Iterable[str]) -> None:
    """Answer reflection, so that grpcurl and the like know these services without their protos.

    It is a stream that stays open as long as the caller likes: on a thread of its own it takes none from the RPCs.
    """
    from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

    servicer: Any = reflection.ReflectionServicer([*names, "grpc.health.v1.Health", reflection.SERVICE_NAME])
    answer = servicer.ServerReflectionInfo

    def info(requests: Any, context: grpc.ServicerContext) -> Iterable[Any]:
        return answer(requests, context)

    info.experimental_thread_pool = ThreadPoolExecutor(1, thread_name_prefix="reflection")  # type: ignore[attr-defined]
    servicer.ServerReflectionInfo = info
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
