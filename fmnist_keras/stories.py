"""Sentences and tables about one run, made from its own numbers, for the notebooks to show."""

import numpy as np

from . import evaluation
from .data import CLASS_NAMES

DEAD = (
    "With a ReLU on the logits, the unit of a class that is 0 for every image gets no gradient and does not "
    "recover."
)
UNITS = {"autoencoder": "mean squared error", "classifier": "cross entropy"}


def banner(suite, data, protocol, limit=None):
    """A Markdown warning above results that are not to be compared with the paper's; else ""."""
    if suite == "paper" and data == "full" and protocol == "paper" and limit is None:
        return ""
    images = "the embedded sample" if data == "sample" else "all 70,000 images"
    images += "" if limit is None else f", at most {limit} of each part"
    text = f"> **Suite `{suite}`, not the paper's runs.** Made from {images} under the `{protocol}` protocol."
    if data == "sample" or limit is not None:
        text += " These numbers show that the software works; they say nothing about the paper."
    return text


def heading(params):
    """Which run this is, with its parameters, and the banner where one is due. Markdown."""
    named = ("model", "suite", "seed", "run_dir")
    rest = [f"{k} {v}" for k, v in params.items() if k not in named and v is not None and v is not False]
    text = f"Model **{params['model']}**, suite **{params['suite']}**, seed **{params['seed']}**: "
    lines = [banner(*(params[name] for name in ("suite", "data", "protocol", "limit")))]
    return "\n\n".join(filter(None, [text + ", ".join(rest) + ".", *lines]))


def training(params, history, train, val):
    """How training went: epochs, the best one, the errors in eval mode. Markdown."""
    run, best = len(history.epochs["loss"]), history.best_epoch
    unit = UNITS["autoencoder" if "upsampling" in params else "classifier"]
    end = f"ran all {run} epochs"
    if history.stopped_early:
        end = f"stopped early after {run} of at most {params['epochs']} epochs"
    text = (
        f"**{params['model']}** {end}; the weights of epoch {best} are restored. Its {unit} is "
        f"**{val['loss']:.4f}** on the validation images and {train['loss']:.4f} on the training images."
    )
    if "accuracy" in val:
        text += (
            f" It names {val['accuracy']:.1%} of the validation images right, and {train['accuracy']:.1%} "
            "of the training images."
        )
    shown = history.epochs["loss"][best - 1]
    return text + f" While training, epoch {best} showed a loss of {shown:.4f}: that was with dropout on."


def stripes(figures, mse):
    """What the stripes of an autoencoder cost. Markdown.

    Args:
        figures: dict of "constant_pixels", "mse_inside", "mse_outside" and "floor".
        mse: the mean squared error on the validation images.
    """
    inside, outside = figures["mse_inside"], figures["mse_outside"]
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
    off = confusion * (1 - np.eye(len(confusion), dtype=int))
    true, taken = np.unravel_index(off.argmax(), off.shape)
    hardest, easiest = order[0], order[-1]
    text = (
        f"Hardest: **{CLASS_NAMES[hardest]}**, {recall[hardest]:.1%} of its images are recognised. "
        f"Easiest: **{CLASS_NAMES[easiest]}**, {recall[easiest]:.1%}. The commonest mistake: "
        f"{off.max()} times {CLASS_NAMES[true]} is taken for {CLASS_NAMES[taken]}."
    )
    dead = [name for name, value in zip(CLASS_NAMES, recall) if value == 0]
    if dead:
        text += f"\n\n> **Warning: never recognised: {', '.join(dead)}.** {DEAD}"
    return text
