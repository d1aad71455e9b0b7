"""The client against servers that answer what they should not, what it remembers, and what is signed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import ctypes
import email.utils
import hashlib
import hmac
import http.server
import json
import os
import pickle
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
import unittest
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence
from unittest import mock

import django.conf  # type: ignore[import-untyped]
import django.core.wsgi  # type: ignore[import-untyped]
import django.http  # type: ignore[import-untyped]
import django.test  # type: ignore[import-untyped]
import django.urls  # type: ignore[import-untyped]
import flask
import werkzeug.test
from fastapi import Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from holdfast_backend import Caller, Holdfast, HoldfastError, Refusal, Requirements, WebhookError, asgi, verify_webhook
from holdfast_backend._verify import THREADS
from holdfast_backend.django import judging
from holdfast_backend.fastapi import install, require_caller
from holdfast_backend.flask import judge_requests
from holdfast_backend.wsgi import HoldfastMiddleware

Answer = tuple[int, Mapping[str, str], bytes]
PROBLEM = {"content-type": "application/problem+json"}
ACCEPTED: Answer = (200, {"x-auth-user": "user_1", "x-auth-session": "sess_1"}, b"")
README = Path(__file__).parent.parent / "README.md"
SECRET = "shared-by-holdfast-and-the-backend-48-bytes-long"


class Server:
    """Answers as it is told; counts requests and connections."""

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        self.asked: list[str] = []
        self.cookies: list[str | None] = []
        self.connections = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def handle_any(self) -> None:
                outer.asked.append(self.path)
                outer.cookies.append(self.headers.get("cookie"))
                status, headers, body = answer(self.path)
                self.send_response_only(status)
                for name, value in {"date": email.utils.formatdate(usegmt=True), **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # a client that gave up
                    self.wfile.write(body)

            do_GET = do_POST = do_DELETE = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Has each connection served by a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def raw_server(answer: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Each connection has one request, is answered with bytes, and ends."""

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), tls.wrap_socket(connection, server_side=True) if tls else connection as wrapped:
            wrapped.recv(65536)
            answer(wrapped)

    with listening(serve) as url:
        yield url


@contextlib.contextmanager
def vanishing_server(at_once: int = 1) -> Iterator[str]:
    """Answers the first request of each connection, those of the first `at_once` together; and nothing after it."""
    ended, together = threading.Event(), threading.Barrier(at_once)
    early = threading.Semaphore(at_once)

    def answer(connection: socket.socket) -> None:
        if early.acquire(blocking=False):
            together.wait(10)
        connection.sendall(b"HTTP/1.1 200 OK\r\nx-auth-user: user_1\r\ncontent-length: 0\r\n\r\n")
        ended.wait(60)

    with raw_server(answer) as url:
        try:
            yield url
        finally:
            ended.set()


@contextlib.contextmanager
def talking_server(answer: Callable[[socket.socket, bytes], None]) -> Iterator[tuple[str, list[bytes]]]:
    """Keeps connections; each request is answered by who asks, which is its token. Also who has asked, one list a connection."""
    asked: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            asked.append(b"|")
            for line in lines:
                if line.startswith(b"Authorization"):
                    asked.append(line.split()[-1])
                if line == b"\r\n":
                    answer(connection, asked[-1])

    with listening(serve) as url:
        yield url, asked


def verdict_of(user: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nX-Auth-User: %b\r\nContent-Length: 0\r\n\r\n" % user


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def token(exp: float, **more: Any) -> str:
    """The form of a token; whether it is genuine is the server's to say."""
    return f"Bearer {part({'alg': 'RS256'})}.{part({'exp': exp, **more})}.AAAA"


#: As Python forks, and as a server written in C does (uWSGI): without Python's hooks.
FORKS: tuple[Callable[[], int], ...] = (os.fork, ctypes.PyDLL(None).fork)


def named(answer: Answer) -> str:
    """What is said of an answer that is no verdict."""
    return "it names nobody" if answer[0] == 200 else f"status {answer[0]}"


def in_child(fork: Callable[[], int], verify: Callable[[], Any]) -> bool:
    """Whether a child process gets to know its caller."""
    child = fork()
    if child == 0:
        signal.alarm(10)  # one that hangs fails as well
        try:
            os._exit(0 if isinstance(verify(), Caller) else 1)
        finally:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


class Verify(unittest.TestCase):
    def test_an_accepted_token_is_asked_about_once(self) -> None:
        with Server(lambda _: ACCEPTED) as server:
            holdfast = Holdfast(server.url)
            lasting, late = token(time.time() + 60), token(time.time() - 3)
            for _ in range(3):
                self.assertEqual(holdfast.verify([lasting]), Caller("user_1", "sess_1"))
            self.assertEqual(asyncio.run(holdfast.verify_async([lasting])), Caller("user_1", "sess_1"))
            self.assertEqual(len(server.asked), 1)
            # Accepted for the allowed skew only: there is nothing left to remember.
            holdfast.verify([late])
            holdfast.verify([late])
            self.assertEqual((len(server.asked), server.connections), (3, 1))

    def test_many_at_once_with_one_new_token_are_one_question(self) -> None:
        def slow(_: str) -> Answer:
            time.sleep(0.3)
            return ACCEPTED

        with Server(slow) as server:
            holdfast = Holdfast(server.url)

            async def ask_all() -> list[Any]:
                return await asyncio.gather(*(holdfast.verify_async([first]) for _ in range(500)))

            first, second = token(time.time() + 60), token(time.time() + 60, jti="other")
            self.assertEqual(set(asyncio.run(ask_all())), {Caller("user_1", "sess_1")})
            self.assertEqual((len(server.asked), server.connections), (1, 1))
            with ThreadPoolExecutor(100) as threads:
                verdicts = list(threads.map(lambda _: holdfast.verify([second]), range(100)))
            self.assertEqual(set(verdicts), {Caller("user_1", "sess_1")})
            self.assertEqual(len(server.asked), 2)

    def test_a_question_without_an_answer_fails_nobody_who_came_later(self) -> None:
        for is_async in (True, False):
            heard: list[socket.socket] = []

            def answer(connection: socket.socket, heard: list[socket.socket] = heard) -> None:
                heard.append(connection)
                if len(heard) == 1:
                    time.sleep(12)  # longer than anybody waits
                connection.sendall(b"HTTP/1.1 200 OK\r\nx-auth-user: user_1\r\ncontent-length: 0\r\n\r\n")

            # Who comes after four seconds has another four when the first has waited in vain.
            with raw_server(answer) as url, ThreadPoolExecutor(40) as threads:
                holdfast = Holdfast(url, timeout=5)
                lasting = token(time.time() + 60)

                def later(holdfast: Holdfast = holdfast, lasting: str = lasting) -> Any:
                    time.sleep(4)
                    return holdfast.verify([lasting])

                async def ask_all(holdfast: Holdfast = holdfast, lasting: str = lasting) -> list[Any]:
                    first = asyncio.ensure_future(holdfast.verify_async([lasting]))
                    await asyncio.sleep(4)
                    return [*await asyncio.gather(first, *(holdfast.verify_async([lasting]) for _ in range(30)))]

                if is_async:
                    verdicts = asyncio.run(ask_all())
                else:
                    jobs = [threads.submit(holdfast.verify, [lasting]), *(threads.submit(later) for _ in range(30))]
                    verdicts = [job.result() for job in jobs]
                self.assertEqual(getattr(verdicts[0], "status", None), 503)
                self.assertEqual(set(verdicts[1:]), {Caller("user_1")})
                self.assertEqual(len(heard), 2)

    def test_one_who_joined_a_question_waits_no_longer_than_their_own_time(self) -> None:
        ended = threading.Event()

        def hang(_: socket.socket) -> None:
            ended.wait(60)

        with raw_server(hang) as url, ThreadPoolExecutor(2) as threads:
            holdfast = Holdfast(url, timeout=4)
            first = threads.submit(holdfast.verify, ["Bearer x"])
            time.sleep(2)
            began = time.monotonic()
            self.assert_cannot_judge(holdfast.verify(["Bearer x"]))
            waited = time.monotonic() - began
            self.assert_cannot_judge(first.result())
            ended.set()
        # Two seconds with the other's, or six with one of their own after it, would be wrong.
        self.assertTrue(3.9 < waited < 5.9, waited)

    def test_addresses_where_nobody_answers_share_the_time_and_leave_some_for_the_last(self) -> None:
        with contextlib.ExitStack() as opened, Server(lambda _: ACCEPTED) as server:
            # Linux answers nobody who would have to wait in a queue that is full.
            full = [opened.enter_context(socket.create_server((f"127.0.0.{each}", 0), backlog=0)) for each in (2, 3, 4)]
            for each in full:
                for _ in range(3):
                    waiting = opened.enter_context(socket.socket())
                    waiting.setblocking(False)
                    waiting.connect_ex(each.getsockname())
            targets = [each.getsockname() for each in full]
            real = socket.getaddrinfo

            def names(host: str, *more: Any, **named: Any) -> Any:
                given = targets if host == "holdfast.example" else []
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in given] or real(host, *more, **named)

            opened.enter_context(mock.patch("socket.getaddrinfo", names))
            began = time.monotonic()
            self.assert_cannot_judge(Holdfast("http://holdfast.example", timeout=1).verify(["Bearer x"]))
            self.assertLess(time.monotonic() - began, 2.9)  # a second for each would be three
            targets.append(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
            self.assertIsInstance(Holdfast("http://holdfast.example", timeout=6).verify(["Bearer x"]), Caller)

    def test_one_who_gives_up_does_not_take_the_answer_from_the_others(self) -> None:
        def slow(_: str) -> Answer:
            time.sleep(0.3)
            return ACCEPTED

        with Server(slow) as server:
            holdfast, lasting = Holdfast(server.url), token(time.time() + 60)

            async def ask_both() -> Any:
                first = asyncio.ensure_future(holdfast.verify_async([lasting]))
                second = asyncio.ensure_future(holdfast.verify_async([lasting]))
                await asyncio.sleep(0.1)
                first.cancel()
                return await second

            self.assertEqual(asyncio.run(ask_both()), Caller("user_1", "sess_1"))
            self.assertEqual(len(server.asked), 1)

    def test_the_servers_clock_counts(self) -> None:
        ahead = email.utils.formatdate(time.time() + 3600, usegmt=True)
        with Server(lambda _: (200, {"x-auth-user": "user_1", "date": ahead}, b"")) as server:
            holdfast = Holdfast(server.url)
            spent = token(time.time() + 3598)
            holdfast.verify([spent])
            holdfast.verify([spent])
            self.assertEqual(len(server.asked), 2)

    def test_memory_is_bounded_and_of_one_requirement(self) -> None:
        with Server(lambda _: ACCEPTED) as server:
            holdfast = Holdfast(server.url, capacity=2)
            first, second, third = (token(time.time() + 60, jti=each) for each in range(3))
            for each in (first, second, third, third, second):
                holdfast.verify([each])
            self.assertEqual(len(server.asked), 3)
            holdfast.verify([first])
            holdfast.verify([first], Requirements(role=["admin", "owner"], permission="org:a:b"))
            self.assertEqual(len(server.asked), 5)
            self.assertEqual(server.asked[-1], "/forward-auth?role=admin&role=owner&permission=org%3Aa%3Ab")

    def test_a_refusal_is_passed_on(self) -> None:
        headers = {**PROBLEM, "www-authenticate": "Bearer", "set-cookie": "no"}
        with Server(lambda _: (401, headers, b'{"code":"token-expired","source":"session"}')) as server:
            refusal = Holdfast(server.url).verify(["Bearer x"])
            assert isinstance(refusal, Refusal)
            self.assertEqual((refusal.status, refusal.problem["code"]), (401, "token-expired"))
            self.assertEqual(refusal.headers["www-authenticate"], "Bearer")
            self.assertNotIn("set-cookie", refusal.headers)

    def test_what_is_no_verdict_is_503(self) -> None:
        answers: list[Answer] = [
            (200, {"content-type": "text/html"}, b"<!doctype html>"),
            (401, {"www-authenticate": "Basic"}, b"no"),
            (401, PROBLEM, b'{"source":"service_key"}'),
            (401, PROBLEM, b"<"),
            (401, PROBLEM, b"[]"),
            (302, {"location": "http://127.0.0.1:1/"}, b""),
            (500, PROBLEM, b'{"source":"server"}'),
            (403, PROBLEM, b'{"title":"Forbidden","status":403}'),
            (503, PROBLEM, b"[" * 100_000),
        ]
        for answer in answers:
            with self.subTest(answer=repr(answer)[:120]), Server(lambda _: answer) as server:
                self.assert_cannot_judge(
                    Holdfast(server.url).verify(["Bearer x"]),
                    f"the answer from Holdfast's address is no verdict ({named(answer)})",
                )
        self.assert_cannot_judge(Holdfast("http://127.0.0.1:1").verify(["Bearer x"]))

    def test_a_limit_on_this_backend_is_told_as_one_and_until_when(self) -> None:
        holdfasts_own = b'{"code":"too-many-requests","source":"request"}'
        for headers, body in [(PROBLEM, holdfasts_own), ({}, b"slow down")]:
            limit = (429, {**headers, "retry-after": "60"}, body)
            with self.subTest(body=body), Server(lambda _: limit) as server:
                with self.assertLogs("holdfast_backend", "WARNING") as logged:
                    verdict = Holdfast(server.url).verify(["Bearer x"])
                assert isinstance(verdict, Refusal)
                self.assertEqual((verdict.status, verdict.problem["code"]), (503, "backend-limited"))
                why = "Holdfast limits the requests of this backend"
                self.assertEqual(verdict.problem["detail"], f"The session token could not be judged: {why}.")
                self.assertEqual(verdict.headers["retry-after"], "60")
                self.assertIn("HOLDFAST_REQUESTS_PER_ADDRESS", logged.output[0])

    def test_an_address_that_leads_elsewhere_is_warned_of_with_what_answers_there(self) -> None:
        folded = {"retry-after": "60\r\n set-cookie: a=b"}
        with Server(lambda _: (404, folded, b"")) as server, self.assertLogs("holdfast_backend", "WARNING") as logged:
            verdict = Holdfast(server.url).verify(["Bearer x"])
        assert isinstance(verdict, Refusal)
        self.assertEqual(verdict.headers["retry-after"], "2")
        self.assertIn("no verdict (status 404)", logged.output[0])

    def test_a_credential_that_no_header_can_hold_is_the_callers_mistake(self) -> None:
        for credential in ("Bearer a\nb", "Bearer a\n b", "Bearer \u2026", "Bearer \udc80"):
            with self.subTest(credential):
                verdict = Holdfast("http://127.0.0.1:1").verify([credential])
                assert isinstance(verdict, Refusal)
                self.assertEqual((verdict.status, verdict.problem["code"]), (400, "malformed-request"))

    def test_an_address_that_is_none_is_not_the_callers_mistake(self) -> None:
        for authorization in ([], ["Bearer x"]):
            with self.subTest(authorization), self.assertLogs("holdfast_backend", "WARNING") as logged:
                self.assert_cannot_judge(Holdfast("http://holdfast..svc:8080").verify(authorization))
            self.assertIn("'holdfast..svc' is no name of a host", logged.output[0])
        with self.assertRaises(HoldfastError) as raised:
            Holdfast("http://holdfast..svc", service_key="hf_sk_x").service.status("user_1")
        self.assertEqual(raised.exception.code, "holdfast-unreachable")

    def test_a_server_that_hangs_is_503(self) -> None:
        ended = threading.Event()

        def hang(_: str) -> Answer:
            ended.wait(60)
            return ACCEPTED

        with Server(hang) as server:
            self.assert_cannot_judge(Holdfast(server.url, timeout=0.1).verify(["Bearer x"]))
            ended.set()

    def test_an_answer_that_drips_is_503(self) -> None:
        def drip(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Auth-User: user_1\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(600):
                time.sleep(0.05)
                connection.sendall(b"x")
            dripped.set()

        dripped = threading.Event()
        with raw_server(drip) as url:
            self.assert_cannot_judge(Holdfast(url, timeout=0.2).verify(["Bearer x"]))
        self.assertFalse(dripped.is_set(), "half a minute was waited for")

    def test_an_answer_that_is_cut_is_503(self) -> None:
        with raw_server(lambda each: each.sendall(b"HTTP/1.1 200 OK\r\nX-Auth-User: u\r\nContent-Length: 9\r\n\r\nx")) as url:
            self.assert_cannot_judge(Holdfast(url).verify(["Bearer x"]))

    def test_holdfast_that_hangs_keeps_neither_callers_nor_the_app_waiting(self) -> None:
        ended = threading.Event()

        def hang(_: socket.socket) -> None:
            ended.wait(60)

        async def ask_often() -> float:
            holdfast = Holdfast(url, timeout=3)
            began = time.monotonic()
            asking = [asyncio.ensure_future(holdfast.verify_async([f"Bearer {each}"])) for each in range(200)]
            await asyncio.sleep(0.05)
            await asyncio.to_thread(lambda: None)
            self.assertFalse(any(each.done() for each in asking), "the app waited for a thread until they gave up")
            for each, verdict in enumerate(await asyncio.gather(*asking)):
                if each < THREADS:
                    self.assert_cannot_judge(verdict)
                else:  # those that waited for a thread do not say that Holdfast was asked
                    self.assert_cannot_judge(verdict, f"this backend has {THREADS} questions under way", "backend-limited")
            return time.monotonic() - began

        with raw_server(hang) as url:
            callers_waited = asyncio.run(ask_often())
            ended.set()
        self.assertLess(callers_waited, 5.9)  # three seconds for a thread and three for an answer would be six

    def test_a_child_process_asks_by_threads_of_its_own(self) -> None:
        for fork in FORKS:
            with self.subTest(fork=fork), Server(lambda _: ACCEPTED) as server:
                holdfast = Holdfast(server.url)
                asyncio.run(holdfast.verify_async(["Bearer a"]))
                time.sleep(0.1)  # its thread waits for more
                self.assertTrue(in_child(fork, lambda: asyncio.run(holdfast.verify_async(["Bearer b"]))))

    def test_a_kept_connection_that_was_closed_is_opened_again(self) -> None:
        with Server(lambda _: ACCEPTED) as server:
            holdfast = Holdfast(server.url)
            holdfast.verify(["Bearer a"])
            port = int(server.url.rsplit(":", 1)[1])
        with Server(lambda _: ACCEPTED) as again:
            again._server.shutdown()
            again._server.server_close()
            again._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), again._server.RequestHandlerClass)
            threading.Thread(target=again._server.serve_forever, daemon=True).start()
            self.assertEqual(holdfast.verify(["Bearer b"]), Caller("user_1", "sess_1"))

    def test_a_kept_connection_that_was_reset_is_opened_again_over_tls(self) -> None:
        asked: list[None] = []
        has_read = threading.Semaphore(0)

        def once_each(connection: socket.socket) -> None:
            asked.append(None)
            connection.sendall(b"HTTP/1.1 200 OK\r\nx-auth-user: user_1\r\ncontent-length: 0\r\n\r\n")
            has_read.acquire(timeout=10)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends by a reset

        with tempfile.TemporaryDirectory() as directory:
            certificate = f"{directory}/certificate.pem"
            made = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
            subprocess.run(
                ["openssl", *made.split(), "-keyout", certificate, "-out", f"{directory}/public.pem"],
                check=True, capture_output=True,
            )
            with open(certificate, "a") as both, open(f"{directory}/public.pem") as public:
                both.write(public.read())
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)
            trusted = mock.patch.dict(os.environ, SSL_CERT_FILE=f"{directory}/public.pem")
            with raw_server(once_each, context) as url, trusted:
                holdfast = Holdfast(url.replace("http://127.0.0.1", "https://localhost"))
                for each in range(3):
                    self.assertEqual(holdfast.verify([f"Bearer {each}"]), Caller("user_1"))
                    has_read.release()
                    time.sleep(0.4)  # the reset arrives
            self.assertEqual(len(asked), 3)

    def test_a_host_that_vanished_costs_one_timeout_and_not_one_for_each_connection(self) -> None:
        with vanishing_server(at_once=8) as url, ThreadPoolExecutor(8) as threads:
            holdfast = Holdfast(url, timeout=3)
            verdicts = list(threads.map(lambda each: holdfast.verify([f"Bearer {each}"]), range(8)))
            self.assertEqual(set(verdicts), {Caller("user_1")})
            self.assert_cannot_judge(holdfast.verify(["Bearer a"]))
            self.assertEqual(holdfast.verify(["Bearer b"]), Caller("user_1"))

    def test_a_connection_that_was_idle_for_long_is_not_used_again(self) -> None:
        with vanishing_server() as url, mock.patch("holdfast_backend._http.LONGEST_IDLE_S", 0.2):
            holdfast = Holdfast(url, timeout=5)
            self.assertEqual(holdfast.verify(["Bearer a"]), Caller("user_1"))
            time.sleep(0.3)
            self.assertEqual(holdfast.verify(["Bearer b"]), Caller("user_1"))

    def test_an_interim_answer_is_not_the_verdict(self) -> None:
        def answer(connection: socket.socket, user: bytes) -> None:
            for interim in (b"100 Continue", b"102 Processing", b"103 Early Hints\r\nLink: </x>; rel=preload"):
                connection.sendall(b"HTTP/1.1 %b\r\n\r\n" % interim)
                time.sleep(0.05)
            connection.sendall(verdict_of(user))

        with talking_server(answer) as (url, asked):
            holdfast = Holdfast(url)
            for user in ("alice", "bob"):
                self.assertEqual(holdfast.verify([f"Bearer {user}"]), Caller(user))
            self.assertEqual(asked, [b"|", b"alice", b"bob"])

    def test_what_comes_beyond_an_answer_is_nobodys(self) -> None:
        ghost = verdict_of(b"ghost")
        doubled = verdict_of(b"alice").replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % len(ghost))
        chunked = doubled.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"
        for name, parts in {
            "at once": [verdict_of(b"alice") + ghost],
            "in parts": [verdict_of(b"alice") + ghost[:9], ghost[9:]],
            "later": [verdict_of(b"alice"), ghost],
            "of two lengths": [doubled, ghost],
            "chunked, and of a length": [chunked, ghost],
        }.items():
            def answer(connection: socket.socket, user: bytes, parts: list[bytes] = parts) -> None:
                for each in parts if user == b"alice" else [verdict_of(user)]:
                    connection.sendall(each)
                    time.sleep(0.05)

            with self.subTest(name), talking_server(answer) as (url, _):
                holdfast = Holdfast(url)
                self.assertEqual(holdfast.verify(["Bearer alice"]), Caller("alice"))
                time.sleep(0.2)
                self.assertEqual(holdfast.verify(["Bearer bob"]), Caller("bob"))

    def test_a_late_or_cut_answer_is_not_the_next_callers(self) -> None:
        def late(connection: socket.socket, user: bytes) -> None:
            time.sleep(0.5 if user == b"alice" else 0)
            connection.sendall(verdict_of(user))

        def halved(connection: socket.socket, user: bytes) -> None:
            connection.sendall(verdict_of(user)[:30])
            time.sleep(0.5 if user == b"alice" else 0)
            connection.sendall(verdict_of(user)[30:])

        def cut(connection: socket.socket, user: bytes) -> None:
            if user == b"alice":
                connection.sendall(verdict_of(user).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"9\r\nx")
                connection.shutdown(socket.SHUT_WR)
            else:
                connection.sendall(verdict_of(user))

        for answer in (late, halved, cut):
            with self.subTest(answer.__name__), talking_server(answer) as (url, _):
                holdfast = Holdfast(url, timeout=0.3)
                self.assertEqual(holdfast.verify(["Bearer carol"]), Caller("carol"))
                self.assert_cannot_judge(holdfast.verify(["Bearer alice"]))
                time.sleep(0.4)
                self.assertEqual(holdfast.verify(["Bearer bob"]), Caller("bob"))

    def test_an_answer_that_names_somebody_else_is_no_verdict(self) -> None:
        with Server(lambda _: ACCEPTED) as server:
            holdfast = Holdfast(server.url)
            self.assertIsInstance(holdfast.verify([token(time.time() + 60, sub="user_1")]), Caller)
            why = "the answer from Holdfast's address is no verdict (it names somebody else)"
            self.assert_cannot_judge(holdfast.verify([token(time.time() + 60, sub="user_2")]), why)
            self.assert_cannot_judge(holdfast.verify([]), why)

    def test_one_who_is_cancelled_leaves_no_answer_to_the_next(self) -> None:
        def late(connection: socket.socket, user: bytes) -> None:
            time.sleep(0.2 if user == b"alice" else 0)
            connection.sendall(verdict_of(user))

        async def ask() -> Any:
            asking = asyncio.ensure_future(holdfast.verify_async(["Bearer alice"]))
            await asyncio.sleep(0.1)
            asking.cancel()
            return await asyncio.gather(*(holdfast.verify_async([f"Bearer {each}"]) for each in range(20)))

        with talking_server(late) as (url, _):
            holdfast = Holdfast(url)
            for _ in range(2):
                self.assertEqual(asyncio.run(ask()), [Caller(str(each)) for each in range(20)])

    def test_what_needs_no_asking_is_not_asked(self) -> None:
        holdfast = Holdfast("http://127.0.0.1:1")
        self.assertIsNone(holdfast.verify([], method="OPTIONS"))
        self.assertIsNone(holdfast.verify([], Requirements(optional=True)))
        two = holdfast.verify(["Bearer a", "Bearer b"])
        assert isinstance(two, Refusal)
        self.assertEqual(two.status, 400)

    def test_where_every_method_is_judged_options_is_too(self) -> None:
        headers = {**PROBLEM, "www-authenticate": "Bearer"}
        with Server(lambda _: (401, headers, b'{"code":"session-token-missing","source":"session"}')) as server:
            judging = Holdfast(server.url, assertion_secret=SECRET, judge_every_method=True)
            for verdict, status in [
                (judging.verify([], method="OPTIONS"), 401),
                (asyncio.run(judging.verify_async([], method="OPTIONS")), 401),
                (judging.verify_assertion(None, method="OPTIONS"), 403),
            ]:
                assert isinstance(verdict, Refusal)
                self.assertEqual(verdict.status, status)
            self.assertIsNone(Holdfast(server.url, assertion_secret=SECRET).verify_assertion(None, method="OPTIONS"))

    def test_another_scheme_is_nobody_where_credentials_are_optional(self) -> None:
        optional = Requirements(optional=True)
        with Server(lambda _: (200, {}, b"")) as server:
            holdfast = Holdfast(server.url)
            self.assertIsNone(holdfast.verify(["Basic c3RhZ2luZw=="], optional))
            # A token that is answered without a name was not judged, and neither was anything that had to be there.
            for credential, requirements in (("bearer x", optional), ("Basic c3RhZ2luZw==", Requirements())):
                with self.subTest(credential=credential):
                    verdict = holdfast.verify([credential], requirements)
                    assert isinstance(verdict, Refusal)
                    self.assertEqual(verdict.status, 503)
            self.assertEqual(len(server.asked), 3)

    def test_a_requirement_without_a_value_is_a_mistake(self) -> None:
        unknown: dict[str, Any] = {"rol": "admin"}
        mistakes: tuple[dict[str, Any], ...] = ({"role": None}, {"role": ""}, {"role": []}, {"org": ()}, {"permission": ["a", " "]})
        for mistake in mistakes:
            with self.subTest(mistake=mistake), self.assertRaises(ValueError):
                HoldfastMiddleware(lambda environ, start: [], Holdfast("http://127.0.0.1:1"), **mistake)
        with self.assertRaises(TypeError):
            HoldfastMiddleware(lambda environ, start: [], Holdfast("http://127.0.0.1:1"), **unknown)

    def test_an_option_that_cannot_be_meant_is_a_mistake_at_the_start(self) -> None:
        given: list[tuple[str, Any]] = [
            *(("timeout", each) for each in ("3", float("inf"), float("nan"), -1, 0, 1e10, None)),
            *(("capacity", each) for each in ("10", float("inf"), -1, 0.5, None)),
            *(("judge_every_method", each) for each in ("false", 0, None)),
        ]
        for name, value in given:
            with self.subTest(name=name, value=value), self.assertRaisesRegex(ValueError, f"^{name} must be .*, and is "):
                Holdfast("http://127.0.0.1:1", **{name: value})
        # The longest that is taken can be waited for.
        with Server(lambda _: ACCEPTED) as server:
            for timeout in (0.5, 3, 2_147_483):
                holdfast = Holdfast(server.url, timeout=timeout, capacity=0, judge_every_method=False)
                self.assertIsInstance(holdfast.verify(["Bearer x"]), Caller)
                self.assertIsInstance(asyncio.run(holdfast.verify_async(["Bearer x"])), Caller)

    def test_clerks_cookie_is_not_read_and_its_name_alone_is_told(self) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            pass

        cookie = "theme=dark; __session=secret; __session_Ab12=secret"
        missing: Answer = (401, PROBLEM, b'{"code":"session-token-missing","source":"session"}')
        with Server(lambda _: missing) as server:
            holdfast = Holdfast(server.url)
            wsgi = werkzeug.test.Client(HoldfastMiddleware(lambda environ, start: [], holdfast), use_cookies=False)
            in_asgi = asgi.HoldfastMiddleware(lambda *_: self.fail(), holdfast)
            for headers, told in [
                ({"cookie": cookie}, "__session="),
                ({"cookie": "theme=dark; my__session=secret"}, None),
                ({"cookie": cookie, "authorization": "Basic c3RhZ2luZw=="}, None),
            ]:
                self.assertEqual(wsgi.get("/", headers=headers).status_code, 401)
                pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
                scope = {"type": "http", "method": "GET", "path": "/", "headers": pairs}
                asyncio.run(in_asgi(scope, receive, send))
                self.assertEqual(server.cookies[-2:], [told, told])
            self.assertIsNone(holdfast.verify([], Requirements(optional=True), cookie=cookie))
            self.assertEqual(len(server.asked), 6)

    def test_without_room_nothing_is_remembered(self) -> None:
        with Server(lambda _: ACCEPTED) as server:
            holdfast = Holdfast(server.url, capacity=0)
            for _ in range(3):
                holdfast.verify([token(time.time() + 60)])
            self.assertEqual(len(server.asked), 3)

    def test_a_child_process_opens_connections_of_its_own(self) -> None:
        for fork in FORKS:
            with self.subTest(fork=fork), Server(lambda _: ACCEPTED) as server:
                holdfast = Holdfast(server.url)
                holdfast.verify(["Bearer a"])
                self.assertTrue(in_child(fork, lambda: holdfast.verify(["Bearer b"])))
                holdfast.verify(["Bearer c"])
                self.assertEqual((len(server.asked), server.connections), (3, 2))

    def assert_cannot_judge(
        self, verdict: Caller | None | Refusal, why: str = "Holdfast does not answer", code: str = "holdfast-unreachable"
    ) -> None:
        assert isinstance(verdict, Refusal), verdict
        self.assertEqual((verdict.status, verdict.problem["code"]), (503, code))
        self.assertEqual(verdict.problem["detail"], f"The session token could not be judged: {why}.")
        self.assertGreater(int(verdict.headers["retry-after"]), 0)


class Asgi(unittest.TestCase):
    def test_public_paths_pass_exactly_as_they_are_written(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 204, "headers": []})

        def status_of(path: str, public: Any) -> int:
            sent: list[Any] = []

            async def send(message: Any) -> None:
                sent.append(message)

            async def receive() -> Any:
                raise AssertionError("there is no body")

            middleware = asgi.HoldfastMiddleware(app, Holdfast("http://127.0.0.1:1"), public=public)
            scope = {"type": "http", "path": path, "method": "GET", "headers": [(b"authorization", b"Bearer x")]}
            asyncio.run(middleware(scope, receive, send))
            return int(sent[0]["status"])

        for public in ("/events", ["/events", "/health"]):
            self.assertEqual(status_of("/events", public), 204)
            for path in ("/", "/e", "/events/", "/events/x", "//events", "/Events"):
                with self.subTest(path=path, public=public):
                    self.assertEqual(status_of(path, public), 503)
            answered: list[str] = []
            wsgi = HoldfastMiddleware(lambda environ, start: [], Holdfast("http://127.0.0.1:1"), public=public)
            for path in ("/events", "/"):
                wsgi({"PATH_INFO": path, "REQUEST_METHOD": "GET"}, lambda status, headers: answered.append(status))
            self.assertEqual(answered, ["503 Service Unavailable"])

    def test_requests_that_share_their_state_have_each_its_own_caller(self) -> None:
        inside = 0

        def answer(path: str) -> Answer:
            return 200, {"x-auth-user": asked.pop(0)}, b""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await meet()
            seen.append((scope["path"], scope["state"]["caller"], scope["state"]["of_the_app"]))

        async def meet() -> None:
            """Until every request is being handled."""
            nonlocal inside
            inside += 1
            while inside < 4:
                await asyncio.sleep(0.01)

        # As Hypercorn does up to 0.17.3: one dict for all requests of a connection.
        shared: dict[str, Any] = {"of_the_app": 1}
        asked, seen = ["user_alice", "user_bob"], list[Any]()
        with Server(answer) as server:
            holdfast = Holdfast(server.url)
            middleware = asgi.HoldfastMiddleware(app, holdfast, public="/public", optional=True)

            def scope(path: str, *headers: tuple[bytes, bytes]) -> Any:
                return {"type": "http", "path": path, "method": "GET", "headers": headers, "state": shared}

            async def handle_all() -> None:
                handling = []
                for each in (
                    scope("/alice", (b"authorization", b"Bearer alice")), scope("/bob", (b"authorization", b"Bearer bob")),
                    scope("/public"), scope("/nobody"),
                ):
                    handling.append(asyncio.ensure_future(middleware(each, mock.Mock(), mock.Mock())))
                    while len(handling) > inside:
                        await asyncio.sleep(0.01)
                await asyncio.gather(*handling)

            asyncio.run(handle_all())
        callers = {path: caller and caller.user_id for path, caller, _ in seen}
        self.assertEqual(callers, {"/alice": "user_alice", "/bob": "user_bob", "/public": None, "/nobody": None})
        self.assertEqual((shared, {each for *_, each in seen}), ({"of_the_app": 1}, {1}))

    def test_a_websocket_is_refused_with_the_status_of_any_request(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise AssertionError("it was let through")

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        def sent_to(url: str, extensions: dict[str, Any]) -> list[Any]:
            sent: list[Any] = []

            async def send(message: Any) -> None:
                sent.append(message)

            scope = {"type": "websocket", "headers": [(b"authorization", b"Bearer x")], "extensions": extensions}
            asyncio.run(asgi.HoldfastMiddleware(app, Holdfast(url))(scope, receive, send))
            return sent

        refused = (401, {**PROBLEM, "www-authenticate": "Bearer"}, b'{"code":"token-expired","source":"session"}')
        busy = b'{"code":"too-many-requests","source":"request","action":"retry"}'
        repeated = b'{"code":"stop-repeating","source":"request","action":"refresh_session_token"}'
        with (
            Server(lambda _: refused) as server,
            Server(lambda _: (429, {**PROBLEM, "retry-after": "1"}, busy)) as crowded,
            Server(lambda _: (429, {**PROBLEM, "retry-after": "60"}, repeated)) as looping,
        ):
            for url, status, code, header in [
                (server.url, 401, 1008, b"www-authenticate"),
                ("http://127.0.0.1:1", 503, 1013, b"retry-after"),
                (crowded.url, 503, 1013, b"retry-after"),
                (looping.url, 429, 1008, b"retry-after"),
            ]:
                start, body = sent_to(url, {"websocket.http.response": {}})
                self.assertEqual((start["type"], start["status"]), ("websocket.http.response.start", status))
                self.assertIn(header, dict(start["headers"]))
                self.assertEqual(body["type"], "websocket.http.response.body")
                self.assertEqual(sent_to(url, {}), [{"type": "websocket.close", "code": code}])


class FastApi(unittest.TestCase):
    @staticmethod
    def app(url: str) -> FastAPI:
        """Every route needs a caller, those of WebSockets too."""
        app = FastAPI(dependencies=[Depends(require_caller(Holdfast(url)))])

        @app.get("/posts")
        def posts() -> str:
            return "mine"

        @app.websocket("/live")
        async def live(socket: WebSocket) -> None:
            await socket.accept()
            await socket.send_text("mine")

        return app

    REFUSED: Answer = (401, {**PROBLEM, "www-authenticate": "Bearer"}, b'{"code":"token-expired","source":"session","detail":"It has expired."}')

    def test_routes_of_websockets_have_a_caller_too(self) -> None:
        with Server(lambda _: ACCEPTED) as server, TestClient(self.app(server.url)) as client:
            bearer = {"authorization": token(time.time() + 60)}
            self.assertEqual(client.get("/posts", headers=bearer).json(), "mine")
            with client.websocket_connect("/live", headers=bearer) as socket:
                self.assertEqual(socket.receive_text(), "mine")

    def test_a_pages_websocket_says_who_it_is_by_its_first_message(self) -> None:
        (block,) = re.findall(r"```python\n([^`]*?receive_text[^`]*)```", README.read_text())

        def first_answer(url: str) -> str | int:
            app = FastAPI()
            exec(block, {"app": app, "holdfast": Holdfast(url), "Refusal": Refusal, "WebSocket": WebSocket})
            with TestClient(app) as client, client.websocket_connect("/live") as socket:
                socket.send_text(token(time.time() + 60).removeprefix("Bearer "))
                try:
                    return socket.receive_text()
                except WebSocketDisconnect as closed:
                    return closed.code

        with Server(lambda _: ACCEPTED) as accepting, Server(lambda _: self.REFUSED) as refusing:
            answers = [first_answer(url) for url in (accepting.url, refusing.url, "http://127.0.0.1:1")]
        self.assertEqual(answers, ["for user_1", 1008, 1013])

    def test_a_refused_handshake_is_answered_as_any_request_is(self) -> None:
        with Server(lambda _: self.REFUSED) as server:
            for url, status in ((server.url, 401), ("http://127.0.0.1:1", 503)):
                app = self.app(url)
                install(app)
                with TestClient(app) as client:
                    answered = client.get("/posts", headers={"authorization": "Bearer x"})
                    self.assertEqual(answered.status_code, status)
                    with self.assertRaises(WebSocketDenialResponse) as denied:
                        with client.websocket_connect("/live", headers={"authorization": "Bearer x"}):
                            pass
                    self.assertEqual((denied.exception.status_code, denied.exception.content), (status, answered.content))

    def test_an_app_without_install_refuses_too(self) -> None:
        outer = FastAPI()
        with Server(lambda _: self.REFUSED) as server:
            outer.mount("/mounted", self.app(server.url))
            install(outer)
            with TestClient(outer) as client:
                answered = client.get("/mounted/posts", headers={"authorization": "Bearer x"})
                self.assertEqual((answered.status_code, answered.json()), (401, {"detail": "It has expired."}))
                self.assertEqual(answered.headers["www-authenticate"], "Bearer")
                self.assertEqual(answered.headers["content-type"], "application/json", "of FastAPI's own body")
                with self.assertRaises(WebSocketDisconnect) as closed:
                    with client.websocket_connect("/mounted/live", headers={"authorization": "Bearer x"}):
                        pass
                self.assertEqual(closed.exception.code, 1008)

    def test_the_apps_own_openapi_document_shows_the_credential(self) -> None:
        document = self.app("http://127.0.0.1:1").openapi()
        self.assertEqual(document["paths"]["/posts"]["get"]["security"], [{"session_token": []}])
        self.assertEqual(document["components"]["securitySchemes"]["session_token"]["scheme"], "bearer")


class InsideFrameworks(unittest.TestCase):
    """Where CORS is an extension of the framework, a refusal has to be answered within it."""

    REFUSED: Answer = (401, {**PROBLEM, "www-authenticate": "Bearer"}, b'{"code":"token-expired","source":"session"}')
    CORS = ("access-control-allow-origin", "https://app.example.com")

    def flask_client(self, url: str) -> Any:
        app = flask.Flask("app")

        @app.after_request
        def cors(response: flask.Response) -> flask.Response:  # as flask-cors does
            response.headers[self.CORS[0]] = self.CORS[1]
            return response

        @app.get("/posts")
        def posts() -> str:
            return str(flask.request.environ["holdfast.caller"].user_id)

        app.add_url_rule("/events", view_func=lambda: "event", methods=["POST"])
        judge_requests(app, Holdfast(url), public=["/events"])
        return app.test_client()

    def django_client(
        self,
        url: str,
        middleware: Sequence[str] = ("cors", "judge"),
        client_of: Callable[[], Any] = lambda: werkzeug.test.Client(django.core.wsgi.get_wsgi_application()),
    ) -> Any:
        def cors(get_response: Any) -> Any:  # as django-cors-headers does
            def answer(request: Any) -> Any:
                response = get_response(request)
                response[self.CORS[0]] = self.CORS[1]
                return response

            return answer

        urls = types.ModuleType("urls_of_the_test")
        urls.urlpatterns = [  # type: ignore[attr-defined]
            django.urls.path("posts", lambda request: django.http.HttpResponse(request.caller.user_id)),
            django.urls.path("events", lambda request: django.http.HttpResponse("event")),
        ]
        module = types.ModuleType("middleware_of_the_test")
        module.cors, module.judge = cors, judging(Holdfast(url), public=["/events"])  # type: ignore[attr-defined]
        sys.modules.update({"urls_of_the_test": urls, "middleware_of_the_test": module})
        if not django.conf.settings.configured:
            django.conf.settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="x", ROOT_URLCONF="urls_of_the_test")
            django.setup()
        with django.test.override_settings(MIDDLEWARE=[f"middleware_of_the_test.{each}" for each in middleware]):
            django.urls.clear_url_caches()
            return client_of()

    def test_a_refusal_has_the_headers_of_the_extension(self) -> None:
        for client_of in (self.flask_client, self.django_client):
            with self.subTest(client_of.__name__), Server(lambda _: self.REFUSED) as server:
                client = client_of(server.url)
                answered = client.get("/posts", headers={"authorization": "Bearer x"})
                self.assertEqual((answered.status_code, answered.get_json()["code"]), (401, "token-expired"))
                self.assertEqual(answered.headers[self.CORS[0]], self.CORS[1])
                self.assertEqual(answered.headers["www-authenticate"], "Bearer")
                self.assertEqual(client.post("/events").data, b"event")
            with self.subTest(client_of.__name__), Server(lambda _: ACCEPTED) as server:
                answered = client_of(server.url).get("/posts", headers={"authorization": token(time.time() + 60)})
                self.assertEqual(answered.data, b"user_1")

    def test_django_under_asgi_asks_in_the_event_loop_and_holds_no_thread_for_a_request(self) -> None:
        def client_of() -> Any:
            client = django.test.AsyncClient()
            client.handler.load_middleware(is_async=True)
            return client

        held = mock.patch.object(Holdfast, "verify", side_effect=AssertionError("it holds a thread meanwhile"))
        for answer, status in ((ACCEPTED, 200), (self.REFUSED, 401)):
            with self.subTest(status), Server(lambda _: answer) as server, held:
                client = self.django_client(server.url, ["judge"], client_of)
                answered = asyncio.run(client.get("/posts", headers={"authorization": token(time.time() + 60)}))
                self.assertEqual(answered.status_code, status)
                self.assertEqual(asyncio.run(client.get("/events")).content, b"event")

    def test_options_that_become_another_method_further_in_are_judged(self) -> None:
        def overriding(environ: Any, start_response: Any) -> Any:  # Flask's recipe for method overrides
            environ["REQUEST_METHOD"] = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", environ["REQUEST_METHOD"])
            start_response("200 OK", [])
            return [environ["REQUEST_METHOD"].encode()]

        with Server(lambda _: self.REFUSED) as server:
            client = werkzeug.test.Client(HoldfastMiddleware(overriding, Holdfast(server.url)))
            self.assertEqual(client.options("/").data, b"OPTIONS")
            self.assertEqual(client.options("/", headers={"x-http-method-override": "DELETE"}).status_code, 401)
            for headers, is_judged in [([], False), ([(b"x-method-override", b"DELETE")], True)]:
                scope = {"type": "http", "method": "OPTIONS", "path": "/", "headers": headers}
                verdict = asyncio.run(asgi.judge(Holdfast(server.url), scope, False, Requirements()))
                self.assertEqual(isinstance(verdict, Refusal), is_judged)

    def test_public_paths_are_below_where_the_app_is_mounted(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            passed.append(scope["path"])

        async def send(message: Any) -> None:
            pass

        passed: list[str] = []
        judging = asgi.HoldfastMiddleware(app, Holdfast("http://127.0.0.1:1"), public=["/events"])
        for root, path in [("", "/events"), ("/api", "/api/events"), ("/api/", "/api/events"), ("/api", "/events"),
                           ("/api", "/apix/events"), ("", "/api/events"), ("/api", "/api/events/x")]:
            scope = {"type": "http", "method": "POST", "path": path, "root_path": root, "headers": []}
            asyncio.run(judging(scope, None, send))  # type: ignore[arg-type]
        self.assertEqual(passed, ["/events", "/api/events", "/api/events", "/events"])

    def test_a_proxy_without_a_secret_is_a_mistake_at_the_start(self) -> None:
        holdfast = Holdfast("http://127.0.0.1:1")
        with self.assertRaises(ValueError):
            HoldfastMiddleware(lambda environ, start: [], holdfast, behind_proxy=True)
        with self.assertRaises(ValueError):
            require_caller(holdfast, behind_proxy=True)


class Service(unittest.TestCase):
    KEY = "hf_sk_NobodyReadsThis"

    def test_values_from_files_end_in_line_ends(self) -> None:
        claims = {**Assertions.claims, "iss": "https://api.example.com"}
        for end in ("\n", "\r\n", " "):
            with Server(lambda _: (200, {"content-type": "application/json"}, b'{"state":"connected"}')) as server:
                holdfast = Holdfast(
                    server.url + end, service_key=self.KEY + end, assertion_secret=SECRET + end,
                    issuer="https://api.example.com" + end,
                )
                self.assertEqual(holdfast.service.status("user_1")["state"], "connected")
                self.assertIsInstance(holdfast.verify_assertion(assertion(claims)), Caller)

    def test_no_error_quotes_the_key(self) -> None:
        for key in (f"{self.KEY}\n{self.KEY}", f"{self.KEY}\u2026", f"{self.KEY}\0"):
            with self.assertRaises(ValueError) as refused:
                Holdfast("http://127.0.0.1:1", service_key=key)
            self.assertNotIn(self.KEY, str(refused.exception))
        # A crash report has the variables of every frame that an error came through.
        with self.assertRaises(HoldfastError) as raised:
            Holdfast("http://127.0.0.1:1", service_key=self.KEY).service.status("user_1")
        told = traceback.TracebackException.from_exception(raised.exception, capture_locals=True)
        self.assertNotIn(self.KEY, "".join(told.format()))

    def test_an_error_is_the_same_when_copied(self) -> None:
        error = HoldfastError(424, {"detail": "The access was removed.", "reason": "revoked"}, "5", "look_first")
        for copied in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            self.assertEqual((str(copied), copied.status, copied.reason, copied.retry_after, copied.action),
                             ("The access was removed.", 424, "revoked", 5, "look_first"))

    def test_an_address_has_no_credentials_and_may_have_no_port(self) -> None:
        with self.assertRaises(ValueError) as refused:
            Holdfast("http://holdfast:secret@127.0.0.1")
        self.assertNotIn("secret", str(refused.exception))
        connected: list[Any] = []

        def connect(target: Any, *_: Any) -> Any:
            connected.append(target)
            raise OSError

        with mock.patch("socket.create_connection", connect):
            Holdfast("http://[::1]").verify(["Bearer x"])
        self.assertEqual(connected, [("::1", 80)])

    def test_it_is_said_once_why_nobody_answers(self) -> None:
        holdfast = Holdfast("http://127.0.0.1:1")
        with self.assertLogs("holdfast_backend", "WARNING") as logged:
            for _ in range(3):
                holdfast.verify([token(time.time() + 60)])
                holdfast.verify(["Bearer a\nb"])
        self.assertEqual(len(logged.output), 1)
        self.assertIn("ConnectionRefusedError", logged.output[0])

    def test_closing_leaves_no_connection(self) -> None:
        with Server(lambda _: ACCEPTED) as server, warnings.catch_warnings():
            warnings.simplefilter("error")
            holdfast = Holdfast(server.url)
            holdfast.verify(["Bearer x"])
            self.assertEqual(len(holdfast._connections._idle), 1)
            holdfast.close()
            self.assertEqual(len(holdfast._connections._idle), 0)
            self.assertIsInstance(holdfast.verify(["Bearer x"]), Caller)
            holdfast.close()

    def test_the_trusted_certificates_are_read_once(self) -> None:
        with mock.patch("ssl.SSLContext.load_default_certs", autospec=True) as read:
            holdfast = Holdfast("https://127.0.0.1:1")
            for each in range(5):
                holdfast.verify([token(time.time() + 60, jti=each)])
        self.assertEqual(read.call_count, 1)

    def test_answers_and_errors(self) -> None:
        def answer(path: str) -> Answer:
            if path.endswith("/status"):
                return 200, {"content-type": "application/json"}, b'{"state":"connected"}'
            return 424, {**PROBLEM, "retry-after": "7"}, b'{"code":"revoked","reason":"revoked","action":"reconnect"}'

        with Server(answer) as server:
            service = Holdfast(server.url, service_key="hf_sk_x").service
            self.assertEqual(service.status("user_1")["state"], "connected")
            with self.assertRaises(HoldfastError) as raised:
                service.token("user_1")
            error = raised.exception
            self.assertEqual((error.status, error.code, error.reason, error.action, error.retry_after),
                             (424, "revoked", "revoked", "reconnect", 7))
        with self.assertRaises(HoldfastError) as away:
            Holdfast("http://127.0.0.1:1", service_key="hf_sk_x").service.status("user_1")
        self.assertEqual((away.exception.status, away.exception.code), (0, "holdfast-unreachable"))
        with self.assertRaises(ValueError):
            _ = Holdfast("http://127.0.0.1:1").service

    def test_odd_answers_are_errors_of_its_own(self) -> None:
        for answer in [
            (200, {}, b"[" * 100_000),
            (503, {**PROBLEM, "retry-after": "9" * 5000}, b"{}"),
            (503, {**PROBLEM, "retry-after": "\u00b2"}, b"{}"),
        ]:
            with self.subTest(answer=repr(answer)[:120]), Server(lambda _: answer) as server:
                with self.assertRaises(HoldfastError) as raised:
                    Holdfast(server.url, service_key="hf_sk_x").service.token("user_1")
                self.assertEqual((raised.exception.status, raised.exception.retry_after), (answer[0], None))

    def test_a_connection_that_ends_meanwhile_costs_nothing_that_may_be_done_twice(self) -> None:
        asked: list[socket.socket] = []

        def first_alone(connection: socket.socket, _: bytes) -> None:
            if connection in asked:
                return connection.shutdown(socket.SHUT_RDWR)
            asked.append(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        with talking_server(first_alone) as (url, _):
            service = Holdfast(url, service_key="hf_sk_x").service
            service.token("user_1")
            service.disconnect("user_1")
            with self.assertRaises(HoldfastError) as raised:
                service.graph("user_1", "me/media", method="POST")
            self.assertEqual((raised.exception.code, raised.exception.action), ("holdfast-unreachable", "look_first"))

    def test_without_an_answer_of_holdfasts_what_may_have_published_is_not_to_be_sent_again(self) -> None:
        def said(call: Callable[[], Any]) -> tuple[str, str | None]:
            with self.assertRaises(HoldfastError) as raised:
                call()
            return raised.exception.code, raised.exception.action

        with Server(lambda _: (502, {"content-type": "text/html"}, b"<h1>502</h1>")) as server:
            gone = Holdfast("http://127.0.0.1:1", service_key="hf_sk_x").service
            proxy = Holdfast(server.url, service_key="hf_sk_x").service
            for method in ("POST", "DELETE"):
                self.assertEqual(said(lambda: gone.graph("user_1", "me", method=method)), ("holdfast-unreachable", "look_first"))
                self.assertEqual(said(lambda: proxy.graph("user_1", "me", method=method)), ("unreadable-answer", "look_first"))
            for name in ("status", "token", "check", "disconnect"):
                self.assertEqual(said(lambda: getattr(gone, name)("user_1")), ("holdfast-unreachable", "retry"))
                self.assertEqual(said(lambda: getattr(proxy, name)("user_1")), ("unreadable-answer", None))
            self.assertEqual(said(lambda: gone.graph("user_1", "me")), ("holdfast-unreachable", "retry"))

    def test_a_connection_that_ended_while_idle_costs_nothing_at_all(self) -> None:
        asked: list[None] = []

        def once_each(connection: socket.socket) -> None:
            asked.append(None)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        with raw_server(once_each) as url:
            service = Holdfast(url, service_key="hf_sk_x").service
            for _ in range(3):
                service.graph("user_1", "me/media", method="POST")
                time.sleep(0.1)
        self.assertEqual(len(asked), 3)

    def test_a_query_writes_what_instagram_reads(self) -> None:
        with Server(lambda _: (200, {"content-type": "application/json"}, b"{}")) as server:
            query = {"a": True, "b": 1, "c": None, "fields": ["id", "caption"]}
            Holdfast(server.url, service_key="hf_sk_x").service.graph("user_1", "me", query=query)
            self.assertTrue(server.asked[0].endswith("/graph/me?a=true&b=1&fields=id%2Ccaption"), server.asked)

    def test_a_body_without_its_method_is_the_apps_own_mistake(self) -> None:
        with Server(lambda _: (200, {"content-type": "application/json"}, b"{}")) as server:
            service = Holdfast(server.url, service_key="hf_sk_x").service
            with self.assertRaisesRegex(ValueError, "a graph call with a body needs its method: POST or DELETE"):
                service.graph("user_1", "me/media", body={"caption": "Hello"})
            self.assertEqual(server.asked, [])

    def test_pages_take_the_parameters_that_there_are_and_no_others(self) -> None:
        with Server(lambda _: (200, {"content-type": "application/json"}, b"{}")) as server:
            service = Holdfast(server.url, service_key="hf_sk_x").service
            service.history("user_1", before="b1", limit=5)
            service.history("user_1", cursor="c1")
            service.connections(state="connected", account="@ada", cursor=None, limit=5)
            with self.assertRaises(TypeError):
                service.connections(stat="connected")  # type: ignore[call-arg]
        self.assertEqual(
            server.asked,
            [
                "/service/users/user_1/instagram/history?before=b1&limit=5",
                "/service/users/user_1/instagram/history?cursor=c1",
                "/service/connections?state=connected&account=%40ada&limit=5",
            ],
        )

    def test_a_path_or_an_id_never_leads_to_another_route(self) -> None:
        with Server(lambda _: (200, {"content-type": "application/json"}, b"{}")) as server:
            service = Holdfast(server.url, service_key="hf_sk_x").service
            for path in ("../token", "me/../../../user_2/instagram", "..", ".", "", "me//media"):
                with self.subTest(path=path), self.assertRaises(ValueError):
                    service.graph("user_1", path)
            for user_id in ("", ".", ".."):
                with self.subTest(user_id=user_id), self.assertRaises(ValueError):
                    service.disconnect(user_id)
            self.assertEqual(server.asked, [])
            for path in ("%2e%2e/token", "..\\token", "me?x=y", "me:x,y", "a b\r\nHost: x"):
                service.graph("user_1", path)
            below = "/service/users/user_1/instagram/graph/"
            self.assertEqual(
                server.asked,
                [below + each for each in ("%252e%252e/token", "..%5Ctoken", "me%3Fx%3Dy", "me:x,y", "a%20b%0D%0AHost:%20x")],
            )


def assertion(claims: Any, secret: str = SECRET, algorithm: str = "HS256") -> str:
    message = f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims)}"
    signature = hmac.digest(secret.encode(), message.encode(), hashlib.sha256)
    return f"{message}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


class Assertions(unittest.TestCase):
    claims = {
        "iss": "https://api.example.com", "aud": "app.example.com", "sub": "user_1", "sid": "sess_1", "org": "org_1",
        "org_role": "admin", "org_permissions": ["org:a:b"], "act": {"sub": "user_2"}, "exp": time.time() + 60,
    }
    holdfast = Holdfast(
        "http://127.0.0.1:1", assertion_secret=["another-secret-that-is-being-replaced-now", SECRET],
        issuer="https://api.example.com", audience="app.example.com",
    )

    def test_an_assertion_says_who_is_calling(self) -> None:
        caller = Caller("user_1", "sess_1", "org_1", "admin", ("org:a:b",), "user_2")
        self.assertEqual(self.holdfast.verify_assertion(assertion(self.claims)), caller)
        self.assertIsNone(self.holdfast.verify_assertion(None, Requirements(optional=True)))

    def test_the_issuer_may_be_written_as_the_public_url_may(self) -> None:
        for issuer, iss in [
            ("https://API.example.com:443/", "https://api.example.com"),
            ("http://api.example.com:8080/base/", "http://api.example.com:8080/base"),
        ]:
            holdfast = Holdfast("http://127.0.0.1:1", assertion_secret=SECRET, issuer=issuer)
            verdict = holdfast.verify_assertion(assertion({**self.claims, "iss": iss}))
            self.assertIsInstance(verdict, Caller, issuer)

    def test_an_issuer_that_no_assertion_can_have_is_a_mistake_at_the_start(self) -> None:
        with self.assertRaisesRegex(ValueError, "issuer must be an address"):
            Holdfast("http://127.0.0.1:1", issuer="api.example.com", assertion_secret=SECRET)

    def test_behind_a_proxy_a_route_asks_for_more(self) -> None:
        asked: list[tuple[dict[str, Any], str | None]] = [
            ({"org": "any"}, None),
            ({"org": ["org_2", "org_1"]}, None),
            ({"org": "org_2"}, "not-a-member"),
            ({"role": "org:admin"}, None),
            ({"role": "owner, admin"}, None),
            ({"role": "Admin"}, "role-missing"),
            ({"permission": "a:b"}, None),
            ({"permission": "org:a"}, "permission-missing"),
            ({"permission": "org:a:c", "role": "owner", "org": "org_2"}, "not-a-member"),
            ({"optional": True, "role": "owner"}, "role-missing"),
        ]
        plain = {name: value for name, value in self.claims.items() if not name.startswith("org")}
        for requirements, code in asked:
            with self.subTest(requirements=requirements):
                verdict = self.holdfast.verify_assertion(assertion(self.claims), Requirements(**requirements))
                self.assertEqual(verdict.problem["code"] if isinstance(verdict, Refusal) else None, code)
                nobody = self.holdfast.verify_assertion(assertion(plain), Requirements(**requirements))
                assert isinstance(nobody, Refusal)
                self.assertEqual(nobody.status, 403)

    def test_anything_else_is_not_believed(self) -> None:
        for value in [
            None,
            assertion(self.claims, "x" * 40),
            assertion(self.claims, algorithm="none"),
            assertion(self.claims, algorithm="RS256"),
            assertion(self.claims)[:-44],
            assertion({**self.claims, "iss": "https://evil.example"}),
            assertion({**self.claims, "aud": "evil.example"}),
            assertion({**self.claims, "exp": time.time() - 6}),
            assertion({**self.claims, "exp": None}),
            assertion({**self.claims, "sub": 7}),
            assertion(None),
            "a.b.c",
            "ä.ö.ü",
            f"{base64.urlsafe_b64encode(b'[' * 100_000).decode()}.b.c",
        ]:
            with self.subTest(value=repr(value)[:80]):
                verdict = self.holdfast.verify_assertion(value)
                assert isinstance(verdict, Refusal), verdict
                self.assertEqual(verdict.status, 403)
        with self.assertRaises(ValueError):
            Holdfast("http://127.0.0.1:1", assertion_secret="short")


class Webhooks(unittest.TestCase):
    secret = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ok!").decode()
    body = b'{"type":"instagram.status","data":{"user_id":"user_1"}}'

    def signed(self, at: float | None = None, body: bytes = body) -> dict[str, str]:
        timestamp = str(int(at or time.time()))
        key = base64.b64decode(self.secret[6:])
        signature = base64.b64encode(hmac.digest(key, f"msg_1.{timestamp}.".encode() + body, hashlib.sha256)).decode()
        return {"Webhook-Id": "msg_1", "Webhook-Timestamp": timestamp, "Webhook-Signature": f"v1,AAAA v1,{signature}"}

    def test_what_is_signed_is_believed(self) -> None:
        event = verify_webhook(self.body, self.signed(), ["whsec_AAAA", f"{self.secret}\n"])
        assert event["type"] == "instagram.status"
        self.assertEqual(event["data"]["user_id"], "user_1")

    def test_an_incident_is_an_event_without_a_status(self) -> None:
        body = b'{"type":"incident.began","timestamp":"2026-01-01T00:00:00Z","data":{"provider":"instagram"}}'
        event = verify_webhook(body, self.signed(body=body), self.secret)
        self.assertEqual(event["data"].get("provider"), "instagram")
        # The types know it, too.
        with self.assertRaises(KeyError):
            _ = event["data"]["status"]  # type: ignore[typeddict-item]

    def test_anything_else_is_not(self) -> None:
        for body, headers in [
            (b"{}", self.signed()),
            (self.body, {**self.signed(), "Webhook-Id": "msg_2"}),
            (self.body, self.signed(time.time() - 400)),
            (self.body, self.signed(time.time() + 400)),
            (self.body, {**self.signed(), "Webhook-Signature": "v1,"}),
            (self.body, {**self.signed(), "Webhook-Timestamp": "9" * 5000}),
            (self.body, {**self.signed(), "Webhook-Signature": "v1,\udcff"}),
            (self.body, {}),
            (None, self.signed()),
            (b"x", self.signed(body=b"x")),
            (b"[" * 100_000, self.signed(body=b"[" * 100_000)),
        ]:
            with self.subTest(event=repr((body, headers))[:160]), self.assertRaises(WebhookError):
                verify_webhook(body, headers, self.secret)  # type: ignore[arg-type]
        with self.assertRaises(ValueError):
            verify_webhook(self.body, self.signed(), "whsec_")


if __name__ == "__main__":
    unittest.main()
