"""Holdfast's events, in the form of Standard Webhooks (https://www.standardwebhooks.com/)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from typing import TYPE_CHECKING, Iterable, Protocol, Sequence

if TYPE_CHECKING:
    from .types import HoldfastEvent

TOLERANCE_S = 5 * 60


class Headers(Protocol):
    """A mapping of names to values, or what a framework has for one: not each of them calls it a `Mapping`."""

    def items(self) -> Iterable[tuple[str, str]]: ...


class WebhookError(Exception):
    """The event is not from Holdfast, or not from now."""


def verify_webhook(body: bytes, headers: Headers, secret: str | Sequence[str]) -> HoldfastEvent:
    """The event, once its signature and its time have been checked. `body`: the bytes as they arrived."""
    if not isinstance(body, bytes):
        raise WebhookError("the body's bytes as they arrived are needed")
    named = {name.lower(): value for name, value in headers.items()}
    identifier, timestamp = named.get("webhook-id", ""), named.get("webhook-timestamp", "")
    if not identifier or not re.fullmatch(r"[0-9]{1,15}", timestamp):
        raise WebhookError("webhook-id or webhook-timestamp is missing")
    if abs(time.time() - int(timestamp)) > TOLERANCE_S:
        raise WebhookError("the event is more than five minutes old, or this clock is wrong")
    message = f"{identifier}.{timestamp}.".encode(errors="replace") + body
    expected = [
        base64.b64encode(hmac.digest(_key(each), message, hashlib.sha256))
        for each in ([secret] if isinstance(secret, str) else secret)
    ]
    given = named.get("webhook-signature", "").encode(errors="replace").split(b" ")
    if not any(hmac.compare_digest(each, b"v1," + ours) for each in given for ours in expected):
        raise WebhookError("no signature fits the secret")
    try:
        event: HoldfastEvent = json.loads(body)
    except (ValueError, RecursionError):
        raise WebhookError("the event is not JSON") from None
    return event


def _key(secret: str) -> bytes:
    secret = secret.strip()  # a file's ends in a line end
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True) if secret.startswith("whsec_") else b""
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError("the webhook secret must be whsec_ and base64")
    return key
