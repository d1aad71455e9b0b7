"""Who is calling, as Holdfast judges it. Knows no framework."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import json
import logging
import math
import re
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage
from typing import Any, Iterable, Mapping, Sequence, cast

from ._caller import Caller
from ._http import Answer, Connections, OfOneProcess
from ._requirements import Requirements

#: What a refused caller is given of Holdfast's answer.
PASSED_ON = ("www-authenticate", "retry-after", "x-request-id")
#: Clerk's session tokens live for a minute; nothing is remembered for longer, whatever a token says.
LONGEST_MEMORY_S = 60.0
#: Questions under way at once, of ASGI apps. Threads of their own: the app needs those of the event loop itself.
THREADS = 32
#: Between two lines in the log that there are no verdicts.
TELL_EVERY_S = 60.0
#: What a header can hold.
_HEADER = re.compile(r"[\t -~\x80-\xff]*")
_LOG = logging.getLogger("holdfast_backend")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What to answer instead: status, headers and a problem document (RFC 9457)."""

    status: int
    problem: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return json.dumps(self.problem).encode()


class _Question(Future[Any]):
    """One for all who come with the same token while it is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.begun_at = time.monotonic()
        #: When a thread took it up.
        self.asked_at = math.inf


class Verifier(OfOneProcess):
    """Asks `/forward-auth` and remembers accepted tokens until they expire."""

    def __init__(self, connections: Connections, judge_every_method: bool, capacity: int, timeout: float) -> None:
        self._connections, self._capacity, self._timeout = connections, capacity, timeout
        self._judge_every_method = judge_every_method
        self._silent_until = 0.0
        self._accepted: OrderedDict[bytes, tuple[Caller, tuple[float, float]]] = OrderedDict()
        self._enter()

    def _begin(self) -> None:
        """A child process has none of the threads, nor the one that may have held the lock."""
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, "holdfast")
        self._asking: dict[bytes, _Question] = {}

    def verify(
        self, authorization: Sequence[str], requirements: Requirements = Requirements(), method: str = "GET",
        cookie: str | None = None,
    ) -> Caller | None | Refusal:
        """As `Holdfast.verify`."""
        settled = self._without_asking(authorization, requirements, method)
        if settled is not _UNKNOWN:
            return cast("None | Refusal", settled)
        self._enter()
        headers = _headers(authorization, cookie)
        key, until = _key(headers, requirements), time.monotonic() + self._timeout
        while (left := until - time.monotonic()) > 0:  # another's question may fail long before this caller's time is over
            if (caller := self._recall(key)) is not None:
                return caller
            question, is_mine = self._question(key)
            if is_mine:
                self._answer(key, question, headers, requirements, until)
            try:
                verdict = question.result(left)
            except FutureTimeoutError:
                break
            if verdict is not _UNKNOWN:
                return cast("Caller | None | Refusal", verdict)
            if is_mine:
                break
        return _cannot_judge(NO_ANSWER)

    async def verify_async(
        self, authorization: Sequence[str], requirements: Requirements = Requirements(), method: str = "GET",
        cookie: str | None = None,
    ) -> Caller | None | Refusal:
        """The same; a token that is not remembered is asked about in a thread, waiting for one included in `timeout`."""
        settled = self._without_asking(authorization, requirements, method)
        if settled is not _UNKNOWN:
            return cast("None | Refusal", settled)
        self._enter()
        headers = _headers(authorization, cookie)
        key, until = _key(headers, requirements), time.monotonic() + self._timeout
        for _ in range(2):
            if (caller := self._recall(key)) is not None:
                return caller
            question, is_mine = self._question(key)
            job = None
            if is_mine:
                # Its whole time, not what is left of this caller's: others may join it.
                end = time.monotonic() + self._timeout
                job = self._threads.submit(self._answer, key, question, headers, requirements, end)
            try:
                verdict = await asyncio.wait_for(asyncio.wrap_future(question), max(0.0, until - time.monotonic()))
            except asyncio.TimeoutError:
                break
            finally:
                # It waited for a thread until now: those who came later ask anew, and no queue of old questions grows.
                if job is not None and job.cancel():
                    self._end(key, question, _UNKNOWN)
            if verdict is not _UNKNOWN:
                return cast("Caller | None | Refusal", verdict)
            if is_mine:
                break
        return self._in_vain(question)

    def _without_asking(self, authorization: Sequence[str], requirements: Requirements, method: str) -> Any:
        """What needs no question: None for nobody, or a refusal."""
        if (is_preflight(method) and not self._judge_every_method) or (requirements.optional and not authorization):
            return None
        if len(authorization) > 1:
            return MULTIPLE_CREDENTIALS
        return _UNKNOWN if all(map(_HEADER.fullmatch, authorization)) else MALFORMED_CREDENTIAL

    def _in_vain(self, question: _Question) -> Refusal:
        """There was no answer in time; nor, where it has waited so long, a thread to ask by."""
        if question.asked_at - question.begun_at < self._timeout / 2:
            return _cannot_judge(NO_ANSWER)
        why = f"this backend has {THREADS} questions under way"
        self._tell(f"{why}, and one more waited {self._timeout} s")
        return _cannot_judge(why, LIMITED)

    def _question(self, key: bytes) -> tuple[_Question, bool]:
        """The question under way, or a new one, which is the caller's to have answered."""
        with self._lock:
            question = self._asking.get(key)
            if question is not None:
                return question, False
            question = self._asking[key] = _Question()
            question.set_running_or_notify_cancel()  # whoever gives up waiting does not cancel it for the others
            return question, True

    def _answer(
        self, key: bytes, question: _Question, headers: Mapping[str, str], requirements: Requirements, until: float
    ) -> None:
        question.asked_at = time.monotonic()
        verdict: Any = _UNKNOWN
        try:
            verdict = self._ask(key, headers, requirements, until)
        finally:
            self._end(key, question, verdict)

    def _end(self, key: bytes, question: _Question, verdict: Any) -> None:
        with self._lock:
            self._asking.pop(key, None)
        question.set_result(verdict)

    def _recall(self, key: bytes) -> Caller | None:
        with self._lock:
            caller, until = self._accepted.get(key, (None, (0.0, 0.0)))
            if caller is not None and all(now < end for now, end in zip(_clocks(), until)):
                return caller
            self._accepted.pop(key, None)
        return None

    def _ask(self, key: bytes, headers: Mapping[str, str], requirements: Requirements, until: float) -> Any:
        """The verdict; `_UNKNOWN` where no answer came."""
        try:
            path = f"/forward-auth{requirements.query}"
            answer = self._connections.send("GET", path, headers, until, repeatable=True)
        except (OSError, http.client.HTTPException, ValueError) as error:  # the last of what is no address
            # What was received instead is not quoted: it may be what was sent.
            told = f"{type(error).__name__}: {error}" if isinstance(error, OSError) else type(error).__name__
            self._tell(f"{NO_ANSWER} ({told})")
            return _UNKNOWN
        if answer.status != 200:
            return _refusal(answer) or self._no_verdict(answer, f"status {answer.status}")
        caller = _caller(answer.headers)
        if caller is None:
            # Holdfast passes over another scheme, such as a staging site's `Basic`, where credentials are optional. To a
            # session token a 200 that names nobody is not its answer: perhaps the address leads elsewhere.
            is_bearer = headers.get("Authorization", "").strip().lower().startswith("bearer")
            return None if requirements.optional and not is_bearer else self._no_verdict(answer, "it names nobody")
        claims = _claims(headers["Authorization"]) if "Authorization" in headers else {"sub": None}
        if claims.get("sub", caller.user_id) != caller.user_id:
            # The answer to somebody else's question: what lies between mixes answers up, or keeps them.
            return self._no_verdict(answer, "it names somebody else")
        self._remember(key, caller, _remaining(claims, answer.headers["date"]))
        return caller

    def _no_verdict(self, answer: Answer, about: str) -> Refusal:
        """For an answer that something else gave in Holdfast's place, or that says "not now"."""
        retry_after = answer.headers.get("retry-after")
        if answer.status == 429:
            why = "Holdfast limits the requests of this backend"
            self._tell(f"{why} (HOLDFAST_REQUESTS_PER_ADDRESS, or a limit in front of it)")
            return _cannot_judge(why, LIMITED, retry_after)
        why = f"the answer from Holdfast's address is no verdict ({about})"
        self._tell(why)
        return _cannot_judge(why, retry_after=retry_after)

    def _tell(self, why: str) -> None:
        now = time.monotonic()
        with self._lock:
            if now < self._silent_until:
                return
            self._silent_until = now + TELL_EVERY_S
        _LOG.warning("Callers get 503: %s", why)

    def _remember(self, key: bytes, caller: Caller, seconds: float) -> None:
        if seconds <= 0 or self._capacity < 1:
            return
        with self._lock:
            while len(self._accepted) >= self._capacity:
                self._accepted.popitem(last=False)
            monotonic, wall = _clocks()
            self._accepted[key] = (caller, (monotonic + seconds, wall + seconds))


_UNKNOWN = object()


def _clocks() -> tuple[float, float]:
    """One that is never set back, and one that goes on while the machine sleeps."""
    return time.monotonic(), time.time()


def is_preflight(method: str) -> bool:
    """A preflight carries no credentials, and what it asks about is not done by it. Anybody can send OPTIONS, though."""
    return method == "OPTIONS"


def _headers(authorization: Sequence[str], cookie: str | None) -> dict[str, str]:
    """Clerk's cookie is not read, because a browser sends it also with requests that another site caused. Its name alone is
    passed on, so that Holdfast's refusal says what came instead of a header."""
    if authorization:
        return {"Authorization": authorization[0]}
    return {"Cookie": "__session="} if re.search(r"(^|;)\s*__session", cookie or "") else {}


def _key(headers: Mapping[str, str], requirements: Requirements) -> bytes:
    asked = "\n".join([requirements.query, *headers, *headers.values()])
    return hashlib.sha256(asked.encode("utf-8", "surrogateescape")).digest()


def _caller(headers: HTTPMessage) -> Caller | None:
    user_id = headers.get("x-auth-user")
    if not user_id:
        return None
    permissions = headers.get("x-auth-org-permissions")
    return Caller(
        user_id, headers.get("x-auth-session"), headers.get("x-auth-org"), headers.get("x-auth-org-role"),
        tuple(permissions.split(",")) if permissions else (), headers.get("x-auth-impersonator"),
    )


def _claims(credential: str) -> dict[str, Any]:
    """What the token says of itself; nothing, where that cannot be read."""
    try:
        payload = credential.partition(" ")[2].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, LookupError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _remaining(claims: dict[str, Any], date: str | None) -> float:
    """How long the token is still good, by the clock of the server that accepted it."""
    try:
        now = parsedate_to_datetime(date).timestamp() if date else time.time()
        return min(float(claims["exp"]) - now, LONGEST_MEMORY_S)
    except (ValueError, LookupError, TypeError):
        return 0.0


def _refusal(answer: Answer) -> Refusal | None:
    """Holdfast's own refusal, to be passed on; None for an answer that something else gave in its place."""
    if answer.headers.get_content_type() != "application/problem+json":
        return None
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    if answer.status not in (400, 401, 403, 429, 431, 503) or not isinstance(document, dict):
        return None
    if not isinstance(document.get("code"), str) or not isinstance(document.get("source"), str):
        return None
    if answer.status == 401 and document.get("source") != "session":
        return None
    if answer.status == 429 and document.get("code") != "stop-repeating":
        return None  # a limit on this backend's own address
    return refuse(answer.status, document, [(name, answer.headers[name]) for name in PASSED_ON if name in answer.headers])


def refuse(status: int, members: Mapping[str, Any], headers: Iterable[tuple[str, str]] = ()) -> Refusal:
    problem = {"type": "about:blank", "status": status, "error": members.get("detail"), **members}
    return Refusal(status, problem, {"content-type": "application/problem+json", "cache-control": "no-store", **dict(headers)})


NO_ANSWER = "Holdfast does not answer"
LIMITED = "backend-limited"


def _cannot_judge(why: str, code: str = "holdfast-unreachable", retry_after: str | None = None) -> Refusal:
    """The cause is never the caller's fault."""
    one_line = re.fullmatch(r"[ -~]+", retry_after or "")  # http.client gives several as they came
    return refuse(503, {
        "title": "Cannot judge the session token",
        "detail": f"The session token could not be judged: {why}.",
        "source": "server", "code": code, "action": "retry",
    }, [("retry-after", one_line.group() if one_line else "2")])


MALFORMED_CREDENTIAL = refuse(400, {
    "title": "Malformed request",
    "detail": "The Authorization header has characters that no header can hold.",
    "source": "request", "code": "malformed-request", "action": "fix_request",
})

MULTIPLE_CREDENTIALS = refuse(400, {
    "title": "Several credentials",
    "detail": "The request has more than one Authorization header.",
    "source": "request", "code": "multiple-credentials", "action": "fix_request",
})
