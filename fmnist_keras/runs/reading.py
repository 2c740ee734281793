"""Runs read back: complete and undamaged, or not at all."""

import contextlib

from ..params import natural
from .record import RunError, reports_dir, run_dir, suite_dir, verify


def read(folder):
    """Return the metrics of a run, or None if the folder is missing, incomplete or damaged.

    Args:
        folder: the run's `Path`.

    Returns:
        dict, see `metrics.yaml`, with "folder" added; or None.
    """
    try:
        return check(folder)
    except RunError:
        return None


def check(folder):
    """Return what `read` does, or raise a `RunError` that says why not; see `record.verify`."""
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():  # killed between the two renames of `publish`
        with contextlib.suppress(OSError):  # only another person may
            old.rename(folder)
    metrics = verify(folder)
    usual = run_dir(metrics["suite"], metrics["model"], metrics["seed"])
    if folder.resolve().parents[2] == reports_dir() and folder.resolve() != usual:
        belongs = usual.relative_to(reports_dir()).as_posix()  # the page may be published
        raise RunError(f"{folder / 'metrics.json'} is that of another run, which belongs in {belongs}")
    return metrics


def read_all(suite):
    """Return the complete runs of a suite, and (folder, reason) of the others: two lists."""
    found, left_out = [], []
    for folder in sorted(suite_dir(suite).glob("*/seed_*/"), key=lambda path: natural(str(path))):
        try:
            found.append(check(folder))
        except RunError as error:
            left_out.append((folder, str(error)))
    return found, left_out


def read_suite(suite):
    """Return the complete runs of a suite: a list of metrics, as `read` gives them, by model and seed."""
    return read_all(suite)[0]


def departs(metrics):
    """Return how a run departs from its parameters: dict of part to words, see `metrics.yaml`."""
    return metrics["ran"]["departs"] if metrics.get("ran") else {}


def in_words(departs):
    """Return what departs from the parameters as text: "layers: 284,417 parameters instead of 116,417"."""
    return "; ".join(f"{part}: {words}" for part, words in departs.items())


def not_counted(metrics):
    """Return why no claim, table of the paper or study counts a complete run; "" if they do."""
    cut = f"interrupted in epoch {metrics['epochs_run'] + 1}" if metrics.get("interrupted") else ""
    return "; ".join(filter(None, [cut, in_words(departs(metrics))]))


def require_runs(suite):
    """Raise a `RunError` if a suite has no complete run: there is nothing to report."""
    with contextlib.suppress(FileNotFoundError):
        suite_dir(suite).stat()  # an OSError that says why, if there cannot be one
    if _has_runs(suite):
        return
    there = [path.name for path in sorted(reports_dir().glob("[!.]*/")) if _has_runs(path.name)]
    reasons = "".join(f"; {reason}" for _, reason in read_all(suite)[1][:1])
    raise RunError(f"suite {suite} has no runs{reasons}; suites with runs: {', '.join(there) or 'none'}")


def _has_runs(suite):
    return any(read(folder) for folder in suite_dir(suite).glob("*/seed_*/"))


def read_history(folder):
    """Return the `history.csv` of a run: a `pandas.DataFrame` indexed by epoch, from 1."""
    import pandas as pd

    return pd.read_csv(folder / "history.csv", index_col="epoch")
