"""Who is calling, where a proxy has asked Holdfast already: `X-Auth-Assertion` proves that it did."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from typing import Any, Sequence
from urllib.parse import urlsplit

from ._caller import Caller
from ._requirements import Requirements
from ._verify import Refusal, is_preflight, refuse

ALLOWED_SKEW_S = 5


class AssertionVerifier:
    def __init__(
        self, secret: str | Sequence[str], issuer: str, audience: str | None = None, judge_every_method: bool = False
    ) -> None:
        # Values from files and variables end in line ends and blanks. Holdfast takes them off its own, the same secrets.
        self._secrets = [each.strip().encode() for each in ([secret] if isinstance(secret, str) else secret)]
        self._issuer, self._audience = _as_written(issuer), audience
        self._judge_every_method = judge_every_method
        if not re.match("https?://[^/]", self._issuer):
            raise ValueError("issuer must be an address that begins with http:// or https://, as HOLDFAST_PUBLIC_URL does")
        if not self._secrets or any(len(each) < 32 for each in self._secrets):
            raise ValueError("the secret must have at least 32 bytes, as HOLDFAST_FORWARD_AUTH_SECRET has")

    def verify(
        self, assertion: str | None, requirements: Requirements = Requirements(), method: str = "GET"
    ) -> Caller | None | Refusal:
        if not assertion:
            if requirements.optional or (is_preflight(method) and not self._judge_every_method):
                return None
            return _refused("assertion-missing", "The request did not come through the proxy that checks session tokens.")
        claims = self._read(assertion)
        if (
            claims is None
            or claims.get("iss") != self._issuer
            or (self._audience is not None and claims.get("aud") != self._audience)
            or not isinstance(claims.get("sub"), str)
            or not isinstance(claims.get("exp"), (int, float))
            or time.time() >= claims["exp"] + ALLOWED_SKEW_S
        ):
            return _refused("assertion-invalid", "The proxy's assertion about the caller does not hold.")
        caller = Caller(
            claims["sub"], claims.get("sid"), claims.get("org"), claims.get("org_role"),
            tuple(claims.get("org_permissions") or ()), (claims.get("act") or {}).get("sub"),
        )
        # The proxy may have asked for less than this route does.
        missing = requirements.unmet_by(caller)
        return _refused(missing, "The caller does not have what this route asks for.", "Not allowed") if missing else caller

    def _read(self, assertion: str) -> dict[str, Any] | None:
        """The claims, where the token is HS256 and signed with one of the secrets."""
        try:
            header, payload, signature = assertion.split(".")
            parsed = json.loads(_decode(header))
            given = _decode(signature)
            message = f"{header}.{payload}".encode("ascii")
            if parsed.get("alg") != "HS256" or "crit" in parsed:
                return None
            if not any(hmac.compare_digest(hmac.digest(each, message, hashlib.sha256), given) for each in self._secrets):
                return None
            claims = json.loads(_decode(payload))
        except (ValueError, AttributeError, RecursionError):
            return None
        return claims if isinstance(claims, dict) else None


def _as_written(address: str) -> str:
    """An address as Holdfast writes it in assertions, however `HOLDFAST_PUBLIC_URL` was written."""
    parts = urlsplit(address.strip())
    host = parts.netloc.lower().removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def _decode(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _refused(code: str, detail: str, title: str = "Not through the proxy") -> Refusal:
    """Not a 401: the caller's own credential was not looked at."""
    members = {"title": title, "detail": detail, "source": "request", "code": code, "action": "contact_support"}
    return refuse(403, members)
