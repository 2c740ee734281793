"""Convolutional autoencoders and classifiers on Fashion-MNIST: the helper module behind the notebooks."""

import contextlib
import gc
import os
import sys
from importlib import import_module
from pathlib import Path

__version__ = "0.1.0"
# jsonschema, which papermill and nbconvert import too, would otherwise build a grammar of URIs at its import,
# for 1 to 2 s in each process; no schema here has a URI.
sys.modules.setdefault("rfc3987_syntax", None)
_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",  # TensorFlow takes oneDNN's faster convolutions only on some CPUs by itself
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # several runs share a GPU: none takes all its memory at the start
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # the same, for JAX
    # glibc keeps what a step frees for the next, since fresh memory costs time (section 7 of bench.md).
    # It reads these when a process starts, so they are for the kernels that this one starts.
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}
_MODULES = {path.stem for path in Path(__file__).parent.glob("[!_]*.py")}


def __getattr__(name):
    """Import a module on first use, so that `import fmnist_keras` alone costs nothing."""
    if name in _MODULES:
        with _importing():
            return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _keras():
    """Keras, imported as the modules here are; for functions that may be the first to need it."""
    with _importing():
        import keras
    return keras


def predict(images, run):
    """Classify images with a trained classifier: see `inference.predict`."""
    with _importing():
        from .inference import predict
    return predict(images, run)


def __dir__():
    return [*globals(), *_MODULES]


@contextlib.contextmanager
def _importing():
    """Silence what TensorFlow's C++ writes to stderr at its import, and a saved notebook would keep.

    `TF_CPP_MIN_LOG_LEVEL` does not reach those lines: they come before its logging starts. Python's own
    warnings and exceptions are not touched. What an import makes, hundreds of thousands of objects, is there
    to stay: the garbage collector does not look through it time and again, neither here nor later.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    modules, collecting = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > modules:
            gc.freeze()
        if collecting:
            gc.enable()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
