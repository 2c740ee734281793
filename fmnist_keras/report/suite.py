"""All runs of a suite, grouped by model, and what is computed from them.

Everything is made from `metrics.json` and `history.csv`; no model is loaded.
"""

import contextlib
import json
from urllib.parse import quote

import numpy as np

from .. import evaluation, params, runs
from . import claims
from .display import as_text


def by_model(suite, kind):
    """The complete runs of a kind, whatever made them, no ablations: dict of model to metrics, by seed."""
    return of_kind(with_ablations(suite), kind)


def of_kind(grouped, kind):
    """Those of `with_ablations` that are no ablation's, of one kind."""
    changed = ablation_changes()
    return {name: runs for name, runs in grouped.items() if name not in changed and runs[0]["kind"] == kind}


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


def with_ablations(suite):
    """Every run of a suite that a claim may need: dict of model or ablation name to its runs.

    The runs that a study alone asked for are on that study's page.
    """
    asked = {run for study in studies(suite).values() for run in study["runs"]}
    grouped = {}
    for run in runs.read_suite(suite):
        if run["model"] not in asked.difference(params.names()):
            grouped.setdefault(run["model"], []).append(run)
    return grouped


def studies(suite):
    """What the suite's `study.json` hold: dict of study to it. One that is cut off counts as absent."""
    found = {}
    for path in sorted((runs.suite_dir(suite) / "studies").glob("*/study.json")):
        with contextlib.suppress(OSError, ValueError):
            held = json.loads(path.read_text("utf-8"))
            if isinstance(held, dict) and "runs" in held:
                found[path.parent.name] = held
    return found


def ablation_changes():
    """Dict of an ablation's name to (the model that it starts from, the field that it changes, the value).

    A file that is wrong is the concern of the run that it is for, and no other run's.
    """
    found = {}
    for path in (params.PARAMS_DIR / "ablations").glob("[!.]*.yaml"):
        with contextlib.suppress(params.ParamsError):
            values = params.read_yaml(path)
            base, changes = values.pop("base", None), [item for item in values.items() if item[0] != "model"]
            if isinstance(base, str) and len(changes) == 1:
                found[path.stem] = base, *changes[0]
    return dict(sorted(found.items(), key=lambda item: params.natural(item[0])))


def ablation_bases():
    """Dict of an ablation's name to (the model that it starts from, the field that it changes)."""
    return {name: change[:2] for name, change in ablation_changes().items()}


def equal_ablations(grouped):
    """Ablations that a suite's own changes make equal to another configuration: dict of name to the other's.

    Args:
        grouped: every run of the suite, see `with_ablations`. Of an ablation without a run, the parameters
            are those of its base with its change.
    """
    changes, seen, equal = ablation_changes(), {}, {}
    for name in [*(name for name in grouped if name not in changes), *changes]:
        for key in _configurations(grouped, name, changes.get(name)):
            if name in changes and key in seen and seen[key] != name:
                equal[name] = seen[key]
            seen.setdefault(key, name)
    return equal


def _configurations(grouped, name, change):
    """The parameters of each run of a model, or of an ablation without one: hashable, and without a name."""
    values = [run["params"] for run in grouped.get(name, ())]
    if not values and change is not None:
        base, field, value = change
        epsilon = (
            {"epsilon": params.PAPER_EPSILON if value == "adam" else None} if field == "optimizer" else {}
        )
        values = [run["params"] | {field: value} | epsilon for run in grouped.get(base, ())]
    for given in values:
        full = vars(params.Params(model=name)) | given | {"model": "", "run_dir": None}
        yield tuple(sorted(full.items()))


def judge(suite, grouped=None):
    """The verdicts on the paper's claims, written to the suite's `claims.json` too; see `claims.judge`.

    Args:
        suite: its name. Where it has none of the models that the claims are about, there are no verdicts.
        grouped: what `with_ablations` gave; None reads it.
    """
    grouped = with_ablations(suite) if grouped is None else grouped
    equal = equal_ablations(grouped)
    rows = claims.judge({name: grouped[same] for name, same in equal.items() if same in grouped} | grouped)
    parts = [part for row in rows for part in row["estimands"]]
    if not any(one["seeds"] for part in parts for one in part["comparisons"]):
        return []
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
        kept = evaluation.pca_errors(dataset.x_train, dataset.x_val, lengths)
        _write(path, kept)
    return {str(length): kept[str(length)] for length in lengths}
