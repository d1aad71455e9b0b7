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

#: What sockets can wait.
LONGEST_TIMEOUT_S = 2_147_483


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
        # Variables of the environment are text: it is said here, and not with the first request.
        _check("timeout", "a number of seconds", timeout, isinstance(timeout, (int, float)) and 0 < timeout <= LONGEST_TIMEOUT_S)
        _check("capacity", "a whole number", capacity, isinstance(capacity, int) and capacity >= 0)
        _check("judge_every_method", "True or False", judge_every_method, isinstance(judge_every_method, bool))
        self._connections = Connections(url)
        self._verifier = Verifier(self._connections, judge_every_method, capacity, timeout)
        self._assertions = (
            AssertionVerifier(assertion_secret, issuer or url, audience, judge_every_method) if assertion_secret else None
        )
        self._service = Service(self._connections, service_key) if service_key and service_key.strip() else None

    def verify(
        self, authorization: Sequence[str], requirements: Requirements = Requirements(), method: str = "GET",
        cookie: str | None = None,
    ) -> Caller | None | Refusal:
        """`authorization`: every value of that header. None is a caller who need not, and did not, say who they are; also OPTIONS.

        `cookie`: that header, for a refusal alone: it says so where Clerk's cookie came instead of `Authorization`.
        """
        return self._verifier.verify(authorization, requirements, method, cookie)

    async def verify_async(
        self, authorization: Sequence[str], requirements: Requirements = Requirements(), method: str = "GET",
        cookie: str | None = None,
    ) -> Caller | None | Refusal:
        """The same; a token that is not remembered is asked about in a thread, waiting for one included in `timeout`."""
        return await self._verifier.verify_async(authorization, requirements, method, cookie)

    def close(self) -> None:
        """Closes the connections that are kept; later questions open new ones."""
        self._connections.close()

    @property
    def service(self) -> Service:
        if self._service is None:
            raise ValueError("the service API needs service_key")
        return self._service

    def verify_assertion(
        self, assertion: str | None, requirements: Requirements = Requirements(), method: str = "GET"
    ) -> Caller | None | Refusal:
        """Who is calling, by the `X-Auth-Assertion` of the proxy in front; requirements are checked on it."""
        return self.assertions.verify(assertion, requirements, method)

    @property
    def assertions(self) -> AssertionVerifier:
        if self._assertions is None:
            raise ValueError("verify_assertion, and behind_proxy, need assertion_secret")
        return self._assertions


def _check(name: str, form: str, value: object, holds: bool) -> None:
    if not holds:
        raise ValueError(f"{name} must be {form}, and is {value!r}")
