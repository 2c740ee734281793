"""Many runs read: the paper's numbers and ours, statistics, claims, studies, figures, sentences, a page.

A job imports `pages` alone: seaborn, pandas and SciPy would start with each run.
"""

from importlib import import_module

__all__ = (
    *("attempts", "claims", "compare", "display", "figures", "pages", "paper", "readme", "statistics"),
    *("studies", "study_figures", "suite", "text", "units"),
)


def __getattr__(name):
    if name == "compare":
        return import_module(".attempts", __name__).compare
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
