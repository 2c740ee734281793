"""Sentences, made from the numbers of a run or of a suite, for the notebooks to show. Markdown."""

import ast
import inspect
import itertools
import os
import re
from collections import Counter

import numpy as np

from .. import evaluation, params, runs
from ..data import CLASS_NAMES
from . import claims, paper, statistics, tables
from .claims import equal_points
from .display import as_text, note
from .suite import alive, by_model, counted, failed

DEAD = (
    "With a ReLU on the logits, the unit of a class that is 0 for every image gets no gradient and does not "
    "recover."
)
RANDOM = (
    '> **The encoder starts from random weights.** With `encoder_from = "latest"` it starts from the '
    "autoencoder of the same `latent_dim` and `seed` that was trained last, where there is one."
)
WEIGHTS = {"glorot_uniform": "Keras' initial weights", "pytorch": "PyTorch's"}
FEWEST = 4  # runs of a model, of which each is judged by the others
SEEDS = (0, 1, 2)  # those that the claims are meant to be judged by
OUTCOMES = {  # of one claim, and of several
    claims.HOLDS: ("holds", "hold"),
    claims.FAILS: ("does not hold", "do not hold"),
    claims.OPEN: ("is undecided", "are undecided"),
    claims.MISSING: ("lacks runs", "lack runs"),
}
READING = (
    "What the paper leaves unsaid is here as `params/suites/reading.yaml` fills it in: the initial weights, "
    "and how many epochs the autoencoder of models 7 and 8 had at most."
)
STRIPE_PIXELS = 28 * 28 - 25 * 25  # in rows and columns 25 to 27


def banner(suite, data, protocol, limit=None):
    """A Markdown warning above results that are not to be compared with the paper's; else ""."""
    if suite in paper.SUITES and data == "full" and protocol == "paper" and limit is None:
        return READING if suite == "reading" else ""
    images = "the embedded sample" if data == "sample" else "all 70,000 images"
    images += "" if limit is None else f", at most {limit} of each part"
    text = f"> **Suite `{suite}`, not the paper's runs.** Made from {images} under the `{protocol}` protocol."
    if data == "sample" or limit is not None:
        text += " These numbers show that the software works; they say nothing about the paper."
    return text


def source(function):
    """Return the code of a function without its docstring, for a notebook to show. Markdown."""
    lines = inspect.getsource(function).splitlines(keepends=True)
    docstring = ast.parse("".join(lines)).body[0].body[0]
    del lines[docstring.lineno - 1 : docstring.end_lineno]
    return f"```python\n{''.join(lines)}```"


def heading(run):
    """Return which run this is: its parameters, what was chosen for it, and a banner if needed. Markdown.

    Args:
        run: a `runs.Run`.
    """
    params, named = run.params, ("model", "suite", "seed", "run_dir")
    rest = [f"{name} {_text(value)}" for name, value in params.as_dict().items() if name not in named]
    text = f"Model **{params.model}**, suite **{params.suite}**, seed **{params.seed}**: "
    lines = [banner(params.suite, params.data, params.protocol, params.limit)]
    if params.kind == "classifier" and params.encoder_from is None:
        lines.append(RANDOM)
    lines += map(note, run.notes)
    return "\n\n".join(filter(None, [text + ", ".join(rest) + ".", *lines]))


def _text(value):
    return {None: "none", True: "true", False: "false"}[value] if value in (None, True, False) else str(value)


def training(run, model, history, train, val):
    """Return how training went: epochs, the restored one, errors in eval mode, what departs. Markdown.

    Args:
        run: a `runs.Run`.
        model: the trained `keras.Model`.
        history: what its `fit` returned.
        train: what `training.evaluate` returned for the training images.
        val: the same for the validation images.
    """
    from ..training import loss_name, uses_dropout

    ran, loss = len(history.epoch), loss_name(model)
    restored = runs.folder.restored_epoch(history, val["loss"])
    most = (history.params or {}).get("epochs", ran)
    end = f"ran all {ran} epochs"
    if cut := getattr(history, "interrupted", None):
        end = f"was interrupted in epoch {cut} of at most {most}"
    elif ran < most:
        end = f"stopped early after {ran} of at most {most} epochs"
    text = f"**{as_text(run.params.model)}** {end}; "
    text += (
        f"the weights of epoch {restored} are restored{_best(history, restored)}. "
        if restored
        else "its weights are those at the end. "
    )
    loss, _, unit = loss.partition(" (")
    unit = f" {unit.rstrip(')')}" if unit else ""
    text += (
        f"Its {loss} is **{val['loss']:.4f}**{unit} on the validation images and {train['loss']:.4f} on the "
        "training images."
    )
    if "accuracy" in val:
        text += (
            f" Its accuracy is {val['accuracy']:.1%} on the validation images and {train['accuracy']:.1%} on "
            "the training images."
        )
    if restored:
        shown = history.history["loss"][restored - 1]
        why = "with dropout on" if uses_dropout(model) else "an average while the weights moved"
        text += f" While training, epoch {restored} showed a loss of {shown:.4f}: that was {why}."
    departs = run.describe(model, history)["departs"]
    return "\n\n".join(filter(None, [text, departures(departs)]))


def _best(history, restored):
    best = getattr(history, "best_epoch", restored)
    return "" if best == restored else f", the best one is {best}"


def departures(departs):
    """Return what ran otherwise than asked, see `ran.departures`, as a warning. Markdown, or ""."""
    if not departs:
        return ""
    parts = []
    for part, words in departs.items():
        ran, _, asked = as_text(words).partition(" instead of ")
        parts.append(f"{part}: **{ran}**" + (f" (asked: {asked})" if asked else ""))
    text = "; ".join(parts)
    return (
        f"> **This run departs from its parameters.** {text[0].upper() + text[1:]}. No claim of the paper "
        "counts it."
    )


def baselines(error, errors):
    """Return the errors of guesses that are the same for every image, and if a model is no better. Markdown.

    Args:
        error: the model's mean squared error on the validation images.
        errors: see `evaluation.baseline_errors`.
    """
    grey, mean = (errors[name] for name in evaluation.GUESSES)
    text = (
        f"One grey for every image would have a mean squared error of {grey:.4f}, the mean image {mean:.4f}."
    )
    if error >= min(grey, mean):
        text += f"\n\n> **This model has learned nothing of the images:** with {error:.4f} it is no better."
    return text


def learned_nothing(errors, grouped):
    """Name the autoencoders that are no better than a guess, and the claims about them. Markdown, or "".

    Args:
        errors: see `suite.baselines`.
        grouped: see `suite.with_ablations`.
    """
    least, said = min(errors.get(name, np.inf) for name in evaluation.GUESSES), []
    for name, seeds in counted(grouped).items():
        losses = [run["val"]["loss"] for run in seeds if run["kind"] == "autoencoder"]
        no_better = [loss for loss in losses if loss >= least]
        about = claims.names().get(name, [])
        if no_better:
            count, mean = f"{len(no_better)} of {len(losses)} runs", np.mean(no_better)
            rest_on_it = f" (compared in {', '.join(about)})" if about else ""
            said.append(f"**{as_text(name)}**, {count}, mean squared error {mean:.4f}{rest_on_it}")
    if not said:
        return ""
    guesses = ", ".join(f"{name} {errors[name]:.4f}" for name in evaluation.GUESSES)
    return (
        f"> **Learned nothing of the images:** {'; '.join(said)}. The same guess for every image: {guesses}."
    )


def stripes(figures):
    """What the stripes of an autoencoder cost. Markdown.

    Args:
        figures: see `evaluation.stripe_report`.
    """
    inside, outside = figures["mse_inside"], figures["mse_outside"]
    mse = (STRIPE_PIXELS * inside + (28 * 28 - STRIPE_PIXELS) * outside) / (28 * 28)
    text = (
        f"The mean squared error is {inside:.4f} in rows and columns 25 to 27 and {outside:.4f} elsewhere, "
        f"a ratio of {inside / outside:.1f}."
    )
    if figures["constant_pixels"]:
        text += (
            f" No training can bring this model below **{figures['floor']:.4f}**: that is how much the "
            f"validation images differ in the {figures['constant_pixels']} pixels it cannot adapt to them, "
            f"{figures['floor'] / mse:.0%} of its error."
        )
    return text


def class_table(confusion):
    """Precision, recall and F1 a class, with the recall's 95 % interval: a `pandas.DataFrame`.

    Args:
        confusion: counts `(10, 10)`, rows are true classes.
    """
    import pandas as pd

    confusion = np.asarray(confusion)
    scores = evaluation.class_scores(confusion)
    intervals = [evaluation.proportion_interval(row[label], row.sum()) for label, row in enumerate(confusion)]
    table = pd.DataFrame(scores, index=CLASS_NAMES).rename_axis(columns="class").round(3)
    table.insert(2, "recall, 95 % interval", [f"{low:.3f} to {high:.3f}" for low, high in intervals])
    return table.assign(images=confusion.sum(axis=1))


def classes(confusion):
    """The hardest and the easiest classes, the largest confusion, and a warning of dead ones. Markdown."""
    confusion = np.asarray(confusion)
    recall = evaluation.class_scores(confusion)["recall"]
    order = np.argsort(recall)
    ((true, taken),) = evaluation.most_confused(confusion)
    hardest, easiest = order[0], order[-1]
    text = (
        f"Hardest: **{CLASS_NAMES[hardest]}**, {recall[hardest]:.1%} of its images are recognised. "
        f"Easiest: **{CLASS_NAMES[easiest]}**, {recall[easiest]:.1%}. The commonest mistake: "
        f"{confusion[true, taken]} times {CLASS_NAMES[true]} is taken for {CLASS_NAMES[taken]}. "
        f"One class for every image would be right for {confusion.sum(axis=1).max() / confusion.sum():.1%}."
    )
    if confusion.trace() <= confusion.sum(axis=1).max():
        text += "\n\n> **This model has learned nothing of the images:** it is right no more often than that."
    dead = [CLASS_NAMES[label] for label in evaluation.dead_classes(confusion)]
    if dead:
        text += f"\n\n> **Warning: never recognised: {', '.join(dead)}.** {DEAD}"
    return text


def headline(suite, verdicts, cells):
    """What came out, in one sentence. Markdown.

    Args:
        suite: its name; on any but `paper.SUITES` the verdicts are an exercise.
        verdicts: see `claims.judge`; without any, nothing is said.
        cells: see `tables.cuadro_3`.
    """
    if verdicts.empty:
        return ""
    found = verdicts.drop_duplicates("claim")
    theirs, own = found[found["by"] == ""], found[found["by"] != ""]
    claims = "claims" if len(own) > 1 else "claim"
    groups = {f"the paper's {len(theirs)} claims": theirs, f"{len(own)} {claims} of one's own": own}
    text = "".join(f"of {whose}, {_outcomes(rows)}; " for whose, rows in groups.items() if len(rows))
    agrees = agreement(cells[~cells["model"].isin(tables.STOPPED)])
    text += agrees or "cuadro III's numbers have no second run to be judged by."
    if suite not in paper.SUITES:
        text = f"as an exercise, since these are not the paper's runs: {text}"
    return f"**What came out:** {text}"


def _outcomes(verdicts):
    counts = Counter(verdicts["verdict"])
    return ", ".join(
        f"{counts[name]} {words[counts[name] > 1]}" for name, words in OUTCOMES.items() if counts[name]
    )


def agreement(cells):
    """Return how many of the numbers of `tables.cuadro_3` agree, in a sentence; "" if none is judged."""
    agrees, without = (some["agrees"].dropna().astype(bool) for some in (cells, tables.without_dead(cells)))
    if not len(agrees):
        return ""
    beside = f" ({without.sum()} of {len(without)} {tables.NO_DEAD})" if cells["dead"].any() else ""
    found = f"{agrees.sum()} of cuadro III's {len(agrees)} numbers"
    return f"{found} are what one more run of ours could give{beside}."


def introduction(suite, grouped):
    """The banner where one is needed, what the suite has, and what failed or is missing. Markdown."""
    lines = [note(runs.elsewhere())]
    first = next((seeds[0] for seeds in grouped.values()), None)
    if first is not None:
        count, seeds = sum(map(len, grouped.values())), max(map(len, grouped.values()))
        lines.append(banner(suite, first["params"]["data"], first["params"]["protocol"]))
        lines.append(
            f"{count} runs of {len(grouped)} models, seeds: {seeds}; {first['images']['train']:,} "
            f"training and {first['images']['val']:,} validation images."
        )
    lines += [
        f"> **Failed:** {name}; [its notebook]({path}) holds the error." for name, path in failed(suite)
    ]
    for where, reason in runs.damaged(suite):
        name = as_text(f"{where.parent.name}, {where.name}")
        reason = as_text(reason.replace(f"{where}{os.sep}", ""))
        lines.append(f"> **Left out:** {name}: {reason}.{_run_again(where)}")
    for run in itertools.chain(*grouped.values()):
        if reason := runs.not_counted(run):
            said = as_text(f"{run['model']}, seed {run['seed']}: {reason}")
            lines.append(f"> **In no claim and not in cuadro III:** {said}.")
    if first and (texts := _still_to_run(suite, grouped)):
        lines.append(f"> **Still to run:** {'; '.join(texts)}.")
    return "\n\n".join(filter(None, lines))


def _run_again(folder):
    """Return a sentence with the command that makes a run's folder again, if one does."""
    suite, model, seed = folder.parts[-3:]
    is_suite = (params.PARAMS_DIR / "suites" / f"{suite}.yaml").is_file()
    if not (is_suite and model in params.names() and re.fullmatch(r"seed_(0|[1-9][0-9]*)", seed)):
        return ""  # a copy, or a run of one's own
    return f" `make report SUITE={suite} MODELS={model} SEEDS={seed[5:]}` makes it again."


def _still_to_run(suite, grouped):
    """What the suite does not have yet of the paper's models, and for `paper` of the seeds and `holdout`."""
    if not (params.PARAMS_DIR / "suites" / f"{suite}.yaml").is_file():
        return []  # a suite of one's own has what it has
    absent = [model for model in paper.HYPERPARAMETERS if model not in grouped]
    texts = [f"{', '.join(absent)}, without a run in this suite"] if absent else []
    if suite == "paper":
        counts = {seed: 0 for seed in SEEDS}
        for seeds in grouped.values():
            counts |= {seed: counts[seed] + 1 for seed in counts if seed in [run["seed"] for run in seeds]}
        texts += [
            f"seed {seed} of {len(grouped) - count} models"
            for seed, count in counts.items()
            if count < len(grouped)
        ]
        lacking = sorted(paper.RESULTS.keys() - by_model("holdout", "classifier").keys())
        if lacking:
            texts.append(f"the suite `holdout` of {', '.join(lacking)}")
    return texts


def equal_ablations(grouped):
    """Which ablations are one configuration in this suite, and so one finding. Markdown."""
    equal = equal_points(grouped)
    said = [f"**{name}** is {other}" for name, other in equal.items()]
    return (
        f"In this suite, with what it changes in every model: {'; '.join(said)}. That is one finding."
        if said
        else ""
    )


def dead_classes(grouped):
    """A warning for each class that a classifier never recognises in some of its runs. Markdown."""
    counts = Counter(
        (model, CLASS_NAMES[label])
        for model, seeds in grouped.items()
        for m in seeds
        for label in evaluation.dead_classes(m["confusion"])
    )
    if not counts:
        return "Every classifier recognises images of every class." if grouped else ""
    dead = [
        f"**{model}**: {name}, in {n} of {len(grouped[model])} runs" for (model, name), n in counts.items()
    ]
    return f"> **Never recognised:** {'; '.join(dead)}. {DEAD}"


def dead_runs(cells):
    """Return which runs of `tables.cuadro_3` have a dead class, and the rule. Markdown, "" if none has."""
    counts = cells[cells["dead"] > 0].drop_duplicates("model")
    told = [f"{row.dead} of {row.seeds} runs of {row.model}" for row in counts.itertuples()]
    return (
        f"**Dead classes:** {'; '.join(told)} never recognise one of the classes. {DEAD} The numbers are "
        f"with these runs. Beside them are those {tables.NO_DEAD}: an interval over both kinds of runs has "
        "almost anything in it, and the paper's run is not one, since such a run names at most 90 % right."
        if told
        else ""
    )


def dead_by_weights(suites):
    """Return how many runs have a dead class with each suite's initial weights. Markdown, "" without any.

    Args:
        suites: dict of a suite's name to its classifiers, see `suite.by_model`.
    """
    from scipy.stats import fisher_exact

    found = {}
    for name, grouped in suites.items():
        for model, seeds in grouped.items():
            weights = WEIGHTS[seeds[0]["params"].get("initializer", "glorot_uniform")]
            dead = len(seeds) - len(alive(seeds))
            found.setdefault(model, []).append((dead, len(seeds), f"with {weights} (suite `{name}`)"))
    lines = []
    for model, rows in found.items():
        if any(dead for dead, *_ in rows):
            told = " and ".join(f"{dead} of {count} {weights}" for dead, count, weights in rows)
            line = f"Of the runs of {model}, {told} never recognise one of the classes"
            if len(rows) == 2:
                p_value = fisher_exact([[dead, count - dead] for dead, count, _ in rows]).pvalue
                line += f" (Fisher's exact test of the difference: p = {p_value:.2f})"
            lines.append(f"{line}.")
    return " ".join([*lines, DEAD]) if lines else ""


def coverage(grouped):
    """Return how often a run lies where its model's others say that one more would. Markdown, "" of few runs.

    Counted are the losses and accuracies of models with `FEWEST` runs or more.
    """
    inside, living = _covered(grouped), _covered({name: alive(seeds) for name, seeds in grouped.items()})
    if not inside:
        return ""
    text = (
        f"How good are such bars? Of {len(inside)} losses and accuracies of our runs, "
        f"{100 * np.mean(inside):.1f} % lie where "
        "their model's other runs say that one more would; 95 % should."
    )
    if living and len(living) < len(inside):
        text += f" Of the {len(living)} {tables.NO_DEAD} it is {100 * np.mean(living):.1f} %."
    return text


def _covered(grouped):
    inside = []
    for seeds in grouped.values():
        for part, quantity in itertools.product(("train", "val"), seeds[0]["val"] if seeds else ()):
            values = np.array([run[part][quantity] for run in seeds])
            for at in range(len(values)) if len(values) >= FEWEST else ():
                low, high = statistics.prediction_interval(np.delete(values, at))
                inside.append(low <= values[at] <= high)
    return inside


def caps(table):
    """Return for which models and caps the best epoch is the last. Markdown, "" of an empty table.

    Args:
        table: see `tables.caps`.
    """
    if table.empty:
        return ""
    held = {
        name: [str(cap) for cap, cell in table[name].items() if cell.split(": ")[-1] == claims.HOLDS]
        for name in table
    }
    told = [f"{name} with {', '.join(caps)}" if caps else f"{name} with none" for name, caps in held.items()]
    return (
        "How many epochs an autoencoder had at most is unsaid in the paper; 40 is ours. Replayed with other "
        f"caps, that the best epoch is the last holds for {'; '.join(told)}."
    )


def stopped(cells):
    """What becomes of cuadro III where our runs stop at the paper's best epochs. Markdown, "" without any.

    Args:
        cells: see `tables.cuadro_3`, the points of `tables.STOPPED` among them.
    """
    agrees = cells.loc[cells["model"].isin(tables.STOPPED), "agrees"]
    if agrees.empty:
        return ""
    agrees = agrees.dropna().astype(bool)
    if agrees.empty:
        return "Models 5 and 7 that stop where the paper stopped, at epochs 15 and 19, need two seeds each."
    return (
        f"Stopped where the paper stopped, models 5 and 7 agree in {agrees.sum()} of {len(agrees)} numbers."
    )


def verdict_style(suite):
    """The classes of a table of verdicts: on all suites but `paper` an exercise, and not in colour."""
    return "stack" if suite in paper.SUITES else "stack exercise"


def evidence(suite):
    """Where it stands how often intervals and verdicts are right, linked where it is there. Markdown."""
    beside = (runs.suite_dir(suite).parent / "coverage.md").is_file()
    where = "[coverage.md](../coverage.md)" if beside else "`reports/coverage.md`"
    return (
        f"How often these intervals hold the truth, and how often a verdict is wrong, was simulated: {where}."
    )
