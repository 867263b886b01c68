"""Section `notify` of params.yaml: who is told of what. Addresses are secrets, and not in it."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from medpipe.workload import Section

Occasion = Literal["refused", "waits", "failed", "drifted", "rolled back"]
Way = Literal["webhook", "slack", "teams", "email", "apprise"]


class Receiver(Section):
    """Someone who is told.

    Parameters
    ----------
    address : name of the environment variable that holds the URL: a webhook's, for e-mail
        Apprise's mailtos://user:password@host?to=someone@example.org, for apprise any of Apprise's
        addresses, such as mmosts://chat.example.org/TOKEN for a Mattermost in the building
    """

    by: Way
    address: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    when: list[Occasion] = Field(default_factory=lambda: list(get_args(Occasion)))


class NotifyParams(Section):
    """Names of one's own choice → who is told, and of what."""

    to: dict[str, Receiver] = Field(default_factory=dict)
