"""Where runs are on disk."""

import os
import re
from pathlib import Path

from ..params import ROOT
from .integrity import RunError


def reports_dir():
    """The folder of all suites: `REPORTS_DIR` where it is set, else `reports/` of the repository."""
    return Path(os.path.expanduser(os.environ.get("REPORTS_DIR") or ROOT / "reports")).resolve()


def suite_dir(suite):
    """The folder of one suite.

    Raises:
        RunError: this is a path, which may lead anywhere, and not the name of a folder.
    """
    if not re.fullmatch(r"[^./\\:\0][^/\\:\0]*", suite):
        raise RunError(f"suite: {suite!r} is not allowed; allowed: the name of a folder in {reports_dir()}")
    return reports_dir() / suite


def run_dir(suite, model, seed):
    """The folder of one run."""
    return suite_dir(suite) / model / f"seed_{seed}"
