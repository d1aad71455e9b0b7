"""Holdfast for the app's backends: who is calling, and what is known of their Instagram connection."""

from __future__ import annotations

from typing import Sequence

from ._assertion import AssertionVerifier
from ._caller import Caller
from ._http import Connections
from ._requirements import Requirements
from ._verify import Refusal, Verifier
from .service import HoldfastError, Service
from .webhook import WebhookError, verify_webhook

__all__ = ["Caller", "Holdfast", "HoldfastError", "Refusal", "Requirements", "WebhookError", "verify_webhook"]


class Holdfast:
    """One for the whole process: it keeps connections and accepted tokens. Safe to use from any thread.

    `judge_every_method`: OPTIONS is judged, too. By default it passes without a caller, whatever a route requires, because
    a browser's preflight carries no credentials. Better where CORS outside answers preflights.
    `timeout`: how long a caller waits for a verdict, in seconds; in WSGI apps without the time for resolving Holdfast's name.
    """

    def __init__(
        self,
        url: str,
        *,
        service_key: str | None = None,
        assertion_secret: str | Sequence[str] | None = None,
        issuer: str | None = None,
        audience: str | None = None,
        judge_every_method: bool = False,
        capacity: int = 10_000,
        timeout: float = 3.0,
    ) -> None:
        connections = Connections(url)
        verifier = Verifier(connections, judge_every_method, capacity, timeout)
        self.verify, self.verify_async = verifier.verify, verifier.verify_async
        self._assertions = (
            AssertionVerifier(assertion_secret, issuer or url, audience, judge_every_method) if assertion_secret else None
        )
        self._service = Service(connections, service_key) if service_key else None

    @property
    def service(self) -> Service:
        if self._service is None:
            raise ValueError("the service API needs service_key")
        return self._service

    def verify_assertion(
        self, assertion: str | None, requirements: Requirements = Requirements(), method: str = "GET"
    ) -> Caller | None | Refusal:
        """Who is calling, by the `X-Auth-Assertion` of the proxy in front; requirements are checked on it."""
        if self._assertions is None:
            raise ValueError("verify_assertion needs assertion_secret")
        return self._assertions.verify(assertion, requirements, method)
