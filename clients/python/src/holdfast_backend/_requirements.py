"""What a route asks of its callers, beyond a good token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence
from urllib.parse import urlencode

from ._caller import Caller

#: In the order in which Holdfast looks at them, with the code where none of the values fits.
_CODES = {"org": "not-a-member", "role": "role-missing", "permission": "permission-missing"}


class _NotAsked(tuple[str, ...]):
    """The default. Anything else without a value was meant to ask for something: ignored, it would let everybody pass."""


NOT_ASKED = _NotAsked()


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a route asks of its callers, beyond a good token. Of several values any will do."""

    optional: bool = False
    org: str | Sequence[str] = NOT_ASKED
    role: str | Sequence[str] = NOT_ASKED
    permission: str | Sequence[str] = NOT_ASKED

    def __post_init__(self) -> None:
        for name in _CODES:
            given = getattr(self, name)
            if given is not NOT_ASKED and not (given and all(_values(given))):
                raise ValueError(f"{name} is asked for, and has no value")

    @property
    def query(self) -> str:
        pairs = [("credentials", "optional")] if self.optional else []
        pairs += [(name, value) for name in _CODES for value in _values(getattr(self, name))]
        return f"?{urlencode(pairs)}" if pairs else ""

    def unmet_by(self, caller: Caller) -> str | None:
        """The code of the first requirement that the caller does not meet."""
        holds = {
            "org": lambda org: caller.org_id is not None and org in ("any", caller.org_id),
            "role": lambda role: caller.org_role is not None and _bare(caller.org_role) == _bare(role),
            "permission": lambda permission: _bare(permission) in map(_bare, caller.org_permissions),
        }
        for name, code in _CODES.items():
            given = getattr(self, name)
            if given is not NOT_ASKED and not any(map(holds[name], _values(given))):
                return code
        return None


def _values(given: str | Sequence[str]) -> list[str]:
    return [one.strip() for each in ([given] if isinstance(given, str) else given) for one in each.split(",")]


def _bare(name: str) -> str:
    """Roles and permissions are written with and without this prefix."""
    return name.removeprefix("org:")
