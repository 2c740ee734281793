"""The device that a run names."""

import sys
from types import SimpleNamespace

import keras
import pytest

from fmnist_keras.runs import record

NAME = "NVIDIA H200"
BACKENDS = {  # the part of each library that has the name
    "jax": {"local_devices": lambda: [SimpleNamespace(device_kind=NAME)]},
    "torch": {"cuda": SimpleNamespace(get_device_name={"cuda:0": NAME}.get)},
    "tensorflow": {
        "config": SimpleNamespace(
            list_physical_devices=lambda kind: [kind],
            experimental=SimpleNamespace(get_device_details=lambda device: {"device_name": NAME}),
        )
    },
}


@pytest.fixture
def on(monkeypatch):
    """Have a backend compute on a device."""

    def at(backend, place):
        monkeypatch.setattr(keras.backend, "backend", lambda: backend)
        monkeypatch.setattr(keras.ops, "convert_to_tensor", lambda value: SimpleNamespace(device=place))
        monkeypatch.setitem(sys.modules, backend, SimpleNamespace(**BACKENDS[backend]))

    return at


@pytest.mark.parametrize(
    ("backend", "place"), [("jax", "cuda:0"), ("torch", "cuda:0"), ("tensorflow", "/device:GPU:0")]
)
def test_an_accelerator_has_its_name(on, backend, place):
    on(backend, place)
    assert record.device() == NAME


def test_an_accelerator_without_one_has_its_place(on):
    on("torch", "mps:0")
    assert record.device() == "mps:0"


def test_a_processor_is_named_with_its_cores(on):
    on("jax", "TFRT_CPU_0")
    assert record.device().startswith("CPU: ")
    assert record.device().endswith(" cores")
