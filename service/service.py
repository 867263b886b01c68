"""What ``bentoml serve`` starts, in the checkout and in a bento.

BentoML gives the process model, the health routes and the packaging; the routes that answer are a
FastAPI application beside BentoML's own, which cost ten times as much per request and log what they
refuse. Its access log and metrics are off: both write down the path of every request as it came,
and a path may hold a name.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import bentoml
from bentoml._internal.utils import circus
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from medpipe import config
from medpipe.errors import ParamsError
from medpipe.serving import access, api, catalogue, cors, recorder
from medpipe.serving.log import WithoutValues

# BentoML's arbiter looks every 10 s for a process that has died: so long nobody would be answered.
# It has no setting for that (release 1.4.39); it imports this module before it makes its arbiter.
_LOOK_S = 1.0
_PARENT = "MEDPIPE_PARENT"
"""Of a process that answers: which one watches over it, said before it begins."""
_arbiter = circus.create_standalone_arbiter


def _quick_arbiter(watchers: list[Any], **options: Any) -> Any:
    """BentoML's, which looks more often and tells each process who watches over it."""
    for watcher in watchers:
        watcher.env = {**(watcher.env or {}), _PARENT: str(os.getpid())}
    return _arbiter(watchers, check_delay=_LOOK_S, **options)


circus.create_standalone_arbiter = _quick_arbiter

_ROOT = Path(__file__).resolve().parents[1]

_PAGE = Path(__file__).with_name("page.html")

_porter = access.at(_ROOT)

app = api.create(
    lambda: catalogue.at(_ROOT),
    recorder=lambda: recorder.at(_ROOT),
    page=_PAGE,
    porter=_porter,
)


def _workers() -> int:
    """Processes that answer: MEDPIPE_WORKERS, else 1."""
    given = config.environment("MEDPIPE_WORKERS") or "1"
    if not given.isdecimal() or int(given) < 1:
        raise ParamsError(f"MEDPIPE_WORKERS is {given!r} and must be a whole number, at least 1")
    return int(given)


def _image() -> bentoml.images.Image:
    """What ``bentoml build`` lays under the bento: the base that bentofile.yaml names, as it is.

    On a distribution that BentoML knows by name it would install a compiler and git.
    """
    image = bentoml.images.Image(base_image="named in bentofile.yaml", distro="as it is")
    wanted = _ROOT / "system.txt"  # medpipe.package writes it; a checkout has none
    for command in wanted.read_text(encoding="utf-8").splitlines() if wanted.is_file() else ():
        image.run(command)
    return image


def _end_with_parent(parent: int) -> None:
    """End this process in good order within a second of `parent`, which watches over it.

    A worker is in a session of its own: killed outright, or for want of memory, `bentoml serve`
    would leave it answering, with nobody to replace it and the port taken.
    """
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)


@bentoml.service(
    name="medpipe",
    image=_image(),
    # Batches form within a process, and decoding and model use threads: one is right for most
    # (docs/serve.md says when two are).
    workers=_workers(),
    traffic={"timeout": 60},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},  # a span would hold the whole URL
    # This machine only, unless --host says otherwise: put a proxy that speaks TLS before it …
    http={"host": "127.0.0.1", "port": 3000},
    # … but in a container, which is reached through a published port. Only images read this.
    envs=[{"name": "BENTOML_HOST", "value": "0.0.0.0"}],
)
@bentoml.asgi_app(app, path="/")
class MedpipeService:
    """Answers clinical questions about uploaded files, with the models that the gate allowed."""

    def __init__(self) -> None:
        parent = int(config.environment(_PARENT) or os.getppid())
        threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
        logging.getLogger("medpipe").setLevel(logging.INFO)
        for name in ("uvicorn.error", "bentoml._internal.server.http_app"):
            logging.getLogger(name).addFilter(WithoutValues())
        for name in (
            "python_multipart",
            "pydicom",
            "highdicom",
            "openjpeg",
        ):  # they quote what they read
            logging.getLogger(name).setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", module="pydicom")

    async def __is_ready__(self) -> bool:
        """Whether every release may be served and recorded; if not, the 503 says why.

        Raises
        ------
        HTTPException : 503 with the reason, which BentoML's own answer would leave out
        """
        if (reason := app.state.desk.not_ready()) is not None:
            raise HTTPException(503, detail=f"not ready: {reason}")
        return True


class _Straight:
    """All but the health routes straight to our application.

    BentoML's own pages, one of which loads a tag manager, are so out of reach, whatever a release
    of it may add; and a request is spared a search through two tables of routes.
    """

    def __init__(self, bentoml_app: ASGIApp) -> None:
        self._bentoml_app = bentoml_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_theirs = scope["type"] != "http" or scope["path"] in access.OPEN
        await (self._bentoml_app if is_theirs else app)(scope, receive, send)


# Before everything, outermost first.
_front = MedpipeService.add_asgi_middleware  # type: ignore[attr-defined]  # it is a Service now
_front(cors.Cors)
_front(access.Guard, porter=_porter, refuse=api.refusals(_PAGE))
_front(_Straight)
