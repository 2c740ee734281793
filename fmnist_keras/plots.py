"""Figures from arrays. Every function returns a `Figure` whose label is its alt text, from its own numbers.

Images are `(n, 28, 28, 1)` float32 in [0, 1]; labels `(n,)` integers in [0, 9].
"""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from .data import CLASS_NAMES

PALETTE = sns.color_palette("colorblind")
MODEL_COLOURS = [PALETTE[i] for i in (0, 1, 2, 3, 4, 5, 9, 7, 8, 6)]  # the two pinks of it far apart


def _figure(alt, rows=1, columns=1, size=(6.4, 3.8), **kwargs):
    # Agg figures made through pyplot, so that they close with plt.close and need no display.
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", **kwargs)
    figure.set_label(alt)
    return figure, axes


def colour(name):
    """The colour of a model, the same everywhere: by the number its name ends in."""
    digits = "".join(c for c in name if c.isdigit())
    return MODEL_COLOURS[(int(digits or 1) - 1) % len(MODEL_COLOURS)]


def curves(history, name, ylabel, best_epoch):
    """Training and validation curves of one quantity of one run.

    Args:
        history: mapping of column to values, an epoch each.
        name: "loss" or "accuracy"; "val_" + name is drawn too.
        ylabel: what it is, with its unit.
        best_epoch: the epoch, from 1, whose weights were restored.
    """
    train, val = np.asarray(history[name]), np.asarray(history[f"val_{name}"])
    epochs = np.arange(1, len(train) + 1)
    alt = (
        f"{ylabel} over {len(epochs)} epochs: training from {train[0]:.4f} to {train[-1]:.4f}, validation "
        f"from {val[0]:.4f} to {val[-1]:.4f}; best epoch {best_epoch} with {val[best_epoch - 1]:.4f}."
    )
    figure, axes = _figure(alt)
    axes.plot(epochs, train, "--", color="0.45", label="training (dropout on)")
    axes.plot(epochs, val, color=PALETTE[0], label="validation")
    axes.plot(best_epoch, val[best_epoch - 1], "o", color=PALETTE[3], label=f"best epoch: {best_epoch}")
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
    figure, axes = _figure(f"{title} by epoch; in the last epoch of each: {ends}.", size=(7.6, 4.4))
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


def image_rows(rows, alt, titles=None):
    """Rows of images, e.g. originals over reconstructions.

    Args:
        rows: dict of a row's name to images `(k, 28, 28, 1)`; a row may have fewer than the first.
        alt: the alt text.
        titles: k texts above the columns.
    """
    count = max(1, *(len(images) for images in rows.values()), 0)
    size = (0.85 * count + 1.1, 0.95 * len(rows) + (0.3 if titles is not None else 0.05))
    figure, axes = _figure(alt, len(rows), count, size, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for row, (name, images) in zip(axes, rows.items()):
        for axis, image in zip(row, images):
            axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for axis, title in zip(axes[0], titles if titles is not None else ()):
        axis.set_title(title, fontsize=8)
    return figure


def reconstructions(images, decoded, labels):
    """Originals over reconstructions, each pair with its class above it."""
    errors = np.mean((images - decoded) ** 2, axis=(1, 2, 3))
    alt = (
        f"{len(images)} validation images over their reconstructions; mean squared error per image from "
        f"{errors.min():.4f} ({CLASS_NAMES[labels[errors.argmin()]]}) to "
        f"{errors.max():.4f} ({CLASS_NAMES[labels[errors.argmax()]]})."
    )
    names = [CLASS_NAMES[label] for label in labels]
    return image_rows({"original": images, "reconstruction": decoded}, alt, names)


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
    figure, axes = _figure(alt, size=(5.2, 4.2))
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
    figure, axes = _figure(alt, rows, columns, (2.6 * columns + 0.8, 2.8 * rows), squeeze=False)
    top = np.quantile(np.stack(list(maps.values())), 0.999)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (model, errors) in zip(axes.flat, maps.items()):
        drawn = axis.imshow(errors, cmap="magma", vmin=0, vmax=top)
        axis.plot([-0.5, 24.5, 24.5], [24.5, 24.5, -0.5], color="white", linestyle=":", linewidth=1)
        axis.set_title(model)
    figure.colorbar(drawn, ax=axes, label="mean squared error", shrink=0.9, extend="max")
    return figure


def gallery(images, labels, predictions, columns=8):
    """Figure 2 of the paper: true label left of each image, predicted label above, wrong ones framed."""
    rows = -(-len(images) // columns)
    wrong = int(np.sum(labels != predictions))
    alt = f"{len(images)} validation images with true and predicted labels; {wrong} predictions are wrong: "
    alt += "; ".join(
        f"{CLASS_NAMES[t]} taken for {CLASS_NAMES[p]}" for t, p in zip(labels, predictions) if t != p
    )
    figure, axes = _figure(alt + ".", rows, columns, (1.45 * columns, 1.5 * rows), squeeze=False)
    for axis in axes.flat[len(images) :]:
        axis.set_axis_off()
    for axis, image, label, predicted in zip(axes.flat, images, labels, predictions):
        axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
        right = label == predicted
        mark = PALETTE[2] if right else PALETTE[3]
        axis.set(xticks=[], yticks=[])
        axis.set_title(("" if right else "✗ ") + CLASS_NAMES[predicted], fontsize=9, color=mark)
        axis.set_ylabel(CLASS_NAMES[label], fontsize=9)
        axis.spines[:].set(color=mark, linewidth=1 if right else 3)
    return figure


def confusion_matrix(shares):
    """Figure 3 of the paper: rows are true classes and sum to 1.

    Args:
        shares: `(10, 10)` in [0, 1], see `evaluation.normalised_rows`.
    """
    recall = np.diag(shares)
    off = np.where(np.eye(len(shares), dtype=bool), -1, shares)
    true, taken = np.unravel_index(off.argmax(), off.shape)
    alt = (
        f"Row-normalised confusion matrix; recall from {recall.min():.2f} ({CLASS_NAMES[recall.argmin()]}) "
        f"to {recall.max():.2f} ({CLASS_NAMES[recall.argmax()]}); the largest confusion is "
        f"{CLASS_NAMES[true]} taken for {CLASS_NAMES[taken]}, {off.max():.2f}."
    )
    figure, axes = _figure(alt, size=(7.4, 6.2))
    labels = {"xticklabels": CLASS_NAMES, "yticklabels": CLASS_NAMES}
    sns.heatmap(
        *(shares,), annot=True, fmt=".2f", cmap="Blues", vmin=0, vmax=1, square=True, ax=axes, **labels
    )
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.tick_params(axis="x", rotation=45)
    plt.setp(axes.get_xticklabels(), ha="right", rotation_mode="anchor")
    return figure


def reliability(calibration):
    """Accuracy against confidence in bins; argument as `evaluation.calibration` returns it."""
    count, confidence, accuracy = (
        np.asarray(calibration[name]) for name in ("count", "confidence", "accuracy")
    )
    full = count > 0
    gap = np.where(full, confidence - accuracy, 0)
    alt = (
        f"Reliability diagram, expected calibration error {calibration['ece']:.4f}; confidence is above "
        f"accuracy in {np.sum(gap > 0)} of {np.sum(full)} bins, by {gap.max():.2f} at most."
    )
    figure, axes = _figure(alt, size=(4.6, 4.2))
    axes.plot([0, 1], [0, 1], ":", color="0.5", label="perfect calibration")
    axes.plot(confidence[full], accuracy[full], "o-", color=PALETTE[0], label="this model")
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
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
    figure, axes = _figure(alt, size=(7.4, 4.8))
    tab10 = sns.color_palette("tab10")
    for label, name in enumerate(CLASS_NAMES):
        axes.scatter(*points[labels == label].T, s=6, color=tab10[label], label=name, linewidths=0)
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1])
    axes.legend(frameon=False, markerscale=3, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(figure)
    return figure


def interpolation(images, first, last):
    """Images `(k, 28, 28, 1)` decoded along a straight line between two codes, ends named."""
    alt = f"{len(images)} decoded images on a straight line between two codes, from {first} to {last}."
    titles = [first, *[""] * (len(images) - 2), last]
    return image_rows({"decoded": images}, alt, titles)


def feature_maps(*stages, columns=16):
    """Feature maps of one image, a row or more a stage, each stage on a scale of its own.

    Args:
        stages: `(height, width, channels)` float32, one array a layer.
        columns: maps in a row.
    """
    tiles = [stage[..., c] / max(stage.max(), 1e-9) for stage in stages for c in range(stage.shape[-1])]
    sizes = ", then ".join(f"{s.shape[-1]} maps of {s.shape[0]}x{s.shape[1]}" for s in stages)
    silent = sum(int(tile.max() == 0) for tile in tiles)
    rows = -(-len(tiles) // columns)
    alt = f"Feature maps of one image: {sizes}; {silent} of them are 0 everywhere."
    figure, axes = _figure(alt, rows, columns, (0.62 * columns, 0.64 * rows), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, tile in zip(axes.flat, tiles):
        axis.imshow(tile, cmap="viridis", vmin=0, vmax=1)
    return figure


def confused(rows, counts):
    """Images of one class that were taken for another.

    Args:
        rows: dict of (true class, taken for) to images `(k, 28, 28, 1)`.
        counts: `(10, 10)`, how often each class was taken for each.
    """
    pairs = {(t, p): f"{CLASS_NAMES[t]}, taken for {CLASS_NAMES[p]}: {counts[t][p]}" for t, p in rows}
    alt = f"Images of the commonest mistakes. {'; '.join(pairs.values())}."
    named = {pairs[pair].replace(", ", ",\n"): images for pair, images in rows.items()}
    return image_rows(named, alt)
