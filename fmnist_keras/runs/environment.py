"""What a run was computed with: versions of libraries, and the device."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def versions():
    """Versions of Python, the platform and the libraries that a number can depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in ("keras", "tensorflow", "jax", "torch", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def device():
    """Return the processor or the accelerator that the backend trains on, as "NVIDIA H200"."""
    import keras

    place = str(keras.ops.convert_to_tensor(0.0).device)
    if "cpu" not in place.lower():
        return _accelerator(keras.backend.backend(), place)
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"CPU: {names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def _accelerator(backend, place):
    """Return what a backend calls the accelerator at a place, as "cuda:0"; the place if it has no name."""
    if backend == "jax":
        import jax

        return jax.local_devices()[0].device_kind
    if backend == "torch" and place.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(place)
    if backend == "tensorflow":
        import tensorflow as tf

        for found in tf.config.list_physical_devices("GPU"):
            return tf.config.experimental.get_device_details(found).get("device_name", place)
    return place
