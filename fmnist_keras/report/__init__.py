"""Many runs read: the numbers of the paper and ours, statistics, claims, tables, sentences, a page."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import (
        attempts,
        claims,
        display,
        figures,
        machines,
        pages,
        paper,
        readme,
        statistics,
        studies,
        study_figures,
        suite,
        tables,
        text,
    )
    from .attempts import compare

__all__ = (
    "attempts",
    "claims",
    "compare",
    "display",
    "figures",
    "machines",
    "pages",
    "paper",
    "readme",
    "statistics",
    "studies",
    "study_figures",
    "suite",
    "tables",
    "text",
)


def __getattr__(name):
    if name == "compare":
        return import_module(".attempts", __name__).compare
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
