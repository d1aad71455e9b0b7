"""Django, as one of its own middlewares: below that for CORS, a refusal gets its headers too."""

from __future__ import annotations

from typing import Any, Callable

from django.http import HttpRequest, HttpResponse  # type: ignore[import-untyped]

from . import Caller, Holdfast, Refusal
from .wsgi import HoldfastMiddleware

GetResponse = Callable[[HttpRequest], HttpResponse]


class JudgedRequest(HttpRequest):  # type: ignore[misc] # Django itself has no types
    """What a view gets, for its annotation."""

    caller: Caller | None


def judging(holdfast: Holdfast, **options: Any) -> Callable[[GetResponse], GetResponse]:
    """What `MIDDLEWARE` names. Sets `request.caller`, or answers. `options` as `HoldfastMiddleware` has them."""

    def middleware(get_response: GetResponse) -> GetResponse:
        told = HoldfastMiddleware(get_response, holdfast, **options)  # type: ignore[arg-type] # judges only

        def judge(request: HttpRequest) -> HttpResponse:
            verdict = told.verdict(request.META)
            if isinstance(verdict, Refusal):
                return HttpResponse(verdict.body, status=verdict.status, headers=dict(verdict.headers))
            request.caller = verdict
            return get_response(request)

        return judge

    return middleware
