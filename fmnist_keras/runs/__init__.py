"""One run on disk, `reports/<suite>/<model>/seed_<k>/`: written whole or not at all, and read back."""

from .encoders import load_encoder, weights_sha256
from .find import find, left_out, trained
from .folder import SCRATCH, Run, publish, start
from .reading import (
    check,
    damaged,
    departs,
    in_words,
    not_counted,
    read,
    read_history,
    read_suite,
    require_runs,
)
from .record import (
    ROOT,
    RunError,
    device,
    elsewhere,
    reports_dir,
    run_dir,
    suite_dir,
    text_sha256,
    versions,
)
from .table import table

__all__ = [
    "ROOT",
    "SCRATCH",
    "Run",
    "RunError",
    "check",
    "damaged",
    "departs",
    "device",
    "elsewhere",
    "find",
    "in_words",
    "left_out",
    "load_encoder",
    "not_counted",
    "publish",
    "read",
    "read_history",
    "read_suite",
    "reports_dir",
    "require_runs",
    "run_dir",
    "start",
    "suite_dir",
    "table",
    "text_sha256",
    "trained",
    "versions",
    "weights_sha256",
]
