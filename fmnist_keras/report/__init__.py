"""Many runs read: the numbers of the paper and ours, statistics, claims, tables, sentences, a page."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import claims, display, figures, pages, paper, statistics, suite, tables, text

__all__ = ("claims", "display", "figures", "pages", "paper", "statistics", "suite", "tables", "text")


def __getattr__(name):
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*globals(), *__all__]
