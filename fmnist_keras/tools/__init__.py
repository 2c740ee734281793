"""What a finished run is good for: classify images and photographs, explore a model, export it."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import explorer, export, photos, predict

__all__ = ("explorer", "export", "photos", "predict")


def __getattr__(name):
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*__all__]
