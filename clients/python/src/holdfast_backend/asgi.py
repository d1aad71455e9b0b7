"""ASGI middleware, for Starlette, FastAPI, Django, Quart, Litestar, …"""

from __future__ import annotations

from typing import Any, Awaitable, Callable, MutableMapping

from . import Caller, Holdfast, Refusal, requirements_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class HoldfastMiddleware:
    """Puts the `Caller` into `scope["state"]["caller"]` (`request.state.caller`), or answers. Add CORS outside it.

    OPTIONS passes without a caller, unless `holdfast` has `judge_every_method`.
    """

    def __init__(self, app: App, holdfast: Holdfast, **options: Any) -> None:
        self.app, self.holdfast, self.options = app, holdfast, options
        requirements_of(dict(options))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        verdict = await judge(self.holdfast, scope, dict(self.options))
        if not isinstance(verdict, Refusal):
            scope.setdefault("state", {})["caller"] = verdict
            return await self.app(scope, receive, send)
        kind = "http"
        if scope["type"] == "websocket":
            kind = "websocket.http"
            if f"{kind}.response" not in scope.get("extensions", {}):
                # Before it is accepted, closing is answered with 403 (ASGI specification).
                return await send({"type": "websocket.close", "code": 1013 if verdict.status == 503 else 1008})
        headers = [(name.encode(), value.encode("latin-1")) for name, value in verdict.headers.items()]
        headers.append((b"content-length", str(len(verdict.body)).encode()))
        await send({"type": f"{kind}.response.start", "status": verdict.status, "headers": headers})
        await send({"type": f"{kind}.response.body", "body": b"" if scope.get("method") == "HEAD" else verdict.body})


async def judge(holdfast: Holdfast, scope: Scope, options: dict[str, Any]) -> Caller | None | Refusal:
    behind_proxy, requirements = requirements_of(options)
    method = scope.get("method", "GET")
    if behind_proxy:
        # Of several none is the proxy's: joined, they are no assertion.
        assertion = ",".join(_values(scope, b"x-auth-assertion"))
        return holdfast.verify_assertion(assertion, requirements, method)
    return await holdfast.verify_async(_values(scope, b"authorization"), requirements, method)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for each, value in scope["headers"] if each.lower() == name]
