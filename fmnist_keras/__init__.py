"""Convolutional autoencoders and classifiers on Fashion-MNIST: the helper module behind the notebooks.

`import fmnist_keras as fk` loads nothing else and changes nothing in the process: each part is imported when
it is first used, as `fk.models` or `fk.report.tables`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors, which complete these names
    from . import data, evaluation, layers, models, params, plots, report, runs, tools, training
    from .tools.predict import load_model, predict

__version__ = "0.1.0"
__all__ = ["data", "evaluation", "layers", "models", "params", "plots", "report", "runs", "tools", "training"]
__all__ += ["load_model", "predict"]


def __getattr__(name):
    if name in ("load_model", "predict"):
        return getattr(import_module(".tools.predict", __name__), name)
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
