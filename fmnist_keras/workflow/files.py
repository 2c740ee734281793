"""The engine's files, below `reports/.engine/<suite>`: each run's parameters, its marker, and the lock."""

import itertools
import os
import time
from pathlib import Path

import yaml

from .. import params, runs
from ..runs import locks
from .plan import Job


def write(plan, folder):
    """Write each run's parameters to `<model>/seed_<k>.yaml` in a folder; files of no run of the plan go."""
    wanted = {Path(folder, model, f"seed_{seed}.yaml"): job.params for (model, seed), job in plan.items()}
    for path in set(Path(folder).glob("*/seed_*.yaml")) - wanted.keys():
        path.unlink()
    for path, one in wanted.items():
        values = one.as_dict() | ({"base": one.base, "changes": one.changes} if one.changes else {})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def load(path):
    """Return the `Params` of one run's file, see `write`."""
    with params.reading(path) as values:
        return params.validate(values, params.kind_of(values))


def read(folder):
    """Return the plan that `write` wrote, no run of it up to date: as a cluster's node takes it."""
    found = [params.Params.of(params.read_yaml(path)) for path in Path(folder).glob("*/seed_*.yaml")]
    return {(one.model, one.seed): Job(one) for one in found}


def markers(plan):
    """Return the marker file of each run, relative to the engine's folder: a list of text."""
    return [f"{model}/seed_{seed}" for model, seed in plan]


def encoder_marker(plan, model, seed):
    """Return the marker of the autoencoder that a classifier starts from: a list of one, or of none."""
    source = plan[model, seed].params.encoder_from
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
    for marker in itertools.chain(*map(Path(folder).glob, ("*/seed_*[0-9]", ".report", ".study-*"))):
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
