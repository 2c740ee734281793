"""All runs of a suite, grouped by model, and what is computed from them.

Everything is made from `metrics.json` and `history.csv`; no model is loaded.
"""

import json
from urllib.parse import quote

import numpy as np

from .. import evaluation, params, runs
from . import claims
from .display import as_text


def by_model(suite, kind):
    """The complete runs of the models in `params`, no ablations: dict of name to metrics, one per seed."""
    return of_kind(with_ablations(suite), kind)


def of_kind(grouped, kind):
    """Those of `with_ablations` that are models in `params`, of one kind."""
    models = params.load_all()
    return {name: seeds for name, seeds in grouped.items() if name in models and seeds[0]["kind"] == kind}


def ranked(grouped):
    """Autoencoders by their mean validation error, best first: a list of names."""
    return sorted(grouped, key=lambda model: np.mean([m["val"]["loss"] for m in grouped[model]]))


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


def with_ablations(suite):
    """Every run of a suite that a claim may need: dict of model or ablation name to its runs."""
    grouped = {}
    for run in runs.read_suite(suite):
        grouped.setdefault(run["model"], []).append(run)
    return grouped


def ablation_bases():
    """Dict of an ablation's name to (the model that it starts from, the field that it changes)."""
    found = {}
    for path in params.files(params.PARAMS_DIR / "ablations"):
        values = params.read_yaml(path)
        found[path.stem] = values["base"], next(name for name in values if name not in ("model", "base"))
    return found


def judge(suite, grouped=None):
    """The verdicts on the paper's claims, written to the suite's `claims.json` too; see `claims.judge`.

    Args:
        suite: its name.
        grouped: what `with_ablations` gave; None reads it.
    """
    rows = claims.judge(with_ablations(suite) if grouped is None else grouped)
    path = runs.suite_dir(suite) / "claims.json"
    if path.parent.is_dir():
        _write(path, rows)
    return rows


def _write(path, value):
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def baselines(suite, grouped):
    """Errors of principal components in the place of each encoder, computed once and then kept in a file.

    Returns:
        dict of the number of components, as text, to the mean squared error on the validation images.
    """
    path = runs.suite_dir(suite) / "baselines.json"
    lengths = sorted({seeds[0]["params"]["latent_dim"] for seeds in grouped.values()})
    try:
        kept = {
            length: float(error) for length, error in json.loads(path.read_text(encoding="utf-8")).items()
        }
    except (OSError, ValueError, TypeError, AttributeError):  # not there, or damaged: computed again
        kept = {}
    if lengths and not {str(length) for length in lengths} <= kept.keys():
        from .. import data

        first = next(iter(grouped.values()))[0]["params"]
        dataset = data.load(first["data"], first["protocol"], first["limit"])
        images = (data.to_float(part) for part in (dataset.x_train, dataset.x_val))
        kept = evaluation.pca_errors(*images, lengths)
        _write(path, kept)
    return {str(length): kept[str(length)] for length in lengths}
