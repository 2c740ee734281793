"""Where runs are on disk."""

import contextlib
import os
import re
from pathlib import Path

import psutil

from ..params import ROOT, root_around
from .integrity import RunError


def reports_dir():
    """The folder of all suites: `REPORTS_DIR` where it is set, else `reports/` of the repository."""
    return Path(os.path.expanduser(os.environ.get("REPORTS_DIR") or ROOT / "reports")).resolve()


def elsewhere():
    """Return a sentence if this process, or its notebook, is not in the repository whose code it imports."""
    if root_around(Path.cwd()) == ROOT and {root_around(path) for path in _notebooks()} <= {ROOT, None}:
        return ""
    return f"The code here is that of {ROOT}, and the runs are in {reports_dir()}."


def _notebooks():
    """Return the paths of notebooks that this process's parent was called with, such as papermill's."""
    with contextlib.suppress(psutil.Error):
        if parent := psutil.Process().parent():
            words = [word for word in parent.cmdline() if word.endswith(".ipynb")]
            return [Path(parent.cwd(), word).resolve() for word in words]
    return []


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
