"""Peak memory of ingest and preprocess while the data grow ten times: it must not grow with them.

The sample of invented patients, small and ten times as large, each through both stages; a stage is
a process of its own, and its peak is what the kernel counted (getrusage). The first size is chosen
so that it fills parts of raw, and the allocators' pools: below that there is less than a part to
hold. What may grow is the index: some twenty small values of each film, of which preprocess makes
one table.

    python bench/memory.py [--patients 300] [--times 10]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import machine

WORKLOAD = "chest_xray"
FLAT = 1.15
"""The largest ratio of peaks that counts as flat."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--patients", type=int, default=300, help="of the small sample [300]")
    arguments.add_argument("--times", type=int, default=10, help="how much larger the other is")
    arguments.add_argument("--stage", nargs=2, metavar=("NAME", "ROOT"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.stage:
        print(json.dumps(measured(*given.stage)))
        return
    with tempfile.TemporaryDirectory() as name:
        small, large = (
            grown(Path(name) / str(patients), patients)
            for patients in (given.patients, given.patients * given.times)
        )
    films = [counts["ingest"]["examples"] for counts in (small, large)]
    print(f"| peak, MiB | {films[0]} films | {films[1]} films | × | KiB for a film more | |")
    print("|---|---|---|---|---|---|")
    for stage in small:
        peaks = [counts[stage]["peak_mib"] for counts in (small, large)]
        ratio = peaks[1] / peaks[0]
        print(
            f"| {stage} | {peaks[0]:.0f} | {peaks[1]:.0f} | {ratio:.2f} | "
            f"{1024 * (peaks[1] - peaks[0]) / (films[1] - films[0]):.1f} | "
            f"{'flat' if ratio <= FLAT else 'grows'} |"
        )
    print(f"\n{machine.line('pyarrow', 'pandas')}")


def grown(root: Path, patients: int) -> dict[str, dict[str, float]]:
    """Stage → examples and peak_mib, in a project with so many invented patients."""
    root.mkdir()
    source = f"{{name: sample, patients: {patients}}}"
    (root / "params.yaml").write_text(f"workloads: {{{WORKLOAD}: {{source: {source}}}}}\n")
    # The sample is made first, by a process whose memory is not of interest.
    _finished([sys.executable, __file__, "--stage", "sample", str(root)])
    return {
        stage: json.loads(_finished([sys.executable, __file__, "--stage", stage, str(root)]))
        for stage in ("ingest", "preprocess")
    }


def measured(stage: str, root: str) -> dict[str, float]:
    """Run `stage` in this process, which does nothing else: what it gave and what it took."""
    # Delayed: the kernel counts the memory of whoever started a process as the process's own.
    from medpipe import stages
    from medpipe.project import open_workload
    from medpipe.sources import sample

    opened = open_workload(WORKLOAD, Path(root))
    if stage == "sample":
        wanted = opened.params.source
        sample.ensure(
            opened.workload, opened.layout.source, patients=wanted.patients, seed=wanted.seed
        )
        return {}
    outcome = stages.run(stage, WORKLOAD, root=Path(root))
    counts = outcome.get("examples") or sum(c["examples"] for c in outcome["counts"].values())
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"examples": counts, "peak_mib": peak_kib / 1024}


def _finished(command: list[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
