"""Death in hospital on the PhysioNet/CinC Challenge 2012: the network and its baseline, five folds.

Each fold's patients are scored by a network, and by gradient boosting on `Workload.features`, that
never saw them. Encoding, network, early stopping and Event-1's threshold are fitted on the other
four folds alone, of which 15 % are val. The recipe, RECIPE below,
was chosen by cross-validation inside the first fold's training patients, so the first fold is the
one whose patients had no part in anything.

    python bench/icu.py [--data ../shared/data/icu_physionet2012] [--folds 5] [--cache FOLDER]
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import machine
import numpy as np
import torch
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split

from medpipe import config
from medpipe.evaluation import measures
from medpipe.evaluation.baseline import boosted
from medpipe.learning import learner
from medpipe.learning.batches import Rows
from medpipe.learning.checkpoints import Checkpoints
from medpipe.workloads import get

WORKLOAD = get("icu_mortality")
RECIPE: dict[str, Any] = {
    "model": {"architecture": "gru", "hidden": 32, "summary": 64, "dropout": 0.5, "members": 8},
    "augment": {"hide": 0.5},
    "train": {
        "epochs": 160, "batch_size": 512, "learning_rate": 0.002, "l2": 0.05, "keep": "last",
        "device": "cpu", "precision": "fp32", "threads": 1,
    },
}  # fmt: skip
VAL = 0.15
FOLD_SEED = 0


def stays(data: Path, cache: Path | None) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Rows of raw that the question is about, and their labels (N,)."""
    kept = None if cache is None else cache / "icu_rows.pickle"
    if kept is not None and kept.is_file():
        rows, labels = pickle.loads(kept.read_bytes())
        return rows, labels
    rows, labels = [], []
    for item in WORKLOAD.source("physionet2012", data, options={}).items():
        assert isinstance(item.payload, Path)
        row = WORKLOAD.read(item.payload.read_bytes(), limits={})
        if WORKLOAD.excluded(row) is None:
            rows.append(row)
            labels.append(int(str(item.label)))
    if kept is not None:
        kept.write_bytes(pickle.dumps((rows, np.array(labels))))
    return rows, np.array(labels)


def folds(labels: np.ndarray, count: int) -> Iterator[dict[str, np.ndarray]]:
    """Row numbers by side; a stay is a patient, so that no patient is on two sides."""
    cut = StratifiedKFold(count, shuffle=True, random_state=FOLD_SEED)
    for others, test in cut.split(labels, labels):
        train, val = train_test_split(
            others, test_size=VAL, random_state=FOLD_SEED, stratify=labels[others]
        )
        yield {"train": np.sort(train), "val": np.sort(val), "test": test}


def scored(
    rows: list[dict[str, Any]], labels: np.ndarray, sides: dict[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """Model → side → logits (N,)."""
    params = config.parse(RECIPE, WORKLOAD)
    state = WORKLOAD.fit((rows[n] for n in sides["train"]), params.preprocess)
    encoded = {
        side: [WORKLOAD.encode(rows[n], state) for n in chosen] for side, chosen in sides.items()
    }
    inputs = {
        side: {name: np.stack([one[name] for one in found]) for name in found[0]}
        for side, found in encoded.items()
    }
    targets = {side: labels[chosen].astype(np.float32) for side, chosen in sides.items()}
    measured = measures.of(WORKLOAD)
    trees = boosted(WORKLOAD, measured, inputs, targets)
    assert trees is not None
    torch.manual_seed(params.train.seed)
    network = WORKLOAD.model(params.model, state)
    with tempfile.TemporaryDirectory() as folder:
        learner.fit(
            network,
            measured.objective,
            train=Rows(inputs["train"], targets["train"]),
            val=Rows(inputs["val"], targets["val"]),
            params=params.train,
            checkpoints=Checkpoints(Path(folder)),
            augment=WORKLOAD.augment(params.augment),
        )
    network.eval()
    with torch.no_grad():
        logits = {
            side: network(*(torch.from_numpy(array) for array in arrays.values()))[:, 0].numpy()
            for side, arrays in inputs.items()
            if side != "train"
        }
    return {"network": logits, "gradient boosting": dict(trees.logits)}


def event1(labels: np.ndarray, logits: np.ndarray, threshold: float) -> float:
    """The lower of sensitivity and positive predictive value: the challenge's first event."""
    said = logits >= threshold
    found = float((said & (labels == 1)).sum())
    return min(found / max(said.sum(), 1), found / (labels == 1).sum())


def best_threshold(labels: np.ndarray, logits: np.ndarray) -> float:
    """Of highest Event-1."""
    precision, recall, thresholds = precision_recall_curve(labels, logits)
    return float(thresholds[np.minimum(precision, recall)[:-1].argmax()])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, default=Path("../shared/data/icu_physionet2012"))
    options.add_argument("--folds", type=int, default=5)
    options.add_argument("--cache", type=Path, help="where parsed stays are kept")
    chosen = options.parse_args()
    rows, labels = stays(chosen.data, chosen.cache)
    figures: dict[str, list[tuple[float, float, float]]] = {}
    for number, sides in enumerate(folds(labels, chosen.folds), start=1):
        started = time.perf_counter()
        for model, logits in scored(rows, labels, sides).items():
            truth = labels[sides["test"]]
            threshold = best_threshold(labels[sides["val"]], logits["val"])
            found = (
                float(roc_auc_score(truth, logits["test"])),
                float(average_precision_score(truth, logits["test"])),
                event1(truth, logits["test"], threshold),
            )
            figures.setdefault(model, []).append(found)
            line = ", ".join(f"{figure:.4f}" for figure in found)
            took = time.perf_counter() - started
            print(f"fold {number}, {model}: {line} ({took:.0f} s)", flush=True)
    print(f"\n| {len(labels)} stays, {labels.sum()} deaths | AUROC | AUPRC | Event-1 | by fold |")
    print("| --- | --- | --- | --- | --- |")
    for model, by_fold in figures.items():
        means = " | ".join(f"{figure:.3f}" for figure in np.mean(by_fold, axis=0))
        print(f"| {model} | {means} | {' '.join(f'{fold[0]:.3f}' for fold in by_fold)} |")
    print(f"\n{machine.line('torch', 'scikit-learn')}")


if __name__ == "__main__":
    main()
