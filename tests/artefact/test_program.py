"""The network as a program of ExecuTorch, run here as a device would run it."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from medpipe import nn as networks
from medpipe.artefact import distance, program
from medpipe.errors import ParamsError

IS_THERE = find_spec("executorch") is not None
IMAGES = np.random.default_rng(0).integers(0, 256, (9, 1, 16, 16), dtype=np.uint8)


def made():
    torch.manual_seed(0)
    chosen = networks.ImageModel(architecture="small_cnn", width=4)
    return networks.build(chosen, channels=1, outputs=1, size_px=16, mean=128.0, std=74.0).eval()


@pytest.mark.skipif(not IS_THERE, reason="needs the extra `edge`")
@pytest.mark.filterwarnings("ignore")
def test_a_device_gets_the_logit_of_the_network_and_the_distance_of_the_cloud(tmp_path):
    network = made()
    with torch.inference_mode():
        logits, _, features = network.explain(torch.from_numpy(IMAGES))
    cloud = distance.fit(features.numpy())
    program.write(network, cloud, {"image": IMAGES}, tmp_path / "p.pte")
    found = program.Program(tmp_path / "p.pte").judge({"image": IMAGES})
    np.testing.assert_allclose(found.logit, logits[:, 0], atol=1e-5)
    np.testing.assert_allclose(found.distance, cloud.distances(features.numpy()), rtol=1e-4)


@pytest.mark.skipif(IS_THERE, reason="ExecuTorch is installed")
def test_without_executorch_it_is_said_what_to_install(tmp_path):
    cloud = distance.Cloud(np.zeros(32), np.eye(32), np.eye(32)[:, :16], 9)
    with pytest.raises(ParamsError, match=r"pip install medpipe\[edge\]"):
        program.write(made(), cloud, {"image": IMAGES}, tmp_path / "p.pte")
