"""``medpipe package``, ``image`` and ``export``: what is given to those who run the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from medpipe.commands import show
from medpipe.errors import ParamsError
from medpipe.image import engine, foundation
from medpipe.package import package as build
from medpipe.paths import Layout
from medpipe.project import open_workload
from medpipe.sections import ImageParams


@click.command()
@click.argument("workloads", metavar="WORKLOAD...", nargs=-1, required=True)
@click.pass_obj
def package(root: Path, workloads: tuple[str, ...]) -> None:
    """Build the bento that serves the champion of each WORKLOAD.

    \b
    Example
      medpipe package chest_xray
      export MEDPIPE_AUDIT=sqlite:///$PWD/.medpipe/audit.db
      BENTOML_HOME=.medpipe/bentoml bentoml serve medpipe_chest_xray:latest
    """
    layouts, params = _opened(root, workloads)
    show(build(layouts, foundation.cpu(params)))


@click.command()
@click.argument("workloads", metavar="WORKLOAD...", nargs=-1, required=True)
@click.option("--gpu", is_flag=True, help="For NVIDIA's graphics cards; checked with one.")
@click.option(
    "--without-card",
    is_flag=True,
    help="With --gpu: there is none here. It must answer by the processor, and hold what a card "
    "needs.",
)
@click.option(
    "--backend",
    type=click.Choice(engine.BUILDERS),
    help="What builds the image.  [default: the first of these that works here]",
)
@click.option(
    "--opt",
    "options",
    multiple=True,
    help="For the builder, as `bentoml containerize --opt` takes it: `network=host`, `no-cache`.",
)
@click.pass_obj
def image(
    root: Path,
    workloads: tuple[str, ...],
    gpu: bool,
    without_card: bool,
    backend: engine.Builder | None,
    options: tuple[str, ...],
) -> None:
    """Build one container of each WORKLOAD's champion, and check it before it gets its name.

    BentoML builds it with Docker, Podman or Buildah. It is started without a network, on a
    read-only file system and without a privilege, and must answer held-back examples as evaluate
    recorded; else it is removed and the reason told.

    Printed are its name, size, seconds from start to ready, the largest difference of an answer
    from the recorded one, its labels, and where the bill of materials is (CycloneDX). The base
    image is chosen in params.yaml, section `image`; more in docs/image.md.

    \b
    Example
      medpipe image chest_xray
      medpipe image chest_xray readmission --backend podman
      medpipe image chest_xray --gpu --opt network=host
      medpipe image chest_xray --gpu --without-card
    """
    from medpipe.image.build import image as build_image  # delayed: pandas and more

    if without_card and not gpu:
        raise ParamsError("--without-card is about an image for graphics cards: give --gpu, too")
    layouts, params = _opened(root, workloads)
    found = engine.find(backend)
    base = foundation.cuda(params) if gpu else foundation.cpu(params)
    show(build_image(layouts, base, found, options=options, on_card=gpu and not without_card))


@click.command()
@click.argument("workload")
@click.option(
    "--edge", is_flag=True, required=True, help="As a folder that needs no medpipe; the one form."
)
@click.option("--variant", help="fp32, fp16 or int8 of the champion's run.  [default: as released]")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write; what was there is replaced.  [default: dist/edge/WORKLOAD]",
)
@click.option(
    "--examples",
    type=click.IntRange(1, 10_000),
    default=64,
    show_default=True,
    help="Held-back examples that folder and service both answer.",
)
@click.pass_obj
def export(
    root: Path, workload: str, edge: bool, variant: str | None, folder: Path | None, examples: int
) -> None:
    """Write WORKLOAD's champion as a folder that needs numpy and ONNX Runtime alone.

    Its answers are compared with the service's before it takes its place; size, latency on this
    machine and what the variant costs are printed and signed. More in docs/edge.md.

    \b
    Example
      medpipe export chest_xray --edge --variant int8
      python dist/edge/chest_xray/run.py FILM.png
    """
    from medpipe.edge import build as edges  # delayed: ONNX Runtime and the report's libraries

    opened = open_workload(workload, root)
    asked = edges.Asked(variant, examples)
    place = (folder or opened.layout.edge).resolve()  # it is tried from another folder
    show(edges.build(opened.workload, opened.params, opened.layout, place, asked))


def _opened(root: Path, names: Sequence[str]) -> tuple[list[Layout], ImageParams]:
    """Layouts of the workloads, each once and in order of their names, and what they stand on.

    Raises
    ------
    ParamsError : a workload or parameter that is wrong, or two that want different images
    """
    opened = [open_workload(name, root) for name in sorted(set(names))]
    wanted = opened[0].params.image
    for other in opened[1:]:
        if other.params.image != wanted:
            raise ParamsError(
                f"section image of {other.workload.name} differs from that of "
                f"{opened[0].workload.name} in params.yaml; make them equal, or build an image of "
                "each"
            )
    return [each.layout for each in opened], wanted
