"""Sentences made from the numbers of a run, for its notebook to show. Markdown."""

import ast
import inspect

import numpy as np

from .. import data, evaluation, runs
from .._sources import is_fashion_mnist
from ..params import is_own, shown
from . import paper
from .display import as_text, note

DEAD = (
    "With a ReLU on the logits, the unit of a class that is 0 for every image gets no gradient and does not "
    "recover."
)
RANDOM = (
    '> **The encoder starts from random weights.** With `encoder_from = "latest"` it starts from the '
    "autoencoder of the same `latent_dim` and `seed` that was trained last, if there is one."
)
READING = (
    "What the paper leaves unsaid is here as `params/suites/reading.yaml` fills it in: the initial weights, "
    "and how many epochs the autoencoder of models 7 and 8 had at most. Models 5 and 7 end at the epochs "
    "that the paper restored, 15 and 19: they say nothing about early stopping, or about later epochs."
)
NAMED = 12  # classes that a line names
STRIPE_PIXELS = 28 * 28 - 25 * 25  # in rows and columns 25 to 27


def banner(suite, data, protocol, limit=None):
    """Return a Markdown warning above results that are not to be compared with the paper's; else ""."""
    if suite in paper.SUITES and data == "full" and protocol == "paper" and limit is None:
        return READING if suite == "reading" else ""
    if is_own(data):
        return ""
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
    params, named = run.params, ("model", "suite", "seed", "run_dir", "notebook_sha256")
    values = params.as_dict() | ({"data": shown(params.data)} if is_own(params.data) else {})
    rest = [f"{name} {_text(value)}" for name, value in values.items() if name not in named]
    text = f"Model **{params.model}**, suite **{params.suite}**, seed **{params.seed}**: "
    lines = [banner(params.suite, params.data, params.protocol, params.limit)]
    if params.kind == "classifier" and params.encoder_from is None:
        lines.append(RANDOM)
    lines += map(note, run.notes)
    return "\n\n".join(filter(None, [text + ", ".join(rest) + ".", *lines]))


def _text(value):
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def about(dataset):
    """Return which data set this is, its classes and its SHA-256. Markdown."""
    title = "Fashion-MNIST" if is_fashion_mnist(dataset.sha256) else as_text(dataset.name)
    names = [*map(as_text, dataset.class_names)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    files = ", ".join(f"{digest[:16]}… of {as_text(file)}" for file, digest in dataset.sha256.items())
    return f"**{title}**: {len(names)} classes, {', '.join(names[:NAMED])}{more}. SHA-256: {files}."


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


def stripes(figures):
    """Return what the stripes of an autoencoder cost as Markdown.

    Args:
        figures: see `evaluation.stripe_report`.
    """
    inside, outside = figures["mse_inside"], figures["mse_outside"]
    mse = (STRIPE_PIXELS * inside + (28 * 28 - STRIPE_PIXELS) * outside) / (28 * 28)
    text = (
        f"The mean squared error is {inside:.4f} in rows and columns 25 to 27 and {outside:.4f} elsewhere, "
        f"a ratio of {inside / outside:.1f}."
    )
    if 0 < figures["constant_pixels"] < 28 * 28:  # not of a model that makes one image of all
        text += (
            f" No training can bring this model below **{figures['floor']:.4f}**: that is how much the "
            f"validation images differ in the {figures['constant_pixels']} pixels it cannot adapt to them, "
            f"{figures['floor'] / mse:.0%} of its error."
        )
    return text


def class_table(confusion, class_names=None):
    """Return precision, recall and F1 by class, with the recall's 95 % interval: a `pandas.DataFrame`.

    Args:
        confusion: counts `(k, k)`, rows are true classes.
        class_names: in order; None are `data.CLASS_NAMES`, as in `classes`.
    """
    import pandas as pd

    confusion = np.asarray(confusion)
    scores = evaluation.class_scores(confusion)
    intervals = [evaluation.proportion_interval(row[label], row.sum()) for label, row in enumerate(confusion)]
    table = pd.DataFrame(scores, index=_names(class_names)).rename_axis(columns="class").round(3)
    table.insert(
        2,
        "recall, 95 % interval",
        [f"{low:.3f} to {high:.3f}" if low == low else "" for low, high in intervals],
    )
    return table.assign(images=confusion.sum(axis=1))


def _names(class_names):
    return data.CLASS_NAMES if class_names is None else class_names


def classes(confusion, class_names=None):
    """Return the hardest and easiest classes, the largest confusion and dead classes as Markdown."""
    confusion, names = np.asarray(confusion), [*map(as_text, _names(class_names))]
    recall = evaluation.class_scores(confusion)["recall"]
    there = confusion.sum(axis=1) > 0  # among the validation images
    order = np.flatnonzero(there)[np.argsort(recall[there])]
    hardest, easiest = order[0], order[-1]
    text = (
        f"Hardest: **{names[hardest]}**, {recall[hardest]:.1%} of its images are recognised. "
        f"Easiest: **{names[easiest]}**, {recall[easiest]:.1%}. "
    )
    for true, taken in evaluation.most_confused(confusion):
        mistake = f"{confusion[true, taken]} times {names[true]} is taken for {names[taken]}"
        text += f"The commonest mistake: {mistake}. "
    text += (
        f"One class for every image would be right for {confusion.sum(axis=1).max() / confusion.sum():.1%}."
    )
    if confusion.trace() <= confusion.sum(axis=1).max():
        text += "\n\n> **This model has learned nothing of the images:** it is right no more often than that."
    dead = [names[label] for label in evaluation.dead_classes(confusion)]
    if dead:
        text += f"\n\n> **Warning: never recognised: {', '.join(dead)}.** {DEAD}"
    return text
