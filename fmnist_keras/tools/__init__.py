"""What finished runs are good for: classify photographs, explore, export, collect, pack."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import collect, explorer, export, pack, photos, predict

__all__ = ("collect", "explorer", "export", "pack", "photos", "predict")


def __getattr__(name):
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
