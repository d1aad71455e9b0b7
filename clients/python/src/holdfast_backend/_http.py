"""One exchange with Holdfast over kept-alive connections; the standard library alone."""

from __future__ import annotations

import http.client
import os
import threading
import weakref
from collections import deque
from typing import Mapping, NamedTuple
from urllib.parse import urlsplit

#: Answers of Holdfast are small; Instagram's, passed on, may be larger.
LARGEST_ANSWER = 4 * 1024 * 1024


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Connections:
    """A pool for any number of threads. Raises `OSError` or `HTTPException` where there was no whole answer."""

    def __init__(self, url: str, largest: int = 16) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url must begin with http:// or https://")
        https = parts.scheme == "https"
        self._class = http.client.HTTPSConnection if https else http.client.HTTPConnection
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._idle: deque[http.client.HTTPConnection] = deque(maxlen=largest)
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            after_fork = weakref.WeakMethod(self._after_fork)
            os.register_at_fork(after_in_child=lambda: (forget := after_fork()) and forget())

    def _after_fork(self) -> None:
        """Two processes on one connection would get each other's answers, and so each other's callers."""
        self._lock = threading.Lock()
        self._idle.clear()

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None, timeout: float = 3.0
    ) -> Answer:
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            try:
                return self._exchange(kept, method, path, headers, body, timeout)
            except (ConnectionError, http.client.RemoteDisconnected):
                # Closed while it was idle: nothing was done. What changes something is not sent twice.
                if method != "GET":
                    raise
        return self._exchange(self._class(self._host, self._port), method, path, headers, body, timeout)

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str,
        headers: Mapping[str, str], body: bytes | None, timeout: float,
    ) -> Answer:
        try:
            connection.timeout = timeout
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            connection.request(method, self._prefix + path, body, dict(headers))
            response = connection.getresponse()
            content = response.read(LARGEST_ANSWER + 1)
            if len(content) > LARGEST_ANSWER:
                raise http.client.HTTPException("the answer is too large")
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                if len(self._idle) == self._idle.maxlen:
                    self._idle.popleft().close()
                self._idle.append(connection)
        return Answer(response.status, response.headers, content)
