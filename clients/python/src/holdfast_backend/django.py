"""Django, as one of its own middlewares: below that for CORS, a refusal gets its headers too."""

from __future__ import annotations

from typing import Any, Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse  # type: ignore[import-untyped]
from django.utils.decorators import sync_and_async_middleware  # type: ignore[import-untyped]

from . import Caller, Holdfast, Refusal
from .wsgi import HoldfastMiddleware

GetResponse = Callable[[HttpRequest], HttpResponse]
GetResponseAsync = Callable[[HttpRequest], Awaitable[HttpResponse]]


class JudgedRequest(HttpRequest):  # type: ignore[misc] # Django itself has no types
    """What a view gets, for its annotation."""

    caller: Caller | None


def judging(holdfast: Holdfast, **options: Any) -> Callable[[Any], GetResponse | GetResponseAsync]:
    """What `MIDDLEWARE` names. Sets `request.caller`, or answers. `options` as `HoldfastMiddleware` has them."""

    @sync_and_async_middleware  # type: ignore[untyped-decorator] # under ASGI no thread is held for a request
    def middleware(get_response: Any) -> GetResponse | GetResponseAsync:
        told = HoldfastMiddleware(get_response, holdfast, **options)  # judges only

        def judge(request: HttpRequest) -> HttpResponse:
            return _refused(request, told.verdict(request.META)) or get_response(request)

        async def judge_async(request: HttpRequest) -> HttpResponse:
            return _refused(request, await told.verdict_async(request.META)) or await get_response(request)

        return judge_async if iscoroutinefunction(get_response) else judge

    return middleware  # type: ignore[no-any-return]


def _refused(request: HttpRequest, verdict: Caller | None | Refusal) -> HttpResponse | None:
    """The answer to whoever is refused; the request of anybody else is told its caller."""
    if isinstance(verdict, Refusal):
        return HttpResponse(verdict.body, status=verdict.status, headers=dict(verdict.headers))
    request.caller = verdict
    return None
