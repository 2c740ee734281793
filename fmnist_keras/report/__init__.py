"""Many runs read: the paper's numbers and ours, statistics, claims, studies, figures, sentences, a page.

A job imports `pages` alone: seaborn, pandas and SciPy would start with each run.
"""

from .._lazy import lazy

__all__ = ["attempts", "claims", "compare", "display", "figures", "measures", "pages", "paper", "readme"]
__all__ += ["statistics", "studies", "study_figures", "study_text", "suite", "text", "units"]
__getattr__, __dir__ = lazy(__name__, __all__, compare=".attempts")
