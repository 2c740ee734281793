"""What finished runs are good for: classify photographs, explore, export, collect, pack."""

from .._lazy import lazy

__all__ = ["collect", "explorer", "export", "pack", "photos", "predict"]
__getattr__, __dir__ = lazy(__name__, __all__)
