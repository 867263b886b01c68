"""The smallest workload that an upload can be sent to: is the image bright?

Its network is one line, so that every figure of an answer can be worked by hand:
logit = 8 · (mean grey level / 255 − 0.5).
"""

from __future__ import annotations

import cv2
import numpy as np

from medpipe.columns import COMMON
from medpipe.errors import UnreadableError
from medpipe.io import image
from medpipe.workload import Picture, Section, Workload

SIDE = 8


class Brightness(Workload):
    """Invented; PNG and JPEG only, and a file that starts with "MR" is of another modality."""

    name = "brightness"
    title = "Brightness of a picture"
    intended_use = "testing the service"
    not_for = "anything else"
    columns = COMMON
    label = "bright"
    objective = "binary"
    encode_params = Section
    model_params = Section

    def synthesise(self, folder, *, patients, seed):
        raise AssertionError("not used")

    def source(self, name, path, *, options):
        raise AssertionError("not used")

    def read(self, payload, *, limits):
        if payload.startswith(b"MR"):
            raise UnreadableError("modality MR is no radiograph; send CR or DX", fault="content")
        if image.kind(payload) == "dicom":
            return {"image": np.zeros((SIDE, SIDE), np.uint8), "bug": int("DOE^JANE")}
        pixels, facts = image.read(payload, limits=limits)
        return {**facts, "image": pixels}

    def fit(self, rows, params):
        raise AssertionError("not used")

    def encode(self, row, state):
        return {"image": cv2.resize(row["image"], (state["size_px"],) * 2)[None]}

    def model(self, params, state):
        raise AssertionError("not used")

    def cautions(self, row, state):
        return ("wider than high",) if row["width_px"] > row["height_px"] else ()

    def draw(self, row, explanation):
        return Picture("image/png", image.encode_png((explanation * 255).astype(np.uint8)))


WORKLOAD = Brightness()
