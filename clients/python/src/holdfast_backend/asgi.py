"""ASGI middleware, for Starlette, FastAPI, Django, Quart, Litestar, …"""

from __future__ import annotations

from typing import Any, Awaitable, Callable, MutableMapping

from . import Caller, Holdfast, Refusal, Requirements
from ._middleware import Middleware, effective_method

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: The extension of ASGI by which a handshake is answered with a response.
DENIAL = "websocket.http.response"
OVERRIDES = (b"x-http-method-override", b"x-http-method", b"x-method-override")


class HoldfastMiddleware(Middleware[App]):
    """Puts the `Caller` into `scope["state"]["caller"]`, or answers. Add CORS outside it.

    In a view that is `request.state.caller` (Starlette, FastAPI, Litestar) or `request.scope["state"]["caller"]`
    (Django, Quart).

    A path that is in `public`, exactly as written there, passes without a caller: Holdfast's events, a health check.
    OPTIONS passes without a caller, unless `holdfast` has `judge_every_method`.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        verdict = None
        if _route(scope) not in self.public:
            verdict = await judge(self.holdfast, scope, self.behind_proxy, self.requirements)
        if not isinstance(verdict, Refusal):
            # Into a copy: Hypercorn before 0.18 gives all requests of a connection the same `state`.
            state = {**scope.get("state", {}), "caller": verdict}
            return await self.app({**scope, "state": state}, receive, send)
        kind = "http"
        if scope["type"] == "websocket":
            kind = "websocket.http"
            if DENIAL not in scope.get("extensions", {}):
                # Before it is accepted, closing is answered with 403 (ASGI specification).
                return await send({"type": "websocket.close", "code": close_code(verdict)})
        headers = [(name.encode(), value.encode("latin-1")) for name, value in verdict.headers.items()]
        headers.append((b"content-length", str(len(verdict.body)).encode()))
        await send({"type": f"{kind}.response.start", "status": verdict.status, "headers": headers})
        await send({"type": f"{kind}.response.body", "body": b"" if scope.get("method") == "HEAD" else verdict.body})


def _route(scope: Scope) -> str:
    """The path below where the app is mounted, as its routes have it."""
    path, root = str(scope.get("path", "")), str(scope.get("root_path") or "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def close_code(refusal: Refusal) -> int:
    """Of a WebSocket (RFC 6455, 7.4): 1013 is "try again later", 1008 "policy violation"."""
    return 1013 if refusal.problem.get("action") == "retry" else 1008


async def judge(
    holdfast: Holdfast, scope: Scope, behind_proxy: bool, requirements: Requirements
) -> Caller | None | Refusal:
    method = effective_method(scope.get("method", "GET"), (_values(scope, name) for name in OVERRIDES))
    if behind_proxy:
        # Of several none is the proxy's: joined, they are no assertion.
        assertion = ",".join(_values(scope, b"x-auth-assertion"))
        return holdfast.verify_assertion(assertion, requirements, method)
    cookie = ";".join(_values(scope, b"cookie"))  # HTTP/2 may send several
    return await holdfast.verify_async(_values(scope, b"authorization"), requirements, method, cookie)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for each, value in scope["headers"] if each.lower() == name]
