"""Which runs a suite needs, and which of them are up to date: by the content of files, not by their dates."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from .. import params, runs
from ..runs import locks
from . import experiments

YES, NO = ("1", "yes", "true", "on", "y"), ("0", "no", "false", "off", "n")


@dataclass(frozen=True)
class Job:
    """One run of a suite.

    Attributes:
        params: the run's `Params`, see `experiments.for_run`.
        current: True where the run's folder already holds what these parameters give.
    """

    params: params.Params
    current: bool


def jobs(suite, names=(), seeds=(0,), force=False, ablations=False):
    """The runs of a suite, autoencoders first.

    A run is current when its `metrics.json` was made with the parameters that the YAML files give now
    and, for a classifier, from the encoder that is in its autoencoder's folder.

    Args:
        suite: the name of a file in `params/suites`.
        names: models to run; none means all. The autoencoders that they start from join them.
        seeds: whole numbers, or text of such.
        force: take no run for current, and look into no run's folder.
        ablations: with those of `params/ablations`.

    Returns:
        dict of (model, seed as text) to `Job`.

    Raises:
        params.ParamsError: an unknown model, suite or seed, or a wrong params file.
    """
    found = params.load_all()
    if ablations:
        found |= experiments.ablations(found)
    unknown = [name for name in names if name not in found]
    if unknown:
        raise params.ParamsError(f"MODELS: {unknown[0]!r} is not allowed; allowed: {', '.join(found)}")
    bad = [seed for seed in seeds if not str(seed).isdecimal()]
    if bad or not seeds:
        raise params.ParamsError(f"SEEDS: {(bad or [''])[0]!r} is not allowed; allowed: whole numbers from 0")
    wanted = set(names or found)
    wanted |= {found[name].encoder_from for name in wanted} - {None}
    order = sorted(found, key=lambda name: found[name].kind == "classifier")
    plan = {}
    for seed in dict.fromkeys(str(int(seed)) for seed in seeds):
        for name in (name for name in order if name in wanted):
            values = experiments.for_run(name, suite, int(seed), found)
            source = plan.get((values.encoder_from, seed))
            plan[name, seed] = Job(values, not force and _is_current(values, source))
        if force:
            continue
        for job in [job for job in plan.values() if not job.current and job.params.encoder_from]:
            _need_encoder(plan, job.params.encoder_from, seed)
    return plan


def from_config(config, force=False):
    """The runs that a call of Snakemake asks for; see `jobs`.

    Args:
        config: Snakemake's: `suite`, `models` and `seeds` as text with spaces, `ablations`.
        force: see `jobs`.
    """
    return jobs(
        str(config.get("suite", "sample")),
        names=str(config.get("models") or "").split(),
        seeds=str(config.get("seeds") or 0).split(),
        force=force,
        ablations=yes_or_no(config, "ablations"),
    )


def yes_or_no(config, name):
    """What a word in Snakemake's config means; nothing is no.

    Raises:
        params.ParamsError: it is neither a word for yes nor one for no.
    """
    word = str(config.get(name) or "no")  # Snakemake may have read it as YAML does
    if word.lower() not in YES + NO:
        allowed = f"allowed: {', '.join(YES + NO)}"
        raise params.ParamsError(f"{name.upper()}: {word!r} is not allowed; {allowed}")
    return word.lower() in YES


def markers(plan):
    """The marker file of each run, relative to the engine's folder: a list of text."""
    return [f"{model}/seed_{seed}" for model, seed in plan]


def encoder_markers(plan, model, seed):
    """The marker of the autoencoder that a classifier starts from: a list of one, or of none."""
    source = plan[model, seed].params.encoder_from
    return [f"{source}/seed_{seed}"] if source else []


def priority(plan, model, seed):
    """What comes first: the longest way to the report, or a core would idle while the last ones train."""
    job = plan[model, seed]
    after = [other.params.encoder_from for (_, same), other in plan.items() if same == seed]
    own = 2 if job.params.kind == "autoencoder" else int(job.params.train_encoder)  # a frozen one is fastest
    return own + after.count(model)


def _is_current(values, source):
    """Does the folder hold these parameters' result, from the encoder that `source`, a `Job`, left?"""
    metrics = runs.read(runs.run_dir(values.suite, values.model, values.seed))
    if metrics is None or params.Params(**metrics["params"]) != values:
        return False
    if source is None:
        return True
    encoder = runs.read(runs.run_dir(values.suite, source.params.model, values.seed))
    return source.current and metrics.get("started_from_sha256") == encoder["encoder_sha256"]


def _need_encoder(plan, name, seed):
    """Where an encoder that is needed has gone (weights are not in git), its autoencoder runs again."""
    job = plan[name, seed]
    folder = runs.run_dir(job.params.suite, name, seed)
    if runs.read(folder) and (folder / "encoder.keras").is_file():
        return
    for key, other in plan.items():
        if key == (name, seed) or (key[1] == seed and other.params.encoder_from == name):
            plan[key] = replace(other, current=False)


def mark(plan, folder, page):
    """Leave a marker file `<model>/seed_<k>` in `folder` for each current run, and for no other.

    The marker `.report` is removed when a run is to be done, or when the report's `page` is missing.
    """
    if not (all(job.current for job in plan.values()) and page.exists()):
        Path(folder, ".report").unlink(missing_ok=True)
    for (model, seed), job in plan.items():
        marker = Path(folder, model, f"seed_{seed}")
        if not job.current:
            marker.unlink(missing_ok=True)
        elif not marker.exists():
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()


def lock_suite(folder):
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


def describe(plan):
    """Print one line: how many runs are up to date, and which are to be done."""
    todo = [f"{model} seed {seed}" for (model, seed), job in plan.items() if not job.current]
    text = f"{len(plan) - len(todo)} of {len(plan)} runs are up to date"
    print(text + (f"; to run: {', '.join(todo)}" if todo else ""), file=sys.stderr, flush=True)
