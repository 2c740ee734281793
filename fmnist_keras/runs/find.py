"""Find a run by its name, `[suite/]model[/seed_k]`, wherever a run is named."""

import os
import re
import warnings
from pathlib import Path

from ..params import PARAMS_DIR, did_you_mean, files, names, short
from .record import RunError, reports_dir
from .table import read_all

PART = r"(?!seed_\d+(?:/|\Z))[A-Za-z0-9][A-Za-z0-9_.-]*"  # the name of a suite or a model
NAME = re.compile(rf"(?:({PART})/)?({PART})(?:/seed_(\d+))?/?", re.ASCII)
ALLOWED = "allowed: a model's name, suite/model or suite/model/seed_0, a run's folder, a .keras file"
FEW = 3  # runs or reasons that one sentence names


def trained(suite=None, model=None, seed=None, file="model.keras"):
    """Return the runs whose weights are on this machine, the one finished last first.

    Args:
        suite: see `read_all`, as the next two.
        model: their model.
        seed: their seed.
        file: the file of weights: "model.keras", or "encoder.keras" of an autoencoder.

    Returns:
        dict of "suite/model/seed_k" to metrics, see `check`; and a list of reasons, one for each run that
        has that file and is left out, because it is damaged.
    """
    found, damaged = read_all(suite, model, seed, file)
    # The time is text in UTC; runs of schema 2 have none, and are the oldest.
    found.sort(key=lambda run: run["finished"] or "", reverse=True)
    names = [run["folder"].relative_to(reports_dir()).as_posix() for run in found]
    return dict(zip(names, found)), [reason for _, reason in damaged]


def find(run, suite=None, say=warnings.warn):
    """Return the folder or file that the name of a run, or a path, means: a `Path`.

    Args:
        run: a name, `[suite/]model[/seed_k]`: of several runs that fit, the one finished last. Or a path: a
            `Path`, text that ends in `.keras` or begins with `.`, `/` or `~`, or other text with slashes if
            no run has that name.
        suite: the suite of a name that does not say it; None is any.
        say: is called with one sentence if damaged runs of that name are left out.

    Raises:
        RunError: no such run has weights; it says which do, or how to train it. Or the path does not exist.
    """
    text = str(run)
    if not isinstance(run, str | Path):
        raise RunError(f"run: {short(run)} is not allowed; {ALLOWED}")
    is_path = isinstance(run, Path) or text.startswith((".", "~")) or text.endswith(".keras")
    if is_path or os.path.isabs(text) or not (named := NAME.fullmatch(text)):
        found = Path(os.path.expanduser(run)).resolve()
        if not found.exists():
            raise RunError(f"{found} does not exist; {ALLOWED}")
        return found
    suite, model, seed = named[1] or suite, named[2], named[3] and int(named[3])
    found, damaged = trained(suite, model, seed)
    if found:
        if damaged:
            say(left_out(damaged))
        return next(iter(found.values()))["folder"]
    if "/" in text and Path(text).exists():
        return Path(text).resolve()
    raise RunError(left_out(damaged) or _missing(text, suite, model, seed))


def left_out(reasons):
    """Return one sentence on the runs that are left out, from a reason for each, or "" without reasons."""
    if not reasons:
        return ""
    more = [f"and {len(reasons) - FEW} more"] if len(reasons) > FEW else []
    are = "1 run is" if len(reasons) == 1 else f"{len(reasons)} runs are"
    return f"{are} left out: {'; '.join([*reasons[:FEW], *more])}"


def _missing(text, suite, model, seed):
    """Return the sentence on a run that is not there: what was looked for, near names, how to train it."""
    suites = {path.stem for path in files(PARAMS_DIR / "suites")}
    there = suites | {path.name for path in reports_dir().glob("[!.]*/")}
    if suite and suite not in there:
        return f"unknown suite {suite!r}; {did_you_mean(suite, there)}"
    others = list(trained(model=model)[0])
    if model not in names() and not others:
        own = {name.split("/")[1] for name in trained()[0]}
        hint = f"; the folder of that name is ./{text}" if Path(text).exists() else ""
        return f"unknown model {model!r}; {did_you_mean(model, {*names(), *own})}{hint}"
    of_seed = "" if seed is None else f" of seed {seed}"
    looked = f"{model} has no trained weights{of_seed} (looked in {reports_dir()}/{suite or '*'}/{model})"
    looked += f"; there are: {', '.join(others[:FEW])}" if others else ""
    if model not in names():
        return looked
    models = f"MODELS={model}" + (f" SEEDS={seed}" if seed else "")
    train = f"`make report {models}` in minutes, or `make paper {models}`"
    if suite in suites:
        train = f"`make report SUITE={suite} {models}`"
    return f"{looked}; weights are not in git, so train it first: {train}"
