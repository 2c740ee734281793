"""Figures from arrays: charts, then what is made of images.

Every function returns a `Figure` whose label is its alt text, made from its own numbers.

Images are `(n, 28, 28, 1)` float32 in [0, 1]; labels `(n,)` integers from 0. `class_names` of None
are `data.CLASS_NAMES`.
"""

# Before matplotlib, which may refuse MPLBACKEND: see `_figure`.
from ._figure import BESIDE, MARKERS, PALETTE, absent, colour, in_house_style, new_figure

# isort: split
import itertools

import numpy as np
import seaborn as sns
from matplotlib import artist, patheffects
from matplotlib.patches import Rectangle

from . import data
from ._arrays import check_arrays, check_shape
from .evaluation import confusion_counts, image_errors, most_confused, normalised_rows
from .params import ParamsError

MANY = 20  # classes, above which a cell of a confusion matrix is too small for a number
FEW = 10  # images in a bin of the reliability diagram, below which its accuracy is mostly chance
NO_CODES = "This autoencoder is not an encoder followed by a decoder, with a vector between them: no codes."


def _names(class_names):
    return data.CLASS_NAMES if class_names is None else class_names


def _chart(axes, **labels):
    """Label a chart, without a frame and with its legend, and return its figure."""
    axes.set(**labels)
    axes.legend(frameon=False)
    sns.despine(axes.figure)
    return axes.figure


@in_house_style
def curves(history, name="loss", ylabel=None, model="model_1"):
    """Draw the training and validation curves of one quantity of one run.

    Args:
        history: what `fit` returned. The best epoch is that of `training.callbacks`, or the least `val_loss`.
        name: "loss" or "accuracy"; "val_" + name is drawn too, if the history has it.
        ylabel: the quantity with its unit; None is the name.
        model: a name, for the colour.
    """
    from .training import uses_dropout  # Keras: most figures need none of it

    train, val = (np.asarray(history.history.get(key, []), float) for key in (name, f"val_{name}"))
    if not len(train):
        return absent(f"This history has no {name}: no epoch was finished, or `compile` has no such metric.")
    epochs, ylabel = np.arange(1, len(train) + 1), ylabel or name
    alt = f"{ylabel} over {len(epochs)} epochs: training from {train[0]:.4f} to {train[-1]:.4f}"
    figure, axes = new_figure("")
    dropout = not hasattr(history, "model") or uses_dropout(history.model)
    axes.plot(epochs, train, "--", color="0.25", label="training (dropout on)" if dropout else "training")
    known = np.isfinite(val)  # Keras may validate every few epochs, or never
    if known.any():
        best = getattr(history, "best_epoch", None) or int(np.nanargmin(history.history["val_loss"])) + 1
        axes.plot(epochs[: len(val)][known], val[known], color=colour(model), label="validation")
        axes.plot(best, val[best - 1], "o", color="black", label=f"best epoch: {best}")
        alt += f", validation from {val[known][0]:.4f} to {val[known][-1]:.4f}"
        alt += f"; best epoch {best} with {val[best - 1]:.4f}"
        restored = getattr(history, "restored_epoch", None) or best
        if restored != best:
            axes.plot(restored, val[restored - 1], "s", color=PALETTE[3], label=f"restored epoch: {restored}")
            alt += f"; restored epoch {restored} with {val[restored - 1]:.4f}"
    if cut := getattr(history, "interrupted", None):
        axes.axvline(cut, linestyle=":", color=PALETTE[3], label=f"interrupted in epoch {cut}")
        alt += f"; interrupted in epoch {cut}"
    figure.set_label(f"{alt}.")
    axes.xaxis.get_major_locator().set_params(integer=True)
    return _chart(axes, xlabel="epoch", ylabel=ylabel)


@in_house_style
def error_map(errors, stripe):
    """Draw `evaluation.pixel_errors`, with the stripe of `evaluation.stripe_mask` outlined."""
    check_shape("errors", errors, 28, 28)
    inside, outside = errors[stripe].mean(), errors[~stripe].mean()
    alt = (
        f"Mean squared error per pixel: {inside:.4f} in rows and columns 25 to 27, {outside:.4f} elsewhere, "
    )
    figure, axes = new_figure(f"{alt}at most {errors.max():.4f}.", size=(5.2, 4.2))
    figure.colorbar(_draw_errors(axes, errors, 1.2), label="mean squared error")
    axes.set(xlabel="column", ylabel="row")
    return figure


@in_house_style
def error_maps(maps, stripe):
    """Draw the error maps of several models, a dict of name to `(28, 28)`, on one colour scale."""
    if not maps:
        return absent("No autoencoder, so no error map.")
    means = ", ".join(f"{k} {m[stripe].mean():.4f} and {m[~stripe].mean():.4f}" for k, m in maps.items())
    alt = f"Mean squared error per pixel, in rows and columns 25 to 27 and elsewhere: {means}."
    columns = min(len(maps), 4)
    rows = -(-len(maps) // columns)
    figure, axes = new_figure(alt, rows, columns, (2.6 * columns + 0.8, 2.8 * rows), squeeze=False)
    top = np.quantile(np.stack(list(maps.values())), 0.999)
    for axis, (model, errors) in itertools.zip_longest(axes.flat, maps.items(), fillvalue=(None, None)):
        axis.set_axis_off()
        if model:
            drawn = _draw_errors(axis, errors, 1, top)
            axis.set_title(model)
    figure.colorbar(drawn, ax=axes, label="mean squared error", shrink=0.9, extend="max")
    return figure


def _draw_errors(axes, errors, width, top=None):
    axes.plot([-0.5, 24.5, 24.5], [24.5, 24.5, -0.5], color="white", linestyle=":", linewidth=width)
    return axes.imshow(errors, cmap="magma", vmin=0, vmax=top)


def confusion_matrix(labels, predictions, title="", class_names=None):
    """Draw figure 3 of the paper from labels and predictions `(n,)`: rows are true classes and sum to 1."""
    counts = confusion_counts(labels, predictions, len(_names(class_names)))
    return confusion_shares(normalised_rows(counts), title, class_names)


@in_house_style
def confusion_shares(shares, title="", class_names=None):
    """Draw a confusion matrix from `evaluation.normalised_rows`; the alt text begins with the title."""
    names, classes = _names(class_names), len(_names(class_names))
    recall = np.diag(check_shape("shares", shares, classes, classes))
    if np.max(shares) > 1:
        raise ParamsError("shares are counts; give evaluation.normalised_rows(counts)")
    worst, best = (f"{recall[i]:.2f} ({names[i]})" for i in (recall.argmin(), recall.argmax()))
    alt = f"Row-normalised confusion matrix; recall from {worst} to {best}; "
    largest = [f"{names[t]} taken for {names[p]}, {shares[t][p]:.2f}." for t, p in most_confused(shares)]
    alt += f"the largest confusion is {largest[0]}" if largest else "nothing is confused."
    few, side = classes <= MANY, 6.4 + 0.1 * max(classes - 10, 0)
    figure, axes = new_figure(f"{title}: {alt}" if title else alt, size=(side + 0.4, side))
    labels = {"xticklabels": names, "yticklabels": names}
    shown = {"annot": few, "fmt": ".2f", "cbar": not few}  # a cell that says its share needs no scale
    sns.heatmap(shares, cmap="Blues", vmin=0, vmax=1, square=True, ax=axes, **shown, **labels)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    axes.tick_params(axis="x", rotation=45)
    artist.setp(axes.get_xticklabels(), ha="right", rotation_mode="anchor")
    return figure


@in_house_style
def reliability(calibration, model):
    """Draw accuracy against confidence in the bins of `evaluation.calibration`, in a model's colour."""
    if not isinstance(calibration, dict):
        raise ParamsError("calibration is not a dict; give evaluation.calibration(probabilities, labels)")
    numbers = (np.asarray(calibration[name]) for name in ("count", "confidence", "accuracy"))
    count, confidence, accuracy = numbers
    full, error = count > 0, f"expected calibration error {calibration['ece']:.4f}"
    gap = np.where(full, confidence - accuracy, 0)
    alt = f"Reliability diagram, {error}; confidence is above accuracy in {np.sum(gap > 0)} of "
    figure, axes = new_figure(f"{alt}{np.sum(full)} bins, by {gap.max():.2f} at most.", size=(4.6, 4.2))
    axes.plot([0, 1], [0, 1], ":", color="0.5", label="perfect calibration")
    drawn = {"color": colour(model), "clip_on": False}
    axes.plot(confidence[full], accuracy[full], "o-", label=model, **drawn)
    few = full & (count < FEW)
    if few.any():
        label = f"a bin of fewer than {FEW} images"
        axes.plot(confidence[few], accuracy[few], "o", markerfacecolor="white", label=label, **drawn)
    axes.set_title(error, fontsize="medium")
    return _chart(axes, xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))


@in_house_style
def latent_space(points, labels, variance, class_names=None):
    """Draw points and their share of the variance, of `evaluation.principal_components`, by class."""
    if not len(points):
        return absent(NO_CODES)
    names = _names(class_names)
    (labels,) = check_arrays(len(names), labels=labels)
    check_shape("points", points, len(labels), 2)
    alt = f"{len(points)} codes by class on two principal components, {variance:.0%} of their variance."
    figure, axes = new_figure(alt, size=(7.6, 5.2))
    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    for label, name in enumerate(names):
        members, look = points[labels == label], (label + label // len(PALETTE)) % len(MARKERS)
        marker = {"color": PALETTE[label % len(PALETTE)], "marker": MARKERS[look]}
        axes.scatter(*members.T, s=11, label=f"{label}  {name}", linewidths=0, alpha=0.8, **marker)
        if len(members):  # its number stands amid a class: ten colours alone are too many to tell apart
            at = np.median(members, axis=0)
            axes.annotate(label, at, ha="center", va="center", size=13, weight="bold", path_effects=halo)
    _chart(axes, xlabel="first principal component", ylabel="second principal component")
    axes.legend(frameon=False, markerscale=2, ncols=-(-len(names) // MANY), **BESIDE)
    return figure


def mosaic(tiles, columns, gap):
    """Return tiles on one canvas, row by row: axes for each would take far longer to draw.

    Args:
        tiles: `(k, height, width)` floats.
        columns: tiles in a row.
        gap: `(below, beside)`, the pixels between them.

    Returns:
        2-d float array, NaN (blank) between the tiles and after the last; the centres of rows and columns.
    """
    count, height, width = tiles.shape
    rows = -(-count // columns)
    padding = (0, rows * columns - count), (0, gap[0]), (0, gap[1])
    padded = np.pad(tiles.astype("float32"), padding, constant_values=np.nan)
    tall, wide = padded.shape[1:]
    canvas = padded.reshape(rows, columns, tall, wide).swapaxes(1, 2).reshape(rows * tall, columns * wide)
    centres = np.arange(rows) * tall + (height - 1) / 2, np.arange(columns) * wide + (width - 1) / 2
    return canvas[: canvas.shape[0] - gap[0], : canvas.shape[1] - gap[1]], *centres


@in_house_style
def image_rows(rows, alt, titles=None):
    """Draw rows of images, a dict of name to `(k, 28, 28, 1)`, with k titles above the longest."""
    for images in rows.values():
        check_arrays(images=images)
    count = max(1, *(len(images) for images in rows.values()), 0)
    tiles = np.full((len(rows), count, 28, 28), np.nan, "float32")
    for row, images in zip(tiles, rows.values()):
        row[: len(images)] = images[..., 0]
    canvas, down, across = mosaic(tiles.reshape(-1, 28, 28), count, (3, 3))
    size = (0.85 * count + 1.1, 0.95 * len(rows) + (0.3 if titles is not None else 0.05))
    figure, axes = new_figure(alt, size=size)
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=1)
    axes.set_yticks(down, rows)
    axes.set_xticks([] if titles is None else across, titles or [], fontsize=8)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    return figure


def examples(images, labels, class_names=None):
    """Draw images in one row, each with its class above it."""
    class_names = _names(class_names)
    images, labels = check_arrays(len(class_names), images=images, labels=labels)
    names = [class_names[label] for label in labels]
    return image_rows({"": images}, f"{len(images)} images: {', '.join(names)}.", names)


def reconstructions(images, decoded, labels, class_names=None):
    """Draw originals over reconstructions, each pair with its class above it."""
    class_names = _names(class_names)
    images, decoded, labels = check_arrays(len(class_names), images=images, decoded=decoded, labels=labels)
    errors, names = image_errors(images, decoded), [class_names[label] for label in labels]
    best, worst = (f"{errors[i]:.4f} ({names[i]})" for i in (errors.argmin(), errors.argmax()))
    alt = f"{len(images)} validation images over their reconstructions; mean squared error per image from "
    return image_rows({"original": images, "reconstruction": decoded}, f"{alt}{best} to {worst}.", names)


def interpolation(images, first, last):
    """Draw images `(k, 28, 28, 1)` decoded along a straight line between two codes, ends named."""
    if not len(images):
        return absent(NO_CODES)
    alt = f"{len(images)} decoded images on a straight line between two codes, from {first} to {last}."
    return image_rows({"decoded": images}, alt, [first, *[""] * (len(images) - 2), last])


@in_house_style
def prediction_grid(images, labels, predictions, columns=8, class_names=None):
    """Draw figure 2 of the paper: true label left of an image, predicted label above, wrong ones framed."""
    names = _names(class_names)
    arrays = {"images": images, "labels": labels, "predictions": predictions}
    images, labels, predictions = check_arrays(len(names), **arrays)
    pairs = [(names[true], names[taken]) for true, taken in zip(labels, predictions)]
    mistakes = [f"{true} taken for {taken}" for true, taken in pairs if true != taken]
    alt = (
        f"{len(images)} validation images with true and predicted labels; wrong predictions: {len(mistakes)}"
    )
    canvas, down, across = mosaic(images[..., 0], columns, (14, 14))
    alt += f", {'; '.join(mistakes)}." if mistakes else "."
    figure, axes = new_figure(alt, size=(1.45 * columns, 1.45 * len(down)))
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
    for (y, x), (true, taken) in zip(itertools.product(down, across), pairs):
        right = true == taken
        mark = PALETTE[2] if right else PALETTE[3]
        frame = {"fill": False, "edgecolor": mark, "linewidth": 1 if right else 3, "clip_on": False}
        axes.add_patch(Rectangle((x - 14, y - 14), 28, 28, **frame))
        above = taken if right else f"✗ {taken}"
        axes.text(x, y - 15.5, above, fontsize=9, color=mark, ha="center", va="bottom")
        axes.text(x - 15.5, y, true, fontsize=9, rotation=90, ha="right", va="center")
    return figure


def confusion_examples(rows, counts, class_names=None):
    """Draw images of one class that were taken for another.

    Args:
        rows: dict of (true class, taken for) to images `(k, 28, 28, 1)`.
        counts: see `evaluation.confusion_counts`.
        class_names: in order.
    """
    if not rows:
        return absent("No image was taken for another class.")
    names = _names(class_names)
    pairs = [f"{names[t]}, taken for {names[p]}: {counts[t][p]}" for t, p in rows]
    named = {pair.replace(", ", ",\n"): images for pair, images in zip(pairs, rows.values())}
    return image_rows(named, f"Images of the commonest mistakes. {'; '.join(pairs)}.")


@in_house_style
def feature_maps(*stages, columns=16):
    """Draw feature maps of one image, an array `(height, width, channels)` a stage, each on its own scale."""
    if not stages:
        return absent("This model begins with no convolution that has feature maps.")
    for stage in stages:
        check_shape("stages", stage, "height", "width", "channels")
    sizes = ", then ".join(f"{s.shape[-1]} maps of {s.shape[0]}x{s.shape[1]}" for s in stages)
    silent = sum(int(np.sum(stage.max(axis=(0, 1)) == 0)) for stage in stages)
    alt = f"Feature maps of one image: {sizes}; {silent} of them are 0 everywhere."
    rows = [-(-stage.shape[-1] // columns) for stage in stages]
    size, ratios = (0.62 * columns, 0.64 * sum(rows)), {"height_ratios": rows}
    figure, axes = new_figure(alt, len(stages), size=size, squeeze=False, gridspec_kw=ratios)
    for axis, stage in zip(axes.flat, stages):
        gap = max(1, stage.shape[0] // 13)
        tiles = mosaic(np.moveaxis(stage, -1, 0), columns, (gap, gap))[0]
        axis.imshow(tiles, cmap="viridis", vmin=min(0, stage.min()))
        axis.set_axis_off()
    return figure
