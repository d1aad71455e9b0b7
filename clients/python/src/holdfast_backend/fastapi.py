"""FastAPI: `caller: Annotated[Caller, Depends(require_caller(holdfast))]`, with one line for the answers."""

from typing import Awaitable, Callable, Sequence

from fastapi import FastAPI, HTTPException, Response, WebSocket, WebSocketException
from fastapi.requests import HTTPConnection
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from . import Caller, Holdfast, Refusal, Requirements
from ._requirements import NOT_ASKED
from .asgi import DENIAL, close_code, judge


class NotAccepted(HTTPException):
    """Ends the request with Holdfast's answer; without `install` with its status and some of its headers."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        # FastAPI's own body is no problem document.
        headers = {name: value for name, value in refusal.headers.items() if name.lower() != "content-type"}
        super().__init__(refusal.status, refusal.problem.get("detail"), headers)


class NotConnected(WebSocketException):
    """Ends the handshake of a WebSocket; without `install` by closing it."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(close_code(refusal))


def install(app: FastAPI) -> None:
    """Has refusals answered as Holdfast words them."""

    @app.exception_handler(NotAccepted)
    @app.exception_handler(NotConnected)
    async def answer(connection: HTTPConnection, error: NotAccepted | NotConnected) -> Response | None:
        response = Response(error.refusal.body, error.refusal.status, dict(error.refusal.headers))
        if not isinstance(connection, WebSocket):
            return response
        if DENIAL in connection.scope.get("extensions", {}):
            await connection.send_denial_response(response)
        else:
            await connection.close(close_code(error.refusal))
        return None


class _RequireCaller(SecurityBase):
    """The credential is shown in the app's own OpenAPI document; Holdfast does the judging."""

    scheme_name = "session_token"

    def __init__(self, holdfast: Holdfast, behind_proxy: bool, requirements: Requirements) -> None:
        self.holdfast, self.behind_proxy, self.requirements = holdfast, behind_proxy, requirements
        self.model = HTTPBearer(description="Clerk session token")

    async def __call__(self, connection: HTTPConnection) -> Caller | None:
        verdict = await judge(self.holdfast, connection.scope, self.behind_proxy, self.requirements)
        if isinstance(verdict, Refusal):
            raise NotConnected(verdict) if isinstance(connection, WebSocket) else NotAccepted(verdict)
        return verdict


def require_caller(
    holdfast: Holdfast,
    *,
    behind_proxy: bool = False,
    optional: bool = False,
    org: str | Sequence[str] = NOT_ASKED,
    role: str | Sequence[str] = NOT_ASKED,
    permission: str | Sequence[str] = NOT_ASKED,
) -> Callable[[HTTPConnection], Awaitable[Caller | None]]:
    """A dependency that gives the `Caller`; None only for OPTIONS (see `judge_every_method`), and with `optional=True`."""
    if behind_proxy:
        _ = holdfast.assertions  # raises now, and not with the first request
    return _RequireCaller(holdfast, behind_proxy, Requirements(optional, org, role, permission))
