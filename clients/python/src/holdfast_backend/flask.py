"""Flask, inside its extensions: a refusal gets their CORS headers too."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request

from . import Holdfast, Refusal
from .wsgi import HoldfastMiddleware


def judge_requests(app: Flask, holdfast: Holdfast, **options: Any) -> None:
    """Puts the `Caller` into `request.environ["holdfast.caller"]`, or answers. `options` as `HoldfastMiddleware` has them."""
    judging = HoldfastMiddleware(app.wsgi_app, holdfast, **options)

    @app.before_request
    def judge() -> Response | None:
        verdict = judging.verdict(request.environ)
        if isinstance(verdict, Refusal):
            return Response(verdict.body, verdict.status, dict(verdict.headers))
        request.environ["holdfast.caller"] = verdict
        return None
