"""Training in processes of its own: killed outright, and two at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from pathlib import Path
import numpy as np, torch
from safetensors.torch import save_file
from medpipe import objectives
from medpipe.learning import learner
from medpipe.learning.batches import Rows
from medpipe.learning.checkpoints import Checkpoints
from medpipe.config import TrainParams
from medpipe.nn import ImageModel, build

def rows(count, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 120, (count, 1, 16, 16), dtype=np.uint8)
    targets = (np.arange(count) % 2).astype(np.float32)
    images[targets == 1, :, 4:8, 4:8] += 100
    return Rows({"image": images}, targets)

folder, epochs, devices = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
torch.manual_seed(0)
model = ImageModel(architecture="small_cnn", width=4, dropout=0.2, batch_norm=devices == 1)
network = build(model, channels=1, outputs=1, size_px=16, mean=70.0, std=40.0)
params = TrainParams(
    epochs=epochs, batch_size=8, device="cpu", devices=devices, precision="fp32", threads=1
)
fitted = learner.fit(
    network, objectives.get("binary"), train=rows(64, 1), val=rows(23, 2), params=params,
    checkpoints=Checkpoints(folder / "states"), save_every_s=0.0,
)
if fitted.is_main:
    save_file(fitted.weights, folder / "weights.safetensors")
    (folder / "resumed").write_text(str(fitted.resumed_after))
    (folder / "score").write_text(str(fitted.best.score))
"""


def command(folder: Path, *, epochs: int, devices: int = 1) -> list[str]:
    folder.mkdir(exist_ok=True)
    program = folder / "program.py"
    program.write_text(PROGRAM)
    return [sys.executable, str(program), str(folder), str(epochs), str(devices)]


def kill_when_there_are_states(program: list[str], folder: Path, epoch: int) -> None:
    process = subprocess.Popen(program)
    deadline = time.monotonic() + 300
    while not list(folder.glob(f"states/{epoch:05d}-*.pt")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_training_killed_outright_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(whole, epochs=20), check=True)
    program = command(cut, epochs=20)
    kill_when_there_are_states(program, cut, epoch=5)
    assert not (cut / "weights.safetensors").exists()
    subprocess.run(program, check=True)
    assert 5 <= int((cut / "resumed").read_text()) < 20
    expected, found = (
        load_file(whole / "weights.safetensors"),
        load_file(cut / "weights.safetensors"),
    )
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_two_processes_share_each_batch_and_score_all_of_val(tmp_path: Path) -> None:
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("MASTER", "LOCAL_RANK"))
    }
    two = command(tmp_path, epochs=12, devices=2)
    subprocess.run(two, check=True, env=environment, timeout=500)
    assert (tmp_path / "weights.safetensors").exists()
    assert float((tmp_path / "score").read_text()) > 0.9
