"""Who asks, and what they may ask for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from medpipe import workloads
from medpipe.errors import AccessError, ParamsError
from medpipe.serving.access.rate import Rate

EVERYTHING = "*"
ANSWER = "answer"
"""Comes with a workload: ``answer:chest_xray``, or ``answer:*`` for all."""

MEANINGS = {
    "papers": "what is served: the page, lists, cards, certificates, the description of the routes",
    "audit": "the record of the answers",
    "feedback": "telling what became of an answer",
}
"""The other scopes."""


@dataclass(frozen=True)
class Caller:
    """Who a request is from.

    Parameters
    ----------
    name : ``key:NAME``, ``oidc:SUBJECT`` or ``this machine``; goes into the audit record
    scopes : what the caller may do, as `may` reads them
    rate : most requests; None for no limit
    site : where this request says that it comes from; to be kept as a pseudonym only
    """

    name: str
    scopes: frozenset[str]
    rate: Rate | None = None
    site: str | None = None

    def may(self, scope: str) -> bool:
        """Whether `scope` is among what this caller may do; a bare ``answer``: any workload's."""
        if EVERYTHING in self.scopes or scope in self.scopes:
            return True
        kind, _, target = scope.partition(":")
        if kind != ANSWER:
            return False
        return f"{ANSWER}:*" in self.scopes or (
            not target and any(held.startswith(f"{ANSWER}:") for held in self.scopes)
        )

    def require(self, scope: str) -> None:
        """Nothing, for a caller who has `scope`.

        Raises
        ------
        AccessError : 403, with the name of the scope; of a workload only if it is installed,
            because what was sent as its name may be a person's
        """
        if self.may(scope):
            return
        kind, _, target = scope.partition(":")
        named = f"{kind}:WORKLOAD" if target and target not in workloads.names() else scope
        raise AccessError(
            f"{self.name} lacks the scope {named}; have it added (`medpipe keys add --scope`, or a "
            "claim of the token)",
            status=403,
            challenges=(f'Bearer realm="medpipe", error="insufficient_scope", scope="{named}"',),
        )


def is_scope(text: str) -> bool:
    """Whether `text` is spelled as a scope is; a token holds others, which are for others."""
    kind, _, target = text.partition(":")
    return text in MEANINGS or text == EVERYTHING or (kind == ANSWER and bool(target))


def checked(scopes: Iterable[str]) -> tuple[str, ...]:
    """`scopes` without repetitions, in order.

    Raises
    ------
    ParamsError : none, or one that is unknown; the message names what is near
    """
    known = [EVERYTHING, f"{ANSWER}:*", *MEANINGS, *(f"{ANSWER}:{n}" for n in workloads.names())]
    found = tuple(dict.fromkeys(scopes))
    for scope in found:
        if scope not in known:
            near = difflib.get_close_matches(scope, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ParamsError(f"unknown scope {scope!r}; {hint}There are: {', '.join(known)}")
    if not found:
        raise ParamsError(f"give at least one --scope; there are: {', '.join(known)}")
    return found
