"""What Snakemake sees of a suite: a marker file for each run that is up to date, and a lock."""

import itertools
import os
import time
from pathlib import Path

from .. import runs
from ..runs import locks


def of_runs(plan):
    """The marker file of each run, relative to the engine's folder: a list of text."""
    return [f"{model}/seed_{seed}" for model, seed in plan]


def of_encoder(plan, model, seed):
    """The marker of the autoencoder that a classifier starts from: a list of one, or of none."""
    source = plan[model, seed].source
    return [f"{source}/seed_{seed}"] if source else []


def mark(plan, folder, page, of_page=".report"):
    """Leave a marker file `<model>/seed_<k>` in `folder` for each current run, and for no other.

    The page's marker is removed when a run is to be done, or when the `page` is missing; and always where
    there is nothing to run, since who knows what has joined the suite by hand.

    What Snakemake noted as begun, when it was killed, says nothing here: a run that had just been finished
    would train again. A marker dated in the future, by a clock that was ahead, is removed: to Snakemake its
    run would be younger than any page.
    """
    for note in Path(folder, ".snakemake", "incomplete").rglob("*"):
        if note.is_file():
            note.unlink()
    for marker in itertools.chain(*map(Path(folder).glob, ("*/seed_*", ".report", ".study-*"))):
        if marker.stat().st_mtime > time.time():
            marker.unlink()
    if not (plan and all(job.current for job in plan.values()) and page.exists()):
        Path(folder, of_page).unlink(missing_ok=True)
    for (model, seed), job in plan.items():
        marker = Path(folder, model, f"seed_{seed}")
        if not job.current:
            marker.unlink(missing_ok=True)
        elif not marker.exists():
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()


def lock(folder):
    """Lock a suite for this process, until the process ends, however it ends.

    Raises:
        runs.RunError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"  # no model's name begins with a dot
    handle = locks.lock(path)
    if handle is None:
        holder = path.read_text(encoding="utf-8") or "unknown"
        raise runs.RunError(f"suite {folder.name} is already running, as process {holder}")
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
