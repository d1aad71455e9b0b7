"""The types of the service API. Generated from docs/reference/openapi.json by scripts/generate_types.py."""

from __future__ import annotations

from typing import Any, Literal, TypedDict, Union

Action = Literal[
    "none",
    "connect",
    "reconnect",
    "wait",
    "fix_at_instagram",
    "contact_support",
]
EvidenceSource = Literal[
    "oauth",
    "refresh",
    "use",
    "callback",
    "clock",
]
ProblemAction = Literal[
    "refresh_session_token",
    "sign_in",
    "retry",
    "look_first",
    "fix_request",
    "connect",
    "reconnect",
    "fix_at_instagram",
    "contact_support",
]
ProblemSource = Literal[
    "session",
    "service_key",
    "request",
    "instagram",
    "clerk",
    "database",
    "server",
]
Reason = Literal[
    "user_disconnected",
    "denied",
    "attempt_expired",
    "attempt_failed",
    "account_moved",
    "account_not_admitted",
    "scopes_missing",
    "refresh_failing",
    "rate_limited",
    "provider_unavailable",
    "provider_incident",
    "app_misconfigured",
    "checkpoint",
    "unconfirmed",
    "restricted",
    "consent_blocked",
    "expired",
    "revoked",
    "password_changed",
    "deauthorized",
    "token_invalid",
    "account_ineligible",
    "key_lost",
    "grant_unreadable",
    "not_configured",
]
State = Literal[
    "not_connected",
    "connecting",
    "connected",
    "degraded",
    "action_required",
    "reconnect_required",
    "unavailable",
]

class Account(TypedDict):
    id: str
    professional_id: str | None
    username: str | None
    name: str | None
    account_type: str | None
    profile_picture_url: str | None


class AttemptLine(TypedDict):
    id: str
    outcome: str | None
    reason: Reason | None


class AttemptUnderway(TypedDict):
    id: str
    expires_at: str


class ConnectionsPage(TypedDict):
    connections: list[UserStatus]
    next: str | None


class DisconnectReceipt(TypedDict):
    disconnected: bool
    deleted_at: str | None
    revoke_hint: str


class Evidence(TypedDict):
    source: EvidenceSource
    at: str


class GraphAnswer(TypedDict):
    status: int
    body: Any


class HistoryLine(TypedDict):
    at: str
    state: State
    reason: Reason | None
    evidence: Evidence | None
    version: int
    attempt: AttemptLine | None


class HistoryPage(TypedDict):
    entries: list[HistoryLine]
    next: str | None


class IncidentEvent(TypedDict):
    type: Literal["incident.began", "incident.ended"]
    timestamp: str
    data: IncidentEventData


class IncidentEventData(TypedDict):
    provider: str


class InstagramEvent(TypedDict):
    type: Literal["instagram.status", "instagram.expiring_soon"]
    timestamp: str
    data: InstagramEventData


class InstagramEventData(TypedDict):
    user_id: str
    status: InstagramStatus


class _InstagramStatus(TypedDict):
    connected: bool
    state: State
    reason: Reason | None
    action: Action
    account: Account | None
    scopes: list[str]
    missing_scopes: list[str]
    token_expires_at: str | None
    next_refresh_at: str | None
    since: str | None
    retry_after: str | None
    evidence: Evidence | None
    attempt: AttemptUnderway | None
    version: int


class InstagramStatus(_InstagramStatus, total=False):
    error: str


class _Problem(TypedDict):
    title: str
    type: str
    status: int
    detail: str
    error: str
    source: ProblemSource
    code: str
    action: ProblemAction
    request_id: str


class Problem(_Problem, total=False):
    reason: str


class TokenAnswer(TypedDict):
    access_token: str
    token_expires_at: str
    scopes: list[str]
    account: Account | None


class _UserStatus(TypedDict):
    user_id: str
    connected: bool
    state: State
    reason: Reason | None
    action: Action
    account: Account | None
    scopes: list[str]
    missing_scopes: list[str]
    token_expires_at: str | None
    next_refresh_at: str | None
    since: str | None
    retry_after: str | None
    evidence: Evidence | None
    attempt: AttemptUnderway | None
    version: int


class UserStatus(_UserStatus, total=False):
    error: str


HoldfastEvent = Union[
    InstagramEvent,
    IncidentEvent,
]
