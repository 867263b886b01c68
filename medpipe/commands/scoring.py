"""``medpipe score``."""

from __future__ import annotations

from pathlib import Path

import click

from medpipe.commands import show
from medpipe.project import open_workload


@click.command()
@click.argument("workload")
@click.option(
    "--source",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Folder or table with the examples.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File to make, .parquet or .csv; FILE.refused beside it: what was refused, and why.",
)
@click.option(
    "--layout",
    default="",
    help="Layout of the source.  [default: source.name of params.yaml, with its options]",
)
@click.option(
    "--bento",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a bento, whose release answers.  [default: the champion]",
)
@click.pass_obj
def score(
    root: Path, workload: str, source: Path, out: Path, layout: str, bento: Path | None
) -> None:
    """Let WORKLOAD's champion answer for every example of a source.

    A scoring that was interrupted goes on when the same command is given again. The answers hold
    pseudonyms and no identifier; each has an id and stands in the record of answers, like one of
    the service. A table needs no label.

    \b
    Example
      medpipe sample readmission /tmp/tonight --patients 200
      medpipe score readmission --source /tmp/tonight --out tonight.parquet
    """
    from medpipe.scoring import score as answer  # delayed: pyarrow and ONNX Runtime

    opened = open_workload(workload, root)
    show(
        answer(
            opened.workload,
            opened.params,
            opened.layout,
            path=source.resolve(),
            out=out.resolve(),
            source=layout,
            bento=bento,
        )
    )
