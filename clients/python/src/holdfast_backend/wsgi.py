"""WSGI middleware, for Flask, Django and whatever else speaks WSGI."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Callable, Iterable, Mapping

from . import Caller, Refusal, Requirements
from ._middleware import Middleware, effective_method

StartResponse = Callable[..., Any]
OVERRIDES = ("HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_X_HTTP_METHOD", "HTTP_X_METHOD_OVERRIDE")
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class HoldfastMiddleware(Middleware[App]):
    """Puts the `Caller` into `environ["holdfast.caller"]`, or answers. CORS has to be outside it, as no extension of
    Flask's or middleware of Django's is: `holdfast_backend.flask` and `.django` judge inside them.

    A path that is in `public`, exactly as written there, passes without a caller: Holdfast's events, a health check.
    OPTIONS passes without a caller, unless `holdfast` has `judge_every_method`.
    """

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        verdict = self.verdict(environ)
        if not isinstance(verdict, Refusal):
            environ["holdfast.caller"] = verdict
            return self.app(environ, start_response)
        headers = [*verdict.headers.items(), ("content-length", str(len(verdict.body)))]
        start_response(f"{verdict.status} {HTTPStatus(verdict.status).phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [verdict.body]

    def verdict(self, environ: Mapping[str, Any]) -> Caller | None | Refusal:
        asked = self._asked(environ)
        return self.holdfast.verify(*asked) if isinstance(asked, tuple) else asked

    async def verdict_async(self, environ: Mapping[str, Any]) -> Caller | None | Refusal:
        """The same, for an event loop."""
        asked = self._asked(environ)
        return await self.holdfast.verify_async(*asked) if isinstance(asked, tuple) else asked

    def _asked(
        self, environ: Mapping[str, Any]
    ) -> tuple[list[str], Requirements, str, str | None] | Caller | None | Refusal:
        """What Holdfast is to be asked, or the verdict where that is known without."""
        if environ.get("PATH_INFO") in self.public:
            return None
        method = effective_method(environ["REQUEST_METHOD"], map(environ.get, OVERRIDES))
        if self.behind_proxy:
            return self.holdfast.verify_assertion(environ.get("HTTP_X_AUTH_ASSERTION"), self.requirements, method)
        # A WSGI server joins several headers of one name by commas, and a session token has none.
        authorization = environ.get("HTTP_AUTHORIZATION")
        values = [] if authorization is None else authorization.split(",")
        return values, self.requirements, method, environ.get("HTTP_COOKIE")
