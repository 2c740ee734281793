"""One run on disk, `reports/<suite>/<model>/seed_<k>/`: written whole or not at all, and read back."""

from .environment import device, versions
from .folder import (
    check,
    damaged,
    finish,
    load_encoder,
    publish,
    read,
    read_history,
    read_suite,
    save_figure,
    start,
    weights_sha256,
)
from .integrity import RunError
from .paths import ROOT, reports_dir, run_dir, suite_dir

__all__ = [
    "ROOT",
    "RunError",
    "check",
    "damaged",
    "device",
    "finish",
    "load_encoder",
    "publish",
    "read",
    "read_history",
    "read_suite",
    "reports_dir",
    "run_dir",
    "save_figure",
    "start",
    "suite_dir",
    "versions",
    "weights_sha256",
]
