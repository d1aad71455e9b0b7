"""One exchange with Holdfast over kept-alive connections; the standard library alone."""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import threading
import time
from collections import deque
from typing import Any, Mapping, NamedTuple, cast
from urllib.parse import urlsplit

#: Answers of Holdfast are small; Instagram's, passed on, may be larger.
LARGEST_ANSWER = 4 * 1024 * 1024
#: A connection that was idle for longer is not used again: what lies between may have forgotten it.
LONGEST_IDLE_S = 15.0


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class OfOneProcess:
    """What a child process begins anew. Told by the process id: a server that forks in C calls no hook of Python's."""

    _pid = 0

    def _enter(self) -> None:
        """To be called first, in every call from outside."""
        if self._pid != os.getpid():
            self._begin()
            self._pid = os.getpid()

    def _begin(self) -> None:
        raise NotImplementedError


class Connections(OfOneProcess):
    """A pool for any number of threads. Raises `OSError` or `HTTPException` where there was no whole answer."""

    def __init__(self, url: str, largest: int = 16) -> None:
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url must begin with http:// or https://")
        if "@" in parts.netloc:
            raise ValueError("url must not hold a name and a password: Holdfast takes none")
        # One for all connections: making one reads every certificate that the machine trusts.
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._port = parts.hostname, parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._largest = largest
        self._enter()

    def _begin(self) -> None:
        """Two processes on one connection would get each other's answers, and so each other's callers."""
        self._lock = threading.Lock()
        #: Each with the moment in which it was put back; the last is the youngest.
        self._idle: deque[tuple[_Connection, float]] = deque(maxlen=self._largest)

    def send(
        self, method: str, path: str, headers: Mapping[str, str], until: float, body: bytes | None = None,
        repeatable: bool = False,
    ) -> Answer:
        """Ends at `until` (monotonic), unless resolving a name takes longer. `repeatable`: done twice, it is as if done once."""
        self._enter()
        kept = self._take_kept()
        if kept is not None:
            try:
                return self._exchange(kept, method, path, headers, body, until)
            except OSError:
                # Ended while idle, most likely, as the others; but something may have been done.
                self._close_kept()
                if not repeatable:
                    raise
        return self._exchange(self._new(), method, path, headers, body, until)

    def close(self) -> None:
        self._enter()
        self._close_kept()

    def _new(self) -> _Connection:
        if self._tls is None:
            return _Connection(self._host, self._port)
        return _TlsConnection(self._host, self._port, context=self._tls)

    def _take_kept(self) -> _Connection | None:
        while True:
            with self._lock:
                if not self._idle or time.monotonic() - self._idle[-1][1] >= LONGEST_IDLE_S:
                    break
                kept = self._idle.pop()[0]
            if kept.is_quiet():
                return kept
            kept.close()
        self._close_kept()
        return None

    def _close_kept(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop()[0].close()

    def _exchange(
        self, connection: _Connection, method: str, path: str,
        headers: Mapping[str, str], body: bytes | None, until: float,
    ) -> Answer:
        try:
            connection.until = until
            if connection.sock is not None:
                connection.sock.settimeout(_left(until))
            connection.request(method, self._prefix + path, body, dict(headers))
            response = connection.getresponse()
            reader = cast(_Reader, response.fp)
            content = response.read(LARGEST_ANSWER + 1)
            if len(content) > LARGEST_ANSWER:
                raise http.client.HTTPException("the answer is too large")
            if response.length:
                raise http.client.IncompleteRead(content, response.length)
        except BaseException:
            connection.close()
            raise
        # What is there beyond this answer would be taken for the next caller's.
        lengths = [*response.headers.get_all("content-length", []), *response.headers.get_all("transfer-encoding", [])]
        if response.will_close or len(lengths) > 1 or reader.has_more:
            connection.close()
        else:
            with self._lock:
                if len(self._idle) == self._idle.maxlen:
                    self._idle.popleft()[0].close()
                self._idle.append((connection, time.monotonic()))
        return Answer(response.status, response.headers, content)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("the answer took too long")
    return left


class _Connection(http.client.HTTPConnection):
    """Works until a moment: the time limits of sockets are for each of any number of addresses and reads."""

    until = 0.0

    def connect(self) -> None:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except UnicodeError:  # such as "holdfast..svc"
            raise OSError(f"{self.host!r} is no name of a host") from None
        for untried, (*_, target) in zip(range(len(found), 0, -1), found):
            try:
                # An address where nobody answers leaves the others their share.
                self.sock = socket.create_connection(target[:2], _left(self.until) / untried)  # type: ignore[arg-type]
                break
            except OSError:
                if untried == 1:
                    raise
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(_left(self.until))

    def response_class(self, sock: socket.socket, *more: Any, **named: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        return _Response(_Until(sock, self.until), *more, **named)  # type: ignore[arg-type]

    def is_quiet(self) -> bool:
        """Nothing has come since the last answer: neither its end, nor an answer that nobody has asked for."""
        try:
            self.sock.settimeout(0)
            self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False


class _TlsConnection(http.client.HTTPSConnection, _Connection):
    """It has `_Connection` connect, and then speaks TLS."""


class _Response(http.client.HTTPResponse):
    """Reads on after an interim answer (RFC 9110, 15.2). Any but 100 is the final one to `http.client`."""

    def begin(self) -> None:
        super().begin()
        while self.status < 200:
            self.headers = None  # type: ignore[assignment]
            super().begin()


class _Until:
    """A socket as `HTTPResponse` reads it."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until

    def makefile(self, mode: str) -> _Reader:
        return _Reader(_Reads(self._sock, self._until))


class _Reader(io.BufferedReader):
    """Knows, once it is closed, whether more had come than was read."""

    has_more = True

    def close(self) -> None:
        if not self.closed:
            self.raw.ended = True  # type: ignore[attr-defined]
            self.has_more = bool(self.peek())
        super().close()


class _Reads(io.RawIOBase):
    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until
        self._raw = sock.makefile("rb", buffering=0)
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.ended:
            return 0
        self._sock.settimeout(_left(self._until))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
