"""A gunicorn worker whose threads share one epoll: who wakes reads what has arrived, and answers if a request is whole.

gunicorn's gthread gives a thread to every new connection until its request has come, so that a few dozen slow clients
stop it, and it moves each request between two threads. Here a slow client costs memory only, and no request
changes its thread; measured, that is 0.1 instead of 0.4 ms CPU a request.
"""

import logging
import os
import select
import socket
import threading
import time
from typing import Any

from gunicorn.workers.base import Worker

from gateway.connection import PIECE, Connection, Refused, encode, refusal

log = logging.getLogger(__name__)

TICK = 0.25
LINGER = 1.0  # a stopping worker still answers what a client may be sending on a kept connection
MOST_CONNECTIONS = 4000
MOST_HELD = 96 * 1024 * 1024  # bytes of bodies that are still arriving, over all connections
READ = select.EPOLLIN | select.EPOLLONESHOT | select.EPOLLRDHUP
WRITE = select.EPOLLOUT | select.EPOLLONESHOT


class EdgeWorker(Worker):
    """Accepts in the main thread, answers in the others."""

    def run(self) -> None:
        self.poll, self.connections = select.epoll(), dict[int, Connection]()
        self.held = 0
        self.base = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": None,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "SCRIPT_NAME": "",
            "SERVER_NAME": "gateway",
            "SERVER_PORT": "80",
        }
        settings = self.wsgi.settings
        self.body_limit = max(settings.bulk_body_limit, settings.upload_limit)
        threads = [threading.Thread(target=self._answer, daemon=True) for _ in range(self.cfg.threads)]
        for thread in threads:
            thread.start()
        listeners = select.epoll()
        for listener in self.sockets:
            listener.setblocking(False)
            listeners.register(listener, select.EPOLLIN)
        swept = time.monotonic()
        while self.alive:
            self.notify()
            if listeners.poll(TICK):
                self._accept()
            if time.monotonic() - swept > 1:
                swept = time.monotonic()
                self._sweep(swept)
            if self.ppid != os.getppid():
                return
        listeners.close()
        self._stop()

    def _accept(self) -> None:
        """Takes some of those who wait. The more a worker has, the longer it leaves them to the others."""
        have = len(self.connections)
        time.sleep(TICK if have >= MOST_CONNECTIONS else min(have, 10) * 0.0002)
        for listener in self.sockets:
            try:
                for _ in range(min(1 + have // 8, MOST_CONNECTIONS - have)):
                    sock, peer = listener.accept()
                    sock.setblocking(False)
                    if sock.family != socket.AF_UNIX:
                        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connection = Connection(sock, peer, self.base, self.body_limit)
                    self.connections[sock.fileno()] = connection
                    self.poll.register(sock.fileno(), READ)
            except (BlockingIOError, ConnectionAbortedError):
                continue
            except OSError:
                log.exception("cannot accept a connection")
                time.sleep(TICK)

    def _sweep(self, now: float) -> None:
        """Ends what takes too long; the thread that wakes by that closes it."""
        self.held = sum(connection.held for connection in list(self.connections.values()))
        for connection in list(self.connections.values()):
            if connection.expired(now):
                try:
                    connection.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def _answer(self) -> None:
        while True:
            for fd, _ in self.poll.poll(None, 1):
                connection = self.connections.get(fd)
                if connection is None:
                    continue
                connection.busy = True
                try:
                    wanted = self._serve(connection)
                except Exception as error:
                    if not isinstance(error, OSError):
                        log.exception("a connection failed")
                    wanted = 0
                connection.busy = False
                if wanted:
                    self.poll.modify(fd, wanted)
                else:
                    self._close(fd, connection)

    def _serve(self, connection: Connection) -> int:
        """Does what can be done without waiting; what it waits for next, or 0 for the end."""
        if connection.out:
            connection.out = connection.out[_send(connection.sock, connection.out) :]
            if connection.out:
                return WRITE
            return self._write(connection)
        try:
            data = connection.sock.recv(PIECE)
        except BlockingIOError:
            return READ
        if not data:
            return 0
        try:
            connection.feed(data)
            if self.held + connection.held > MOST_HELD:
                raise Refused(503, "Service Unavailable")
        except Refused as refused:
            connection.closing = True
            connection.ready.clear()
            connection.out = memoryview(refusal(refused))
        return self._write(connection)

    def _write(self, connection: Connection) -> int:
        """Answers the requests that are whole, in their order, as far as the client takes the answers."""
        while connection.ready and not connection.out:
            environ, keep = connection.ready.pop(0)
            said: list[Any] = []
            body = self.wsgi(environ, lambda status, headers, *_, said=said: said.extend((status, headers)))
            keep = keep and self.alive and not connection.closing
            connection.closing = not keep
            connection.out = memoryview(encode(said[0], said[1], body, keep))
            connection.out = connection.out[_send(connection.sock, connection.out) :]
            if not keep:
                connection.ready.clear()
        if connection.out:
            connection.out = connection.out[_send(connection.sock, connection.out) :]
        if connection.out:
            return WRITE
        return 0 if connection.closing else READ

    def _close(self, fd: int, connection: Connection) -> None:
        self.connections.pop(fd, None)
        try:
            if connection.closing:  # a client that still sends would lose the answer if we just closed
                connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            log.debug("the client was faster")
        connection.sock.close()
        connection.release()

    def _stop(self) -> None:
        """Lets requests in flight end; a connection that is kept may still bring one for a moment."""
        began, quiet = time.monotonic(), 0
        while self.connections and (passed := time.monotonic() - began) < self.cfg.graceful_timeout:
            self.notify()
            working = any(each.busy or each.out for each in list(self.connections.values()))
            quiet = 0 if working else quiet + 1  # between two requests nobody is busy for a moment
            if passed > LINGER and quiet > 3:
                return
            time.sleep(0.05)


def _send(sock: socket.socket, data: memoryview) -> int:
    try:
        return sock.send(data)
    except BlockingIOError:
        return 0
