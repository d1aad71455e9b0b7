"""The service API: what the app's backend may ask Holdfast with its service key."""

from __future__ import annotations

import http.client
import json
import re
import time
from typing import TYPE_CHECKING, Any, Mapping, cast
from urllib.parse import quote, urlencode

from ._http import Connections

if TYPE_CHECKING:
    from .types import (
        ConnectionsPage, DisconnectReceipt, GraphAnswer, HistoryPage, InstagramStatus, Reason, State, TokenAnswer,
    )


class HoldfastError(Exception):
    """Any answer but 2xx. `code`, `reason` and `action` are the problem's.

    Without an answer of Holdfast's, `action` is `look_first` for what may have been published; otherwise `retry` where no
    answer came, and None where something else answered.
    """

    def __init__(
        self, status: int, problem: Any = None, retry_after: str | None = None, action: str | None = None
    ) -> None:
        self.status = status
        self.problem: dict[str, Any] = problem if isinstance(problem, dict) else {}
        self.code: str = self.problem.get("code", "unreadable-answer" if status else "holdfast-unreachable")
        self.reason: str | None = self.problem.get("reason")
        self.action: str | None = self.problem.get("action", action)
        self.retry_after = int(retry_after) if retry_after and re.fullmatch(r"[0-9]{1,9}", retry_after) else None
        super().__init__(self.problem.get("detail") or f"Holdfast answered {status}" if status else "Holdfast does not answer")

    def __reduce__(self) -> Any:
        """Copied and pickled by what it was made of, and not by its text."""
        retry_after = str(self.retry_after) if self.retry_after is not None else None
        return type(self), (self.status, self.problem, retry_after, self.action)


class Service:
    def __init__(self, connections: Connections, key: str, timeout: float = 15.0) -> None:
        self._connections, self._key, self._timeout = connections, key.strip(), timeout
        if not re.fullmatch(r"[!-~]+", self._key):
            raise ValueError("service_key has characters that no header can hold")  # and is not quoted: this is logged

    def status(self, user_id: str) -> InstagramStatus:
        return cast("InstagramStatus", self._call("GET", _instagram(user_id, "/status")))

    def token(self, user_id: str) -> TokenAnswer:
        return cast("TokenAnswer", self._call("POST", _instagram(user_id, "/token")))

    def check(self, user_id: str) -> InstagramStatus:
        return cast("InstagramStatus", self._call("POST", _instagram(user_id, "/check")))

    def history(
        self, user_id: str, *, before: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> HistoryPage:
        """One page; `next` of it is the `cursor` of the following, which `before` is another name of."""
        query = {"before": before, "cursor": cursor, "limit": limit}
        return cast("HistoryPage", self._call("GET", _instagram(user_id, "/history"), query))

    def disconnect(self, user_id: str) -> DisconnectReceipt:
        return cast("DisconnectReceipt", self._call("DELETE", _instagram(user_id)))

    def graph(
        self, user_id: str, path: str, *, method: str = "GET", query: Mapping[str, Any] | None = None, body: Any = None
    ) -> GraphAnswer:
        if method == "GET" and body is not None:  # Holdfast reads none: what was to be published would be listed
            raise ValueError("a graph call with a body needs its method: POST or DELETE")
        return cast("GraphAnswer", self._call(method, _instagram(user_id, f"/graph/{_below(path)}"), query, body))

    def connections(
        self, *, state: State | None = None, reason: Reason | None = None, expires_before: str | None = None,
        account: str | None = None, cursor: str | None = None, limit: int | None = None,
    ) -> ConnectionsPage:
        """One page; `next` of it is the `cursor` of the following. `account`: either id, or `@username`."""
        query = {
            "state": state, "reason": reason, "expires_before": expires_before,
            "account": account, "cursor": cursor, "limit": limit,
        }
        return cast("ConnectionsPage", self._call("GET", "/service/connections", query))

    def _call(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        pairs = {name: _parameter(value) for name, value in (query or {}).items() if value is not None}
        address = f"{path}?{urlencode(pairs)}" if pairs else path
        # Of what changes something, only the calls of the Graph API are not the same done twice.
        repeatable = method == "GET" or "/graph/" not in path
        try:
            until = time.monotonic() + self._timeout
            answer = self._connections.send(method, address, self._headers(body), until, content, repeatable)
        except (OSError, http.client.HTTPException) as error:
            # Without the frames it came through: a crash report has their variables, and so the key.
            raise HoldfastError(0, action="retry" if repeatable else "look_first") from error.with_traceback(None)
        # Something else may have answered, after it had passed the call on.
        unsaid = None if repeatable else "look_first"
        try:
            parsed = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise HoldfastError(answer.status, action=unsaid) from None
        if 200 <= answer.status < 300:
            return parsed
        raise HoldfastError(answer.status, parsed, answer.headers.get("retry-after"), unsaid)

    def _headers(self, body: Any) -> dict[str, str]:
        content = {} if body is None else {"Content-Type": "application/json"}
        return {"Authorization": f"Bearer {self._key}", "Accept": "application/json", **content}


def _parameter(value: Any) -> str:
    """As JSON writes it, for Instagram knows no `True`; several as Instagram lists them."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(_parameter, value))
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _instagram(user_id: str, rest: str = "") -> str:
    return f"/service/users/{_segment(user_id)}/instagram{rest}"


def _below(path: str) -> str:
    return "/".join(map(_segment, path.lstrip("/").split("/")))


def _segment(name: str) -> str:
    """One segment of a path. A server on the way takes `..` for the way to another route."""
    if name in ("", ".", ".."):
        raise ValueError(f"{name!r} is no id")
    return quote(name, safe=",:")
