"""Figures made of images, from arrays. Every function returns a `Figure` whose label is its alt text.

Images are `(n, 28, 28, 1)` float32 in [0, 1]; labels `(n,)` integers in [0, 9].
"""

import numpy as np

from .data import CLASS_NAMES
from .plots import PALETTE, new_figure


def image_rows(rows, alt, titles=None):
    """Rows of images, e.g. originals over reconstructions.

    Args:
        rows: dict of a row's name to images `(k, 28, 28, 1)`; a row may have fewer than the first.
        alt: the alt text.
        titles: k texts above the columns.
    """
    count = max(1, *(len(images) for images in rows.values()), 0)
    size = (0.85 * count + 1.1, 0.95 * len(rows) + (0.3 if titles is not None else 0.05))
    figure, axes = new_figure(alt, len(rows), count, size, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for row, (name, images) in zip(axes, rows.items()):
        for axis, image in zip(row, images):
            axis.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for axis, title in zip(axes[0], titles if titles is not None else ()):
        axis.set_title(title, fontsize=9)
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
    rows = -(-len(images) // columns)
    wrong = int(np.sum(labels != predictions))
    alt = f"{len(images)} validation images with true and predicted labels; {wrong} predictions are wrong: "
    alt += "; ".join(
        f"{CLASS_NAMES[t]} taken for {CLASS_NAMES[p]}" for t, p in zip(labels, predictions) if t != p
    )
    figure, axes = new_figure(alt + ".", rows, columns, (1.45 * columns, 1.5 * rows), squeeze=False)
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
    tiles = [stage[..., c] / max(stage.max(), 1e-9) for stage in stages for c in range(stage.shape[-1])]
    sizes = ", then ".join(f"{s.shape[-1]} maps of {s.shape[0]}x{s.shape[1]}" for s in stages)
    silent = sum(int(tile.max() == 0) for tile in tiles)
    rows = -(-len(tiles) // columns)
    alt = f"Feature maps of one image: {sizes}; {silent} of them are 0 everywhere."
    figure, axes = new_figure(alt, rows, columns, (0.62 * columns, 0.64 * rows), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, tile in zip(axes.flat, tiles):
        axis.imshow(tile, cmap="viridis", vmin=0, vmax=1)
    return figure
