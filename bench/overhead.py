"""What the stack costs: `medpipe run` against a plain script, and a second run with nothing new.

Both take the same invented patients from DICOM files to a trained network as ONNX, fp32 and int8,
with an AUROC on test patients: same reading, same shares of patients, same network and recipe. The
plain script is `plain` below, one process without Prefect, DVC, MLflow, Great Expectations,
Lightning or BentoML. Beside that, medpipe de-identifies, validates, versions, checkpoints, tests
with intervals and by subgroups, gates, signs, registers and packages. Both are commands started
from nothing, imports included; `medpipe run` works in a fresh clone of this repository.

    python bench/overhead.py [--epochs 60]
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import yaml

from medpipe import config, split, stages, workloads
from medpipe.io import dicom
from medpipe.paths import Layout
from medpipe.sources import sample

ROOT = Path(__file__).resolve().parents[1]
WORKLOAD = "chest_xray"
SIZE_PX = 96
LIMIT_RATIO, LIMIT_RERUN_S = 1.3, 15
_STAGE_ENDS = re.compile(rf"({'|'.join(stages.NAMES)}) \w+: done in ([\d.]+) s")
_TASK_ENDS = "Finished in state Completed()"
_ASKED = r"\b{0} \w+: start|Stage '{0}@"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--epochs", type=int, default=60, help="minutes of training [60]")
    arguments.add_argument("--plain", type=Path, metavar="ROOT", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.plain:
        print(json.dumps(plain(given.plain)))
        return
    with tempfile.TemporaryDirectory() as name:
        root = project(Path(name) / "project", epochs=given.epochs)
        # Verbose, for Prefect's own lines: they say when each task has ended.
        medpipe = Path(sys.executable).parent / "medpipe"
        command = [str(medpipe), "--verbose", "--root", str(root)]
        theirs = finished([sys.executable, __file__, "--plain", str(root)], root)
        ours = finished([*command, "run", WORKLOAD], root)
        again = finished([*command, "run", WORKLOAD], root)
    show(theirs, ours, again, epochs=given.epochs)
    print(f"\n{machine.line('torch', 'prefect', 'dvc', 'mlflow')}")


@dataclass(frozen=True)
class Finished:
    """A command that ended well. `lines` are those of its standard error with their times, s."""

    wall_s: float
    cpu_s: float
    outcome: dict[str, Any]
    lines: tuple[tuple[float, str], ...]


def finished(command: list[str], folder: Path) -> Finished:
    """Run `command`, whose standard output is JSON, with as many threads as it likes."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    before, started = _children_cpu_s(), time.perf_counter()
    lines = []
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            lines.append((time.perf_counter() - started, line.rstrip()))
        if process.wait():
            raise SystemExit("\n".join(line for _, line in lines[-20:]))
        wall_s = time.perf_counter() - started
        output.seek(0)
        outcome = json.load(output)
    return Finished(wall_s, _children_cpu_s() - before, outcome, tuple(lines))


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def show(theirs: Finished, ours: Finished, again: Finished, *, epochs: int) -> None:
    """Print the tables."""
    ratio = ours.wall_s / theirs.wall_s
    print(
        f"| {theirs.outcome['films']} films, {epochs} epochs at {SIZE_PX}² | s | × plain | CPU s |"
    )
    print("|---|---|---|---|")
    rows = {"plain script": theirs, "medpipe run": ours, "medpipe run, nothing new": again}
    for name, run in rows.items():
        times = f"{run.wall_s:.1f} | {run.wall_s / theirs.wall_s:.2f} | {run.cpu_s:.0f}"
        print(f"| {name} | {times} |")
    print(
        f"\n{ratio:.2f} × (limit {LIMIT_RATIO}); nothing new {again.wall_s:.1f} s (limit "
        f"{LIMIT_RERUN_S} s); AUROC of the plain script {theirs.outcome['auroc']:.3f}"
    )
    phases = ", ".join(f"{name} {took:.1f} s" for name, took in theirs.outcome["phases"].items())
    print(f"plain script: {phases}\n")
    print("| medpipe run, step | s | of it the stage's own work | around it | again, s |")
    print("|---|---|---|---|---|")
    own = {m[1]: float(m[2]) for _, line in ours.lines if (m := _STAGE_ENDS.search(line))}
    later = dict(steps(again))
    for step, took in steps(ours):
        work = f"{own[step]:.1f} | {took - own[step]:.1f}" if step in own else "– | –"
        print(f"| {step} | {took:.1f} | {work} | {later.get(step, 0):.1f} |")


def steps(run: Finished) -> list[tuple[str, float]]:
    """What the flow did, one after the other, and how long each took; start and end included."""
    after = ["promote", *(["package"] if run.outcome["bento"] else []), "push", "page"]
    marks = [at for at, line in run.lines if "Beginning flow run" in line or _TASK_ENDS in line]
    took = [end - start for start, end in zip([0.0, *marks], [*marks, run.wall_s], strict=True)]
    # Where DVC has nothing to do after ingest it is asked once, before promote.
    said = "\n".join(line for _, line in run.lines)
    asked = [name for name in stages.NAMES if re.search(_ASKED.format(name), said)]
    # The change plan is asked about data that were judged.
    asked.insert(len(asked) - len({*asked} - {"ingest", "validate"}), "plan")
    return list(zip(["start", *asked, *after, "end"], took, strict=True))


def project(root: Path, *, epochs: int) -> Path:
    """A clone of this repository with its parameters changed, and the sample in its place."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(root)], check=True)
    content = yaml.safe_load((root / "params.yaml").read_text())
    section = content["workloads"][WORKLOAD]
    section["train"]["epochs"] = epochs
    section["preprocess"]["size_px"] = SIZE_PX
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    workload = workloads.get(WORKLOAD)
    source = config.load(root, workload).source
    sample.ensure(
        workload, Layout(root, WORKLOAD).source, patients=source.patients, seed=source.seed
    )
    return root


# -- the plain script ----------------------------------------------------------------------------
def plain(root: Path) -> dict[str, Any]:
    """From DICOM files to ONNX and AUROC; what it took, by phase."""
    phases: dict[str, float] = {}
    with _timed(phases, "imports"):
        from medpipe.artefact import graph, int8
        from medpipe.objectives.binary import OBJECTIVE
        from medpipe.serving.session import Session
    workload = workloads.get(WORKLOAD)
    params = config.load(root, workload)
    with _timed(phases, "reading"):
        sides = films(root, params)
    images, labels = sides["train"]
    state = {
        **params.preprocess.model_dump(),
        "mean": float(images.mean()),
        "std": float(images.std()),
    }
    with _timed(phases, "training"):
        network = fitted(workload, params, state, sides)
    with _timed(phases, "export"):
        graph.export(network, {"image": images[:2]}, root / "plain.onnx")
        some = images[: params.export.calibration_examples]
        int8.quantise(root / "plain.onnx", root / "plain8.onnx", {"image": some})
    with _timed(phases, "scoring"):
        images, labels = sides["test"]
        auroc = OBJECTIVE.score(labels, Session(root / "plain.onnx").score({"image": images}))
    count = sum(len(labels) for _, labels in sides.values())
    return {"films": count, "auroc": auroc, "phases": phases}


@contextmanager
def _timed(phases: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    phases[name] = time.perf_counter() - started


def films(root: Path, params: config.Params) -> dict[str, tuple[Any, Any]]:
    """Side → images, uint8 (N, 1, S, S), and labels, float32 (N,)."""
    import numpy as np

    from medpipe.errors import UnreadableError

    workload = workloads.get(WORKLOAD)
    folder, seen = Layout(root, WORKLOAD).source, set()
    found: dict[str, list[tuple[Any, int]]] = {"train": [], "val": [], "test": []}
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    for path, label in rows:
        data = (folder / path).read_bytes()
        digest = hashlib.sha256(data).digest()
        if digest in seen:
            continue
        seen.add(digest)
        try:
            patient = dicom.identity(data).patient_id
            _, inputs = workload.request(
                data, params.preprocess.model_dump(), limits=params.ingest.model_dump()
            )
        except UnreadableError:
            continue
        rule = params.split
        side = split.side(str(patient), salt=rule.salt, val=rule.val, test=rule.test)
        found[side].append((inputs["image"], int(label)))
    return {
        side: (np.stack([i for i, _ in pairs]), np.array([y for _, y in pairs], np.float32))
        for side, pairs in found.items()
    }


def fitted(workload: Any, params: config.Params, state: dict[str, Any], sides: Any) -> Any:
    """The network with the weights of its best epoch on val."""
    import torch
    from torch.nn import functional, utils

    from medpipe.learning import batches, hardware, optimisers
    from medpipe.objectives.binary import OBJECTIVE

    chosen = params.train
    device = "cuda" if hardware.choose(chosen).accelerator == "cuda" else "cpu"
    bf16 = hardware.choose(chosen).precision == "bf16"
    torch.manual_seed(chosen.seed)
    network = workload.model(params.model, state).to(device, memory_format=torch.channels_last)
    augment = workload.augment(params.augment).to(device)
    optimiser = optimisers.optimiser(network, chosen)
    images, labels = (torch.from_numpy(array).to(device) for array in sides["train"])
    val = torch.from_numpy(sides["val"][0]).to(device)
    best, weights = -1.0, {}
    for epoch in range(chosen.epochs):
        network.train()
        plan = batches.plan(
            len(labels), batch_size=chosen.batch_size, seed=chosen.seed, epoch=epoch
        )
        for number, rows in enumerate(plan):
            done = (epoch + number / len(plan)) / chosen.epochs
            factor = optimisers.rate_factor(chosen.schedule, done=done, val_losses=[])
            for group in optimiser.param_groups:
                group["lr"] = chosen.learning_rate * factor
            with torch.autocast(device, torch.bfloat16, enabled=bf16):
                logits = network(augment(images[rows]))[:, 0]
            loss = functional.binary_cross_entropy_with_logits(logits.float(), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            utils.clip_grad_norm_(network.parameters(), chosen.gradient_clip)
            optimiser.step()
        network.eval()
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=bf16):
            logits = network(val)[:, 0].float().cpu().numpy()
        if (score := OBJECTIVE.score(sides["val"][1], logits)) > best:
            best = score
            weights = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(weights)
    return network.to("cpu", memory_format=torch.contiguous_format).eval()


if __name__ == "__main__":
    main()
