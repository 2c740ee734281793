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
    """The processor or the accelerator that the backend trains on, in words."""
    from .. import training

    if (found := training.accelerator()) is not None:
        return found
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"CPU: {names[0] if names else platform.processor()}, {os.cpu_count()} cores"
