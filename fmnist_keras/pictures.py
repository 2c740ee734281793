"""Figures made of images, from arrays. Every function returns a `Figure` whose label is its alt text.

Images are `(n, 28, 28, 1)` float32 in [0, 1]; labels `(n,)` integers in [0, 9].
"""

import numpy as np
from matplotlib.patches import Rectangle

from .data import CLASS_NAMES
from .plots import PALETTE, new_figure


def mosaic(tiles, columns, gap):
    """Tiles on one canvas, row by row: drawn in a fraction of the time that axes for each would take.

    Args:
        tiles: `(k, height, width)` floats.
        columns: tiles in a row.
        gap: `(below, beside)`, the pixels between them.

    Returns:
        2-d float array, NaN (which matplotlib leaves blank) between the tiles and after the last one; and the
        centres of its rows and columns of tiles, for labels.
    """
    count, height, width = tiles.shape
    rows = -(-count // columns)
    padding = (0, rows * columns - count), (0, gap[0]), (0, gap[1])
    padded = np.pad(tiles.astype("float32"), padding, constant_values=np.nan)
    tall, wide = padded.shape[1:]
    canvas = padded.reshape(rows, columns, tall, wide).swapaxes(1, 2).reshape(rows * tall, columns * wide)
    centres = np.arange(rows) * tall + (height - 1) / 2, np.arange(columns) * wide + (width - 1) / 2
    return canvas[: canvas.shape[0] - gap[0], : canvas.shape[1] - gap[1]], *centres


def image_rows(rows, alt, titles=None):
    """Rows of images, e.g. originals over reconstructions.

    Args:
        rows: dict of a row's name to images `(k, 28, 28, 1)`; a row may have fewer than the longest.
        alt: the alt text.
        titles: k texts above the columns.
    """
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


def interpolation(images, first, last):
    """Images `(k, 28, 28, 1)` decoded along a straight line between two codes, ends named."""
    alt = f"{len(images)} decoded images on a straight line between two codes, from {first} to {last}."
    titles = [first, *[""] * (len(images) - 2), last]
    return image_rows({"decoded": images}, alt, titles)


def gallery(images, labels, predictions, columns=8):
    """Figure 2 of the paper: true label left of each image, predicted label above, wrong ones framed."""
    wrong = int(np.sum(labels != predictions))
    alt = f"{len(images)} validation images with true and predicted labels; wrong predictions: {wrong}"
    mistakes = [f"{CLASS_NAMES[t]} taken for {CLASS_NAMES[p]}" for t, p in zip(labels, predictions) if t != p]
    alt += f", {'; '.join(mistakes)}" if mistakes else ""
    canvas, down, across = mosaic(images[..., 0], columns, (14, 14))
    figure, axes = new_figure(alt + ".", size=(1.45 * columns, 1.45 * len(down)))
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
    places = [(x, y) for y in down for x in across]
    for (x, y), label, predicted in zip(places, labels, predictions):
        right = label == predicted
        mark = PALETTE[2] if right else PALETTE[3]
        frame = {"fill": False, "edgecolor": mark, "linewidth": 1 if right else 3, "clip_on": False}
        axes.add_patch(Rectangle((x - 14, y - 14), 28, 28, **frame))
        above, beside = ("" if right else "✗ ") + CLASS_NAMES[predicted], CLASS_NAMES[label]
        axes.text(x, y - 15.5, above, fontsize=9, color=mark, ha="center", va="bottom")
        axes.text(x - 15.5, y, beside, fontsize=9, rotation=90, ha="right", va="center")
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


def feature_maps(*stages, columns=16):
    """Feature maps of one image, a row or more a stage, each stage on a scale of its own.

    Args:
        stages: `(height, width, channels)` float32, one array a layer.
        columns: maps in a row.
    """
    sizes = ", then ".join(f"{s.shape[-1]} maps of {s.shape[0]}x{s.shape[1]}" for s in stages)
    silent = sum(int(np.sum(stage.max(axis=(0, 1)) == 0)) for stage in stages)
    alt = f"Feature maps of one image: {sizes}; {silent} of them are 0 everywhere."
    rows = [-(-stage.shape[-1] // columns) for stage in stages]
    size, ratios = (0.62 * columns, 0.64 * sum(rows)), {"height_ratios": rows}
    figure, axes = new_figure(alt, len(stages), size=size, squeeze=False, gridspec_kw=ratios)
    for axis, stage in zip(axes.flat, stages):
        gap = max(1, stage.shape[0] // 13)
        axis.imshow(mosaic(np.moveaxis(stage, -1, 0), columns, (gap, gap))[0], cmap="viridis", vmin=0)
        axis.set_axis_off()
    return figure
