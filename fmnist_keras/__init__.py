"""Convolutional autoencoders and classifiers on Fashion-MNIST: the helper module behind the notebooks.

`import fmnist_keras as fk` loads nothing else and changes nothing in the process: each part is imported when
it is first used, as `fk.models` or `fk.report.tables`.
"""

from typing import TYPE_CHECKING

from ._lazy import lazy

if TYPE_CHECKING:  # for editors, which complete these names
    from . import data, evaluation, layers, models, params, plots, report, runs, tools, training
    from .tools.predict import load_model, predict

__version__ = "0.1.0"
__all__ = ["data", "evaluation", "layers", "models", "params", "plots", "report", "runs", "tools", "training"]
__all__ += ["load_model", "predict"]
__getattr__, __dir__ = lazy(__name__, __all__, load_model=".tools.predict", predict=".tools.predict")
