"""What both middlewares are told."""

from __future__ import annotations

from typing import Generic, Iterable, Sequence, TypeVar

from . import Holdfast, Requirements
from ._requirements import NOT_ASKED

App = TypeVar("App")


class Middleware(Generic[App]):
    def __init__(
        self,
        app: App,
        holdfast: Holdfast,
        *,
        behind_proxy: bool = False,
        optional: bool = False,
        org: str | Sequence[str] = NOT_ASKED,
        role: str | Sequence[str] = NOT_ASKED,
        permission: str | Sequence[str] = NOT_ASKED,
        public: str | Iterable[str] = (),
    ) -> None:
        self.app, self.holdfast, self.behind_proxy = app, holdfast, behind_proxy
        self.requirements = Requirements(optional, org, role, permission)
        if behind_proxy:
            _ = holdfast.assertions  # raises now, and not with the first request
        #: A string is one path: taken apart, its parts would be public too.
        self.public = frozenset([public] if isinstance(public, str) else public)


def effective_method(method: str, overrides: Iterable[object]) -> str:
    """OPTIONS passes unjudged. What lies further in, and takes the method from a header, would make it another one."""
    return "GET" if method == "OPTIONS" and any(overrides) else method
