"""The report's own figures: what the models are, and curves of many seeds; as in `plots`."""

# Before matplotlib, which may refuse MPLBACKEND: see `_figure`.
from .._figure import BESIDE, PALETTE, TOGETHER, colour, in_house_style, new_figure, styles

# isort: split
import math
import re
import textwrap

import numpy as np
import seaborn as sns
from matplotlib.patches import Rectangle
from matplotlib.ticker import ScalarFormatter

from ..runs import read_history
from .display import NOTHING

LABEL, TITLE = 46, 28  # characters of a name in a line of a legend, and above a small chart
STAGE = {  # a layer that changes the shape: its colour, and how a drawing names it
    "Conv2D": (PALETTE[0], "conv {0}×{0}"),
    "MaxPooling2D": (PALETTE[2], "max pool 2×2"),
    "Flatten": (PALETTE[7], "flatten"),
    "Dense": (PALETTE[1], "dense"),
    "Reshape": (PALETTE[7], "reshape"),
    "Conv2DTranspose": (PALETTE[4], "convᵀ {0}×{0}"),
}
ARROW = {"arrowstyle": "-|>", "color": "0.3"}


@in_house_style
def overview(image, decoded, true, autoencoder, classifier=None, named=None):
    """Draw an image `(28, 28, 1)` of a class, a code, its reconstruction, and the class that a model names.

    The models are texts such as "model_4, 128 numbers"; without a classifier the picture ends with the
    reconstruction. The code is a sign for one, without its numbers.
    """
    alt = f"An encoder makes a code of an image ({true}), a decoder a reconstruction ({autoencoder})"
    alt += f", or a dense layer names the class, {named} ({classifier})." if classifier else "."
    figure, axes = new_figure(alt, size=(5, 2.3))
    above = 46 if classifier else 28
    for pixels, x, y in ((image, 0, 28), (decoded, 100, above)):
        axes.imshow(pixels[..., 0], cmap="gray", vmin=0, vmax=1, extent=(x, x + 34, y - 17, y + 17))
    for y in range(10, 46, 4):
        axes.add_patch(Rectangle((60, y), 4, 4, facecolor=PALETTE[0], alpha=0.35, edgecolor="1"))
    texts = [(17, 5, f"image: {true}"), (62, 48, "code"), (47, 31, "encoder")]
    texts += [(78, above / 2 + 22, "decoder"), (117, above + 19, f"reconstruction ({autoencoder})")]
    ends = [((36, 28), (59, 28)), ((66, 29), (98, above))]
    if classifier:
        ends, texts = [*ends, ((66, 26), (98, 10))], [*texts, (80, 7, "dense layer")]
        axes.text(100, 8, f"class: {named}\n({classifier})", size=9.5, va="center")
    for start, end in ends:
        axes.annotate("", end, start, arrowprops=ARROW)
    for x, y, text in texts:
        axes.text(x, y, text, ha="center", size=9.5)
    axes.set(xlim=(-4, 146), ylim=(-4, 70))
    axes.set_axis_off()
    return figure


def stages(layers, shape):
    """Return what layers of the paper make of an input: a list of (name, what follows, shape, colour).

    Args:
        layers: texts, see `runs.ran.describe`; one that does not change the shape follows the one before it.
        shape: of the input.
    """
    found = []
    for layer in layers:
        name, given = layer.split("(")[0], dict(re.findall(r"(\w+)=(\[[^]]*\]|\d+)", layer))
        given = {key: [*map(int, re.findall(r"\d+", value))] for key, value in given.items()}
        size, side = given.get("kernel_size", [0])[0], shape[0]
        transposed = 2 * (side - 1) + size + given.get("output_padding", [0])[0]
        sides = {"Conv2D": side - size + 1, "MaxPooling2D": side // 2, "Conv2DTranspose": transposed}
        flat = {
            "Flatten": [math.prod(shape)],
            "Dense": given.get("units"),
            "Reshape": given.get("target_shape"),
        }
        if name not in STAGE:
            found[-1][1].append(layer.split("=")[-1][:-1] if name == "Activation" else name.replace("D", "d"))
            continue
        shape = tuple(flat[name] if name in flat else [*[sides[name]] * 2, *given.get("filters", shape[-1:])])
        found.append((STAGE[name][1].format(size), [], shape, STAGE[name][0]))
    return found


@in_house_style
def architecture(encoder, decoder):
    """Draw the paper's models from the texts of their layers, see `stages`, as its figure 1 does."""
    down = [("image", [], (28, 28, 1), "0.7"), *stages(encoder, (28, 28, 1))]
    up, rows = stages(decoder, down[-1][2]), len(down)
    boxes = [(0, y, *stage) for y, stage in enumerate(down)]
    boxes += [(1.08, rows - 2 - y, *stage) for y, stage in enumerate(up)]
    boxes += [(1.08, rows - 1, "dense (a classifier)", [], (10,), PALETTE[1])]
    said = [f"{name} {'×'.join(map(str, shape))}" for _, _, name, _, shape, _ in boxes]
    alt = f"Encoder: {', '.join(said[:rows])}. Decoder: {', '.join(said[rows:-1])}. Classifier: dense 10."
    figure, axes = new_figure(alt, size=(5, 0.36 * rows + 0.3))
    for x, y, name, after, shape, shade in boxes:
        axes.add_patch(Rectangle((x, y), 1, 0.74, color=shade, alpha=0.22, linewidth=0))
        axes.text(x + 0.02, y + 0.37, ", ".join([name, *after]), va="center", size=8.5)
        at = {"va": "center", "ha": "right", "size": 8.5, "weight": "bold"}
        axes.text(x + 0.98, y + 0.37, "×".join(map(str, shape)), **at)
    for y in (rows - 1.63, rows - 0.63):
        axes.annotate("", (1.08, y), (1, rows - 0.63), arrowprops=ARROW)
    axes.text(0, -0.1, "encoder, from above", size=8.5)
    axes.text(1.08, rows - 1.1 - len(up), "decoder, from below", size=8.5)
    axes.set(xlim=(0, 2.08), ylim=(rows, -0.5))
    axes.set_axis_off()
    return figure


@in_house_style
def curves(rows, name, ylabel, title, beside=None):
    """Draw a quantity by epoch: each model's median over its seeds, in a band from the least to the largest.

    Every model has a colour, a line and a marker of its own; more than `plots.TOGETHER` have a chart each.

    Args:
        rows: of `runs.table`, whose histories are read.
        name: a column of `history.csv`; runs without it are left out.
        ylabel: what it is, with its unit.
        title: above the figure.
        beside: another column, drawn dashed in each model's own chart.
    """
    names = [name, beside] if beside else [name]
    held = {one: {} for one in names}
    for model, folder in zip(rows["model"], rows["folder"]):
        history = read_history(folder)
        for one in names if name in history else ():
            held[one].setdefault(model, []).append(history.get(one, []))
    if not held[name]:
        return NOTHING
    values, *others = ({model: padded(seeds) for model, seeds in some.items()} for some in held.values())
    alt = f"{title} by epoch; in the last epoch of each: {_ends(values)}."
    alt += f" Dashed, {beside}: {_ends(others[0])}." if beside else ""
    if beside or len(values) > TOGETHER:
        return _a_chart_each(values, alt, ylabel, title, *others, scale=name)
    figure, axes = new_figure(alt, size=(7.6, 4.4))
    for model, style in styles(values).items():
        _median_and_band(axes, values[model], label=textwrap.fill(model, LABEL), **style)
    axes.set(xlabel="epoch", ylabel=ylabel, title=title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, **BESIDE if len(values) > 4 else {})
    sns.despine(figure)
    return figure


def _ends(values):
    """Return the median with which each model's line ends, in words."""
    lasts = {model: seeds[:, ~np.isnan(seeds).all(axis=0)][:, -1] for model, seeds in values.items()}
    return ", ".join(f"{model} {np.nanmedian(seeds):.4f}" for model, seeds in lasts.items())


def padded(rows):
    """Return rows of different lengths as floats `(rows, longest)`, NaN after the end of each."""
    made = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, values in zip(made, rows):
        row[: len(values)] = values
    return made


def _median_and_band(axes, values, **style):
    there = ~np.isnan(values).all(axis=0)  # with `validation_freq=2` half of the epochs have no value
    epochs, values = np.flatnonzero(there) + 1, values[:, there]
    axes.plot(epochs, np.nanmedian(values, axis=0), **style)
    if len(values) > 1:
        bounds = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        axes.fill_between(epochs, *bounds, color=style["color"], alpha=0.2, linewidth=0)


def _a_chart_each(values, alt, ylabel, title, beside=None, scale=""):
    """Draw a small chart for each model on the same axes, with the span of all in grey or what is beside."""
    columns, every = 4, padded([row for seeds in values.values() for row in seeds])
    rows = -(-len(values) // columns)
    size, shared = (
        (9.2, (2.4 if beside else 1.9) * rows + 0.6),
        {"sharex": True, "sharey": True, "squeeze": False},
    )
    figure, axes = new_figure(alt, rows, columns, size, **shared)
    for axis in axes.flat[len(values) :]:
        axis.set_axis_off()
    for axis, (model, seeds) in zip(axes.flat, values.items()):
        if beside:
            _median_and_band(axis, beside[model], color="0.25", linestyle="--")
        else:
            there = ~np.isnan(every).all(axis=0)
            span = np.nanmin(every[:, there], axis=0), np.nanmax(every[:, there], axis=0)
            axis.fill_between(np.flatnonzero(there) + 1, *span, color="0.9", linewidth=0)
        shade = colour(model) if beside else PALETTE[0]
        _median_and_band(axis, seeds, color=shade, marker="o", markersize=4, markevery=[-1])
        axis.set_title(textwrap.fill(model, TITLE), fontsize="small")
        axis.xaxis.get_major_locator().set_params(integer=True)
    if beside and "loss" in scale:
        axes[0, 0].set_yscale("log", subs=[2, 5])
        for part in (axes[0, 0].yaxis.set_major_formatter, axes[0, 0].yaxis.set_minor_formatter):
            part(ScalarFormatter())
    figure.suptitle(title if beside else f"{title}; grey: the span of all", fontsize="medium")
    figure.supxlabel("epoch", fontsize="medium")
    figure.supylabel(ylabel, fontsize="medium")
    sns.despine(figure)
    return figure
