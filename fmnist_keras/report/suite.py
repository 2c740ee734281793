"""All runs of a suite, grouped by name, and what is computed from them.

Everything is made from `metrics.json` and `history.csv`; no model is loaded.
"""

import contextlib
import json
from urllib.parse import quote

import numpy as np

from .. import evaluation, runs
from . import claims
from .display import as_text


def every(suite):
    """Return all complete runs of a suite: dict of name to metrics, by seed."""
    grouped = {}
    for run in runs.read_suite(suite):
        grouped.setdefault(run["model"], []).append(run)
    return grouped


def with_ablations(suite):
    """Return the runs of a suite's page: dict of name to metrics, of models and of the points of claims.

    A point is a run that says what it changes in which model; others are on their study's page.
    """
    grouped = every(suite)
    named = {*claims.names(), *claims.STOPPED, *claims.equal_points(grouped).values()}
    points = ablations(grouped)
    return {name: seeds for name, seeds in grouped.items() if name not in points or name in named}


def ablations(grouped):
    """Return the points, whose runs say that they change another model."""
    return {name: seeds for name, seeds in grouped.items() if seeds[0]["changes"]}


def of_kind(grouped, kind):
    """Return those of `with_ablations` that are models of one kind."""
    changed = ablations(grouped)
    return {name: runs for name, runs in grouped.items() if name not in changed and runs[0]["kind"] == kind}


def by_model(suite, kind):
    """Return the models of a kind: dict of name to the metrics that count, by seed."""
    return of_kind(counted(with_ablations(suite)), kind)


def counted(grouped):
    """Return the runs that count in claims and beside the paper's numbers, see `runs.not_counted`."""
    kept = {name: [run for run in seeds if not runs.not_counted(run)] for name, seeds in grouped.items()}
    return {name: seeds for name, seeds in kept.items() if seeds}


def left_out(suite):
    """Return the runs that no claim counts: a list of (name, the reason in words)."""
    found = [(f"{path.parent.name}, {path.name}", reason) for path, reason in runs.damaged(suite)]
    for name, seeds in every(suite).items():
        reasons = ((run["seed"], runs.not_counted(run)) for run in seeds)
        found += [(f"{name}, seed_{seed}", reason) for seed, reason in reasons if reason]
    return found


def ranked(grouped):
    """Autoencoders by their mean validation error, best first: a list of names."""
    return sorted(grouped, key=lambda model: np.mean([m["val"]["loss"] for m in grouped[model]]))


def alive(seeds):
    """Those of a model's runs in which no class has died: of an autoencoder's, all."""
    return [run for run in seeds if "confusion" not in run or not evaluation.dead_classes(run["confusion"])]


def failed(suite):
    """Runs whose last try failed: a list of (name, path of the failed notebook below the suite)."""
    folder = runs.suite_dir(suite)
    paths = sorted(folder.glob("*/seed_*.failed.ipynb"))
    return [
        (as_text(f"{p.parent.name}, {p.name.split('.')[0]}"), quote(p.relative_to(folder).as_posix()))
        for p in paths
    ]


def histories(grouped):
    """Dict of model name to the list of its `history.csv` tables, one per seed."""
    return {model: [runs.read_history(m["folder"]) for m in seeds] for model, seeds in grouped.items()}


def error_maps(grouped):
    """Dict of an autoencoder's name to its mean squared error of each pixel `(28, 28)`, a mean over seeds."""
    return {
        model: np.mean([evaluation.unpack(run["pixel_errors"]) for run in seeds], axis=0).reshape(28, 28)
        for model, seeds in grouped.items()
    }


def studies(suite):
    """What the suite's `study.json` hold: dict of study to it. One that is cut off counts as absent."""
    found = {}
    for path in sorted((runs.suite_dir(suite) / "studies").glob("*/study.json")):
        with contextlib.suppress(OSError, ValueError):
            held = json.loads(path.read_text("utf-8"))
            if isinstance(held, dict) and "runs" in held:
                found[path.parent.name] = held
    return found


def _write(path, value):
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def baselines(suite, grouped):
    """Return what `evaluation.baseline_errors` gives for the autoencoders' `latent_dim`, {} without any.

    It is computed once, and then kept in a file.
    """
    path = runs.suite_dir(suite) / "baselines.json"
    lengths = sorted({seeds[0]["params"]["latent_dim"] for seeds in grouped.values()})
    wanted = [*evaluation.GUESSES, *map(str, lengths)] if lengths else []
    try:
        kept = {name: float(error) for name, error in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):  # not there, or damaged: computed again
        kept = {}
    if not kept.keys() >= set(wanted):
        from .. import data

        first = next(iter(grouped.values()))[0]["params"]
        dataset = data.load(first["data"], first["protocol"], first["limit"])
        kept = evaluation.baseline_errors(dataset.x_train, dataset.x_val, lengths)
        _write(path, kept)
    return {name: kept[name] for name in wanted}
