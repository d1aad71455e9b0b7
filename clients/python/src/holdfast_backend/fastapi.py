"""FastAPI: `caller: Annotated[Caller, Depends(require_caller(holdfast))]`, with one line for the answers."""

from __future__ import annotations

from typing import Any, Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.security import HTTPBearer

from . import Caller, Holdfast, Refusal, requirements_of
from .asgi import judge

#: Shows the credential in the app's own OpenAPI document; Holdfast does the judging.
_BEARER = HTTPBearer(auto_error=False, scheme_name="session_token", description="Clerk session token")


class NotAccepted(Exception):
    """Ends the request with Holdfast's answer."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.problem.get("detail"))


def install(app: FastAPI) -> None:
    """Has refusals answered as Holdfast words them."""

    @app.exception_handler(NotAccepted)
    async def answer(request: Request, error: NotAccepted) -> Response:
        return Response(error.refusal.body, error.refusal.status, dict(error.refusal.headers))


def require_caller(holdfast: Holdfast, **options: Any) -> Callable[[Request], Awaitable[Caller | None]]:
    """A dependency that gives the `Caller`; None only for OPTIONS (see `judge_every_method`), and with `optional=True`."""
    requirements_of(dict(options))

    async def caller(request: Request) -> Caller | None:
        verdict = await judge(holdfast, request.scope, dict(options))
        if isinstance(verdict, Refusal):
            raise NotAccepted(verdict)
        return verdict

    return caller
