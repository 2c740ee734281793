"""Figures that look the same on any machine, and that a notebook shows with their alt text.

What a matplotlibrc, `MPLBACKEND` or `seaborn.set_theme` says holds for a person's own plots alone.
"""

import base64
import io
import itertools
import os
import re
import sys
import warnings
from html import escape

if chosen := "matplotlib" not in sys.modules and os.environ.pop("MPLBACKEND", None):
    import matplotlib  # cannot be imported if MPLBACKEND names no backend

    os.environ["MPLBACKEND"] = chosen
    try:
        matplotlib.rcParams["backend"] = chosen
    except ValueError:
        warnings.warn(f"MPLBACKEND: {chosen!r} is not a backend of matplotlib, and is ignored", stacklevel=2)

import matplotlib.figure
import matplotlib.style
import seaborn as sns
from matplotlib.collections import PathCollection
from PIL import Image

# Before a function: matplotlib's own defaults while it draws, and then again what was there.
in_house_style = matplotlib.style.context("default", after_reset=True)

PALETTE = sns.color_palette("colorblind")
MARKERS = "osD^vPX<>p"
LINES = "-", "--", "-.", ":"
BESIDE = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}  # of a legend
TOGETHER = 8  # models in one chart; more have one each
MODEL_COLOURS = [PALETTE[i] for i in (0, 1, 2, 3, 4, 5, 9, 7, 8, 6)]  # the two pinks of it far apart
WIDTH = {"svg": 96, "png": 80}  # pixels of a page to an inch of a figure
DPI = 120  # pixels of a PNG to an inch
HTML_ALONE = "FMNIST_HTML_ALONE"  # set where a page is made, which needs no PNG beside a chart's SVG
# Text stays text, in the fonts a reader has: the first of these is what matplotlib measures with, and the
# others are no wider. With a fixed salt and without a date the same numbers give the same bytes.
SVG = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fmnist_keras",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
}


class Figure(matplotlib.figure.Figure):
    """A figure whose label is its alt text; a notebook shows it with that if it is a cell's last value."""

    rendered = None  # see `files`

    @property
    def is_chart(self):
        """True without images and clouds of points: vectors draw it crisp, and small."""
        return not any(
            axes.images or any(isinstance(one, PathCollection) for one in axes.collections)
            for axes in self.axes
        )

    @in_house_style
    def files(self):
        """Return what holds the figure, as a dict of ending to bytes: ".png", and of a chart ".svg" too.

        The alt text is the PNG's description and the SVG's title. The same numbers give the same bytes.
        """
        if self.stale or not self.rendered:
            self.dpi, engine = DPI, self.get_layout_engine()  # text is measured in pixels
            engine.execute(self)
            self.set_layout_engine(None)  # laid out once for all formats
            bounds = self.get_tightbbox().padded(matplotlib.rcParams["savefig.pad_inches"])
            self.rendered = {".svg": self._svg(bounds)} if self.is_chart else {}
            if not (self.rendered and os.environ.get(HTML_ALONE)):
                self.rendered[".png"] = self._png(bounds)
            self.set_layout_engine(engine)
            self.stale = False
        return self.rendered

    def _png(self, bounds):
        png, metadata = io.BytesIO(), {"Description": self.get_label()}
        self.savefig(png, format="png", dpi=DPI, bbox_inches=bounds, metadata=metadata)
        return png.getvalue()

    def _svg(self, bounds):
        """Return an SVG, in places to a hundredth of a point."""
        text, metadata = io.StringIO(), {"Title": self.get_label()}
        metadata |= dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with matplotlib.rc_context(SVG):
            self.savefig(text, format="svg", bbox_inches=bounds, metadata=metadata)
        return re.sub("<[^>]+>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), text.getvalue()).encode()

    def _repr_mimebundle_(self, **kwargs):
        """Return an `<img>` with the alt text, and beside it, for LaTeX and Word, a PNG of few colours."""
        files, kind = self.files(), "svg" if self.is_chart else "png"
        width = int(self.get_figwidth() * WIDTH[kind])
        shown = Shown.image(files[f".{kind}"], self.get_label(), width, files.get(".png"))
        return shown._repr_mimebundle_()


class Shown:
    """Data by MIME type for a notebook to show: HTML, and for LaTeX and Word text or a PNG."""

    def __init__(self, html, text, **others):
        self.data, self.others = html, {"text/plain": text} | others

    @classmethod
    def image(cls, image, alt, width, png=None):
        """Return an image with its alt text, as an `<img>`: JupyterLab takes it from there alone.

        Args:
            image: the bytes of a PNG or SVG.
            alt: the alt text.
            width: in pixels of a page.
            png: the same as PNG, which is kept in 64 colours beside the HTML; None without.
        """
        kind = "png" if image.startswith(b"\x89PNG") else "svg+xml"
        source, few = base64.b64encode(image).decode(), io.BytesIO()
        html = f'<img alt="{escape(alt)}" width="{width}" src="data:image/{kind};base64,{source}">'
        if png is None:
            return cls(html, alt)
        pixels = Image.open(io.BytesIO(png)).convert("RGB")
        pixels.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(few, "png")
        return cls(html, alt, **{"image/png": few.getvalue()})

    def __repr__(self):
        return self.others["text/plain"]

    def _repr_mimebundle_(self, **kwargs):
        return {"text/html": self.data} | self.others


def new_figure(alt, rows=1, columns=1, size=(6.4, 3.8), **kwargs):
    """Return a `Figure` with its alt text as its label, and its axes; pyplot does not know of it."""
    figure = Figure(figsize=size, layout="constrained", label=alt)
    return figure, figure.subplots(rows, columns, **kwargs)


def absent(reason):
    """Return a figure that says in a sentence why there is nothing to draw."""
    figure, axes = new_figure(reason, size=(7.6, 0.6))
    axes.text(0, 0.5, reason, va="center")
    axes.set_axis_off()
    return figure


def colour(name):
    """Return the colour of a model, the same everywhere: by the first number in its name before a "-"."""
    digits = re.search(r"\d+", name.split("-")[0])  # what follows are changes: "-epochs_30"
    return MODEL_COLOURS[(int(digits[0] if digits else 1) - 1) % len(MODEL_COLOURS)]


def styles(names):
    """Return a colour, a line and a marker for each of up to `TOGETHER` models: dict of name to keywords.

    Each has the colour of its own number if no two share it, else that of its place.
    """
    colours = [colour(name) for name in names]
    if len(set(colours)) < len(colours):
        colours = MODEL_COLOURS
    fields = ("color", "linestyle", "marker")
    looks = zip(*(itertools.cycle(values) for values in (colours, LINES, MARKERS)))
    return {name: dict(zip(fields, look)) | {"markevery": [-1]} for name, look in zip(names, looks)}
