"""Charts from arrays; pictures.py has the figures made of images.

Every function returns a `Figure` whose label is its alt text, made from its own numbers.

Images are `(n, 28, 28, 1)` float32 in [0, 1]; labels `(n,)` integers in [0, 9].
"""

import re

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib import patheffects

from .data import CLASS_NAMES

FEW = 10  # images in a bin of the reliability diagram, below which its accuracy is mostly chance
PALETTE = sns.color_palette("colorblind")
MARKERS = "osD^vPX<>p"
MODEL_COLOURS = [PALETTE[i] for i in (0, 1, 2, 3, 4, 5, 9, 7, 8, 6)]  # the two pinks of it far apart


def new_figure(alt, rows=1, columns=1, size=(6.4, 3.8), **kwargs):
    """A `Figure` with its alt text as its label, and its axes."""
    # Agg figures made through pyplot, so that they close with plt.close and need no display.
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", **kwargs)
    figure.set_label(alt)
    return figure, axes


def colour(name):
    """The colour of a model, the same everywhere: by the first number in its name, as an ablation has it."""
    digits = re.search(r"\d+", name)
    return MODEL_COLOURS[(int(digits[0] if digits else 1) - 1) % len(MODEL_COLOURS)]


def curves(history, name, ylabel, best_epoch, model):
    """Training and validation curves of one quantity of one run.

    Args:
        history: mapping of column to values, an epoch each.
        name: "loss" or "accuracy"; "val_" + name is drawn too.
        ylabel: what it is, with its unit.
        best_epoch: the epoch, from 1, whose weights were restored.
        model: whose run it is, for its colour.
    """
    train, val = np.asarray(history[name]), np.asarray(history[f"val_{name}"])
    epochs = np.arange(1, len(train) + 1)
    alt = (
        f"{ylabel} over {len(epochs)} epochs: training from {train[0]:.4f} to {train[-1]:.4f}, validation "
        f"from {val[0]:.4f} to {val[-1]:.4f}; best epoch {best_epoch} with {val[best_epoch - 1]:.4f}."
    )
    figure, axes = new_figure(alt)
    axes.plot(epochs, train, "--", color="0.25", label="training (dropout on)")
    axes.plot(epochs, val, color=colour(model), label="validation")
    axes.plot(best_epoch, val[best_epoch - 1], "o", color="black", label=f"best epoch: {best_epoch}")
    axes.set(xlabel="epoch", ylabel=ylabel)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    sns.despine(figure)
    return figure


def compare_curves(histories, name, ylabel, title):
    """One curve a run, in its model's colour.

    Args:
        histories: dict of model name to a list of histories, a seed each, with a column `name`.
        name: the column.
        ylabel: what it is, with its unit.
        title: above the figure.
    """
    ends = ", ".join(
        f"{model} {np.mean([np.asarray(h[name])[-1] for h in seeds]):.4f}"
        for model, seeds in histories.items()
    )
    figure, axes = new_figure(f"{title} by epoch; in the last epoch of each: {ends}.", size=(7.6, 4.4))
    for model, seeds in histories.items():
        for i, history in enumerate(seeds):
            values = np.asarray(history[name])
            label = model if i == 0 else None
            axes.plot(np.arange(1, len(values) + 1), values, color=colour(model), label=label)
            axes.plot(len(values), values[-1], ".", color=colour(model))
    axes.set(xlabel="epoch", ylabel=ylabel, title=title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    sns.despine(figure)
    return figure


def error_map(errors, stripe):
    """Mean squared error of each pixel, the stripe of rows and columns 25 to 27 outlined.

    Args:
        errors: `(28, 28)`, see `evaluation.pixel_errors`.
        stripe: `(28, 28)` bool, see `evaluation.stripe_mask`.
    """
    inside, outside = errors[stripe].mean(), errors[~stripe].mean()
    alt = (
        f"Mean squared error per pixel: {inside:.4f} in rows and columns 25 to 27, {outside:.4f} elsewhere, "
        f"at most {errors.max():.4f}."
    )
    figure, axes = new_figure(alt, size=(5.2, 4.2))
    drawn = axes.imshow(errors, cmap="magma", vmin=0)
    axes.plot([-0.5, 24.5, 24.5], [24.5, 24.5, -0.5], color="white", linestyle=":", linewidth=1.2)
    figure.colorbar(drawn, label="mean squared error")
    axes.set(xlabel="column", ylabel="row")
    return figure


def error_maps(maps, stripe):
    """The error maps of several models on one colour scale.

    Args:
        maps: dict of model name to `(28, 28)`, see `evaluation.pixel_errors`.
        stripe: `(28, 28)` bool, see `evaluation.stripe_mask`.
    """
    ratios = ", ".join(f"{k} {m[stripe].mean():.4f} and {m[~stripe].mean():.4f}" for k, m in maps.items())
    alt = f"Mean squared error per pixel, in rows and columns 25 to 27 and elsewhere: {ratios}."
    columns = min(len(maps), 4)
    rows = -(-len(maps) // columns)
    figure, axes = new_figure(alt, rows, columns, (2.6 * columns + 0.8, 2.8 * rows), squeeze=False)
    top = np.quantile(np.stack(list(maps.values())), 0.999)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (model, errors) in zip(axes.flat, maps.items()):
        drawn = axis.imshow(errors, cmap="magma", vmin=0, vmax=top)
        axis.plot([-0.5, 24.5, 24.5], [24.5, 24.5, -0.5], color="white", linestyle=":", linewidth=1)
        axis.set_title(model)
    figure.colorbar(drawn, ax=axes, label="mean squared error", shrink=0.9, extend="max")
    return figure


def confusion_matrix(shares, title=""):
    """Figure 3 of the paper: rows are true classes and sum to 1.

    Args:
        shares: `(10, 10)` in [0, 1], see `evaluation.normalised_rows`.
        title: above the figure, and the first words of its alt text.
    """
    recall = np.diag(shares)
    off = np.where(np.eye(len(shares), dtype=bool), -1, shares)
    true, taken = np.unravel_index(off.argmax(), off.shape)
    alt = (
        f"Row-normalised confusion matrix; recall from {recall.min():.2f} ({CLASS_NAMES[recall.argmin()]}) "
        f"to {recall.max():.2f} ({CLASS_NAMES[recall.argmax()]}); the largest confusion is "
        f"{CLASS_NAMES[true]} taken for {CLASS_NAMES[taken]}, {off.max():.2f}."
    )
    figure, axes = new_figure(f"{title}: {alt}" if title else alt, size=(6.8, 6.4))
    labels = {"xticklabels": CLASS_NAMES, "yticklabels": CLASS_NAMES}
    shown = {"annot": True, "fmt": ".2f", "cbar": False}  # each cell says its share: no need of a scale
    sns.heatmap(shares, cmap="Blues", vmin=0, vmax=1, square=True, ax=axes, **shown, **labels)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    axes.tick_params(axis="x", rotation=45)
    plt.setp(axes.get_xticklabels(), ha="right", rotation_mode="anchor")
    return figure


def reliability(calibration, model):
    """Accuracy against confidence in bins.

    Args:
        calibration: see `evaluation.calibration`.
        model: whose it is, for its colour.
    """
    count, confidence, accuracy = (
        np.asarray(calibration[name]) for name in ("count", "confidence", "accuracy")
    )
    full = count > 0
    gap = np.where(full, confidence - accuracy, 0)
    alt = (
        f"Reliability diagram, expected calibration error {calibration['ece']:.4f}; confidence is above "
        f"accuracy in {np.sum(gap > 0)} of {np.sum(full)} bins, by {gap.max():.2f} at most."
    )
    figure, axes = new_figure(alt, size=(4.6, 4.2))
    axes.plot([0, 1], [0, 1], ":", color="0.5", label="perfect calibration")
    drawn = {"color": colour(model), "clip_on": False}
    axes.plot(confidence[full], accuracy[full], "o-", label=model, **drawn)
    few = full & (count < FEW)
    if few.any():
        label = f"a bin of fewer than {FEW} images"
        axes.plot(confidence[few], accuracy[few], "o", markerfacecolor="white", label=label, **drawn)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"expected calibration error {calibration['ece']:.4f}", fontsize="medium")
    axes.legend(frameon=False)
    sns.despine(figure)
    return figure


def latent_space(points, labels, variance=None):
    """Codes in two dimensions, coloured by class.

    Args:
        points: `(n, 2)`, the first two principal components, or a t-SNE.
        labels: `(n,)` integers.
        variance: the share of the codes' variance that two principal components hold; None for a t-SNE.
    """
    alt = f"{len(points)} codes by class, in two dimensions by t-SNE."
    axis_names = "t-SNE 1", "t-SNE 2"
    if variance is not None:
        alt = f"{len(points)} codes by class on two principal components, {variance:.0%} of their variance."
        axis_names = "first principal component", "second principal component"
    figure, axes = new_figure(alt, size=(7.6, 5.2))
    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    for label, name in enumerate(CLASS_NAMES):
        members, marker = points[labels == label], {"color": PALETTE[label], "marker": MARKERS[label]}
        axes.scatter(*members.T, s=11, label=f"{label}  {name}", linewidths=0, alpha=0.8, **marker)
        if len(members):  # its number stands amid a class: ten colours alone are too many to tell apart
            at = np.median(members, axis=0)
            axes.annotate(label, at, ha="center", va="center", size=13, weight="bold", path_effects=halo)
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1])
    axes.legend(frameon=False, markerscale=2, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(figure)
    return figure
