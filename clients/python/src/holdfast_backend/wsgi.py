"""WSGI middleware, for Flask, Django and whatever else speaks WSGI."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Callable, Iterable

from . import Caller, Holdfast, Refusal, requirements_of

StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class HoldfastMiddleware:
    """Puts the `Caller` into `environ["holdfast.caller"]`, or answers. Add CORS outside it.

    OPTIONS passes without a caller, unless `holdfast` has `judge_every_method`.
    """

    def __init__(self, app: App, holdfast: Holdfast, **options: Any) -> None:
        self.app, self.holdfast, self.options = app, holdfast, options
        requirements_of(dict(options))

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        verdict = judge(self.holdfast, environ, dict(self.options))
        if not isinstance(verdict, Refusal):
            environ["holdfast.caller"] = verdict
            return self.app(environ, start_response)
        headers = [*verdict.headers.items(), ("content-length", str(len(verdict.body)))]
        start_response(f"{verdict.status} {HTTPStatus(verdict.status).phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [verdict.body]


def judge(holdfast: Holdfast, environ: dict[str, Any], options: dict[str, Any]) -> Caller | None | Refusal:
    behind_proxy, requirements = requirements_of(options)
    method = environ["REQUEST_METHOD"]
    if behind_proxy:
        return holdfast.verify_assertion(environ.get("HTTP_X_AUTH_ASSERTION"), requirements, method)
    # A WSGI server joins several headers of one name by commas, and a session token has none.
    authorization = environ.get("HTTP_AUTHORIZATION")
    return holdfast.verify([] if authorization is None else authorization.split(","), requirements, method)
