"""One run on disk, `reports/<suite>/<model>/seed_<k>/`: written whole or not at all, and read back."""

from .environment import device, versions
from .folder import (
    Run,
    check,
    damaged,
    load_encoder,
    publish,
    read,
    read_history,
    read_suite,
    start,
    weights_sha256,
)
from .integrity import RunError
from .paths import ROOT, reports_dir, run_dir, suite_dir

__all__ = [
    "ROOT",
    "Run",
    "RunError",
    "check",
    "damaged",
    "device",
    "load_encoder",
    "publish",
    "read",
    "read_history",
    "read_suite",
    "reports_dir",
    "run_dir",
    "start",
    "suite_dir",
    "versions",
    "weights_sha256",
]
