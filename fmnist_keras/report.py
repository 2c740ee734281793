"""All runs of a suite: read, judged and told, for the report notebook.

Everything is made from `metrics.json` and `history.csv`; no model is loaded.
"""

import itertools
import json
import os
from html import escape
from urllib.parse import quote

import numpy as np

from . import catalogue, claims, evaluation, paper, params, runs, stories, tables
from .data import CLASS_NAMES

SEEDS = (0, 1, 2)  # those that the claims are meant to be judged by


def by_model(suite, kind):
    """The whole runs of the models in `params`, ablations apart: dict of name to metrics, a seed each."""
    grouped, models = {}, catalogue.models()
    for metrics in runs.read_suite(suite):
        if metrics["kind"] == kind and metrics["model"] in models:
            grouped.setdefault(metrics["model"], []).append(metrics)
    return grouped


def ranked(grouped):
    """Autoencoders by their mean validation error, best first: a list of names."""
    return sorted(grouped, key=lambda model: np.mean([m["val"]["loss"] for m in grouped[model]]))


def far_off(grouped):
    """What lies beyond `paper.TOLERANCE`: a list of (model, row, the paper's number, our mean)."""
    return [
        (model, row, theirs, float(mean))
        for model, seeds in grouped.items()
        for row, theirs in paper.RESULTS.get(model, {}).items()
        for part, quantity in [row.split()]
        for mean in [np.mean([m[part][quantity] for m in seeds])]
        if abs(mean - theirs) > paper.TOLERANCE[quantity]
    ]


def failed(suite):
    """Runs whose last try failed: a list of (name, path of the failed notebook below the suite)."""
    folder = runs.suite_dir(suite)
    paths = sorted(folder.glob("*/seed_*.failed.ipynb"))
    return [
        (as_text(f"{p.parent.name}, {p.name.split('.')[0]}"), quote(p.relative_to(folder).as_posix()))
        for p in paths
    ]


def as_text(words):
    """Words that come from files, for Markdown: neither HTML nor Markdown in them comes to life."""
    return escape(words).translate({ord(mark): f"&#{ord(mark)};" for mark in "[]()*`$\\~|"})


def html(table, index=True):
    """A table as HTML, or a sentence where it has no row.

    Its cells are shown as text, unless the function that made it says in `attrs` that they are HTML.
    """
    from IPython.display import HTML

    if table.empty:
        return HTML("<p>None in this suite.</p>")
    escape = not table.attrs.get("html")
    table = table.rename_axis(index=None, columns=table.index.name)  # in the corner, not in a row of its own
    body = table.to_html(escape=escape, border=0, index=index, classes="wide")
    return HTML(body.replace(" ± ", "&nbsp;±&nbsp;"))


def figure_of(run, name):
    """A figure of pixels that a run has saved, as an `IPython.display.Image` with its alt text.

    Where the file is missing or damaged, a sentence that says so, as `Markdown`.
    """
    from IPython.display import Image as Shown
    from IPython.display import Markdown
    from PIL import Image

    path = run["folder"] / "figures" / f"{name}.png"
    try:
        with Image.open(path) as image:
            alt, width = image.text["Description"], int(image.width / 1.5)
    except (OSError, KeyError, SyntaxError, ValueError) as error:  # what PIL raises of a file that is cut off
        return Markdown(as_text(f"{run['model']}: figures/{path.name} cannot be shown: {error}"))
    return Shown(filename=path, alt=f"{run['model']}: {alt}", width=width)


def histories(grouped):
    """Dict of model name to the list of its `history.csv` tables, a seed each."""
    return {model: [runs.read_history(m["folder"]) for m in seeds] for model, seeds in grouped.items()}


def opening(suite, grouped):
    """The banner where one is due, what there is, and what failed or is missing. Markdown."""
    count = sum(len(seeds) for seeds in grouped.values())
    lines = []
    first = next((seeds[0] for seeds in grouped.values()), None)
    if first is None:
        lines.append(f"> **Suite `{suite}` holds no runs yet.** `make report` or `make paper` makes them.")
    else:
        values = first["params"]
        lines.append(stories.banner(suite, values["data"], values["protocol"]))
        lines.append(
            f"{count} runs of {len(grouped)} models, on {first['images']['train']:,} training and "
            f"{first['images']['val']:,} validation images."
        )
    lines += [
        f"> **Failed:** {name}; [its notebook]({path}) holds the error." for name, path in failed(suite)
    ]
    for where, reason in runs.damaged(suite):
        name = as_text(f"{where.parent.name}, {where.name}")
        reason = as_text(reason.replace(f"{where}{os.sep}", ""))
        lines.append(f"> **Damaged, so left out:** {name}: {reason}. The next `make` runs it again.")
    if first and (texts := _still_to_run(suite, grouped)):
        lines.append(f"> **Still to run:** {'; '.join(texts)}.")
    return "\n\n".join(filter(None, lines))


def _still_to_run(suite, grouped):
    """What the suite does not have yet of the paper's models, and for `paper` of the seeds and `holdout`."""
    absent = [model for model in paper.HYPERPARAMETERS if model not in grouped]
    texts = [f"{', '.join(absent)}, without a run in this suite"] if absent else []
    if suite == "paper":
        for seed in SEEDS:
            has = {model for model, seeds in grouped.items() if seed in [run["seed"] for run in seeds]}
            lacking = [model for model in paper.HYPERPARAMETERS if model not in has and model not in absent]
            if lacking:
                texts.append(f"seed {seed} of {', '.join(lacking)}")
        lacking = sorted(paper.RESULTS.keys() - by_model("holdout", "classifier").keys())
        if lacking:
            texts.append(f"the suite `holdout` of {', '.join(lacking)}")
    return texts


def dead_classes(grouped):
    """A warning for each class that a classifier never recognises. Markdown."""
    dead = [
        f"**{model}**, seed {m['seed']}: {CLASS_NAMES[label]}"
        for model, seeds in grouped.items()
        for m in seeds
        for label in np.flatnonzero(evaluation.class_scores(m["confusion"])["recall"] == 0)
    ]
    if not dead:
        return "Every classifier recognises images of every class."
    return f"> **Never recognised:** {'; '.join(dead)}. {stories.DEAD}"


def why_far_off(grouped, ablations):
    """Which numbers of cuadro III ours are far from, and what the runs tell of the reason. Markdown.

    Args:
        grouped: the classifiers' runs.
        ablations: those of the ablations; `<model>_epoch_<n>` is the model stopped at the paper's best epoch.
    """
    if any(seeds[0]["suite"] != "paper" for seeds in grouped.values()):
        return "These are not the paper's runs: what lies far from the paper here has no further meaning."
    lines = []
    for model, far in itertools.groupby(far_off(grouped), key=lambda row: row[0]):
        cells = [f"{row} {ours - theirs:+.3f}" for _, row, theirs, ours in far]
        lines.append(f"**{model}** ({', '.join(cells)}): " + _reason(model, grouped[model], ablations))
    if not lines:
        return "No number lies further from the paper's than that."
    return "\n\n".join(["What lies further from the paper's than that, and why:", *lines])


def _reason(model, seeds, ablations):
    theirs, chosen = paper.RESULTS[model], paper.EPOCHS[model][1]
    best = [run["best_epoch"] for run in seeds]
    if min(best) <= chosen:
        spread = ", ".join(f"{run['val']['accuracy']:.1%}" for run in seeds)
        return (
            f"the paper's best epoch is {chosen} and ours {tables.whole(best)}: the number of epochs is not "
            f"the reason. Our validation accuracy by seed is {spread}, the paper's one run has "
            f"{theirs['val accuracy']:.1%}. It says neither its seed nor how long the autoencoder had "
            "trained from which the encoder comes."
        )
    then = [runs.read_history(run["folder"]).loc[chosen] for run in seeds if run["epochs_run"] >= chosen]
    text = f"our best epoch is {tables.whole(best)}, the paper chose {chosen}."
    if then:
        loss, accuracy = (np.mean([row[name] for row in then]) for name in ("val_loss", "val_accuracy"))
        text += (
            f" In epoch {chosen} our validation loss was {loss:.3f} and the accuracy {accuracy:.1%}, "
            f"the paper's {theirs['val loss']:.3f} and {theirs['val accuracy']:.1%}."
        )
    stopped = ablations.get(f"{model}_epoch_{chosen}")
    if stopped:
        loss, accuracy = (np.mean([run["train"][name] for run in stopped]) for name in ("loss", "accuracy"))
        text += (
            f" Stopped there, it has a training loss of {loss:.3f} and an accuracy of {accuracy:.1%}, the"
            f" paper's {theirs['train loss']:.3f} and {theirs['train accuracy']:.1%}."
        )
    return text + " Our early stopping lets it train on, and its validation loss falls further."


def with_ablations(suite):
    """Every run of a suite that a claim may need: dict of model or ablation name to its runs."""
    grouped = {}
    for run in runs.read_suite(suite):
        grouped.setdefault(run["model"], []).append(run)
    return grouped


def ablation_bases():
    """Dict of an ablation's name to (the model that it starts from, the field that it changes)."""
    found = {}
    for path in sorted((params.PARAMS_DIR / "ablations").glob("*.yaml")):
        values = params.read_yaml(path)
        found[path.stem] = values["base"], next(name for name in values if name not in ("model", "base"))
    return found


def judge(suite):
    """The fourteen verdicts of a suite, written to `claims.json` in its folder too; see `claims.judge`."""
    rows = claims.judge(with_ablations(suite))
    path = runs.suite_dir(suite) / "claims.json"
    if path.parent.is_dir():
        _write(path, rows)
    return rows


def _write(path, value):
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(value, indent=1) + "\n")
    partial.replace(path)


def baselines(suite, grouped):
    """Errors of principal components in the place of each encoder, computed once and then kept in a file.

    Returns:
        dict of the number of components, as text, to the mean squared error on the validation images.
    """
    path = runs.suite_dir(suite) / "baselines.json"
    lengths = sorted({seeds[0]["params"]["latent_dim"] for seeds in grouped.values()})
    try:
        kept = {length: float(error) for length, error in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):  # not there, or damaged: computed again
        kept = {}
    if lengths and not {str(length) for length in lengths} <= kept.keys():
        from . import data

        first = next(iter(grouped.values()))[0]["params"]
        dataset = data.load(first["data"], first["protocol"], first["limit"])
        images = (data.to_float(part) for part in (dataset.x_train, dataset.x_val))
        kept = evaluation.pca_errors(*images, lengths)
        _write(path, kept)
    return {str(length): kept[str(length)] for length in lengths}
