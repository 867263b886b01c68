"""What can be known of an image for graphics cards where there is no card."""

from __future__ import annotations

import shutil

import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from medpipe.errors import MedpipeError
from medpipe.image import build, inside

CUDNN = "libcudnn.so.9: cannot open shared object file: No such file or directory"
DRIVER = "libcuda.so.1: cannot open shared object file: No such file or directory"


def found(*providers, **libraries):
    """As much of an inventory as is looked at; a library that opens has no reason."""
    whole = {"libcudnn.so.9": "", "libcublas.so.13": "", "libcuda.so.1": ""}
    return {"providers": providers, "libraries": whole | libraries}


WITHOUT_CARD = found(
    "CPUExecutionProvider",
    **{"libcuda.so.1": DRIVER, "libcudnn_engines_runtime_compiled.so.9": DRIVER},
)


def test_an_image_that_lacks_nothing_but_the_driver_is_good_where_no_card_is():
    build.computes(WITHOUT_CARD, on_card=False)


def test_the_driver_is_to_be_there_where_a_card_is():
    with pytest.raises(MedpipeError, match=r"libcuda\.so\.1: cannot open"):
        build.computes(WITHOUT_CARD, on_card=True)


@pytest.mark.parametrize("on_card", [False, True])
def test_a_base_without_cudnn_is_refused_though_the_provider_opens(on_card):
    lacking = found("CUDAExecutionProvider", **{"libcudnn.so.9": CUDNN})
    with pytest.raises(MedpipeError, match=r"libcudnn\.so\.9: cannot open.*image\.cuda_base"):
        build.computes(lacking, on_card=on_card)


def test_a_runtime_for_processors_is_refused():
    for_processors = {"providers": ["CPUExecutionProvider"], "libraries": {}}
    with pytest.raises(MedpipeError, match="is the one for processors"):
        build.computes(for_processors, on_card=False)


def test_a_card_that_is_left_unused_is_refused():
    build.computes(found("CUDAExecutionProvider", "CPUExecutionProvider"), on_card=True)
    with pytest.raises(MedpipeError, match="but computes with CPUExecutionProvider"):
        build.computes(found("CPUExecutionProvider"), on_card=True)


def test_what_a_library_needs_is_opened_and_what_is_opened_later_by_name_too(tmp_path, monkeypatch):
    monkeypatch.setattr(inside, "OPENED_LATER", ("libnowhere.so.9",))
    provider = shutil.copy(runtime.__file__, tmp_path / inside.PROVIDER)
    libraries = inside._libraries(tmp_path / provider)
    assert libraries["libc.so.6"] == ""
    assert libraries["libnowhere.so.9"].startswith("libnowhere.so.9: cannot open")


def test_a_runtime_for_processors_opens_nothing_for_cards(tmp_path):
    assert inside._libraries(tmp_path / inside.PROVIDER) == {}
    beside = inside._of_onnxruntime("onnxruntime_pybind11_state.so").parent
    assert beside.samefile(runtime.__file__.rpartition("/")[0])
