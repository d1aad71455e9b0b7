"""Who is calling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The verified holder of a session token."""

    user_id: str
    session_id: str | None = None
    org_id: str | None = None
    org_role: str | None = None
    org_permissions: tuple[str, ...] = ()
    #: Who acts in the user's name; such a session should not change anything.
    impersonator: str | None = None
