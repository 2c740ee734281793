"""One run on disk, `reports/<suite>/<model>/seed_<k>/`: written whole or not at all, and read back."""

# ruff: noqa: F401, I001
from .encoders import load_encoder, weights_sha256
from .find import find, left_out, trained
from .folder import SCRATCH, Run, publish, start
from .record import ROOT, RunError, device, elsewhere, reports_dir, run_dir, suite_dir, text_sha256, versions
from .table import check, departs, has_runs, in_words, not_counted, read, read_all, read_history
from .table import records, require_runs, table
