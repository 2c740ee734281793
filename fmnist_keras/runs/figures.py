"""Convert a figure to notebook output and save it: charts as SVG, what contains images as PNG."""

import base64
import io
import re
from html import escape

from IPython.display import HTML, Image
from PIL import Image as pixels_of

from ..plots import in_house_style  # first: it knows what to do where MPLBACKEND keeps matplotlib out

# isort: split
from matplotlib import rc_context, rcParams
from matplotlib.collections import PathCollection

CHART, PICTURE = 96, 80  # pixels of a page to an inch of a figure
DPI = 120  # pixels of a PNG to an inch
COLOURS = 64  # of the PNG beside a chart's SVG, a fourth as large for it
# Text stays text, in the fonts a reader has: the first of these is what matplotlib measures with, and the
# others are no wider. With a fixed salt and without a date the same numbers give the same bytes.
SVG = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fmnist_keras",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
}


def is_chart(figure):
    """True where a figure holds neither images nor a cloud of points: vectors draw it crisp, and small."""
    clouds = [c for axes in figure.axes for c in axes.collections if isinstance(c, PathCollection)]
    return not clouds and not any(axes.images for axes in figure.axes)


class Shown(HTML):
    """HTML, and beside it, for a PDF, LaTeX or Word, what it shows as text and perhaps as a PNG."""

    def __init__(self, html, text, png=None, markdown=None):
        super().__init__(html)
        self.text, self.png, self.markdown = text, png, markdown

    def __repr__(self):
        return self.text

    def _repr_png_(self):
        return self.png and (self.png, {"alt": self.text})

    def _repr_markdown_(self):
        return self.markdown


class Picture(Image):
    """A PNG whose text is its alt text."""

    def __repr__(self):
        return self.alt


@in_house_style
def show(figure):
    """A figure for a notebook to show, its label the alt text, and the files that hold it.

    A chart is an `<img>` that holds an SVG, since neither JupyterLab nor nbconvert gives a bare SVG an alt
    text, and has a PNG of few colours beside it; all else is an `IPython.display.Image`.

    Args:
        figure: a `plots.Figure`.

    Returns:
        What IPython displays, and a dict of ending to bytes: ".png", with the alt text inside as its
        description; and of a chart ".svg", with the alt text as its title.
    """
    alt, bounds = figure.get_label(), laid_out(figure)
    pixels = io.BytesIO()
    figure.savefig(pixels, format="png", dpi=DPI, bbox_inches=bounds, metadata={"Description": alt})
    files = {".png": pixels.getvalue()}
    if not is_chart(figure):
        return Picture(data=files[".png"], alt=alt, width=int(figure.get_figwidth() * PICTURE)), files
    files[".svg"] = svg(figure, bounds).encode()
    source = base64.b64encode(files[".svg"]).decode()
    width = int(figure.get_figwidth() * CHART)
    chart = f'<img alt="{escape(alt)}" width="{width}" src="data:image/svg+xml;base64,{source}">'
    return Shown(chart, alt, few_colours(files[".png"])), files


def few_colours(png):
    """Return a PNG in `COLOURS`: a notebook in git has one beside each chart."""
    few = io.BytesIO()
    pixels_of.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=0).save(few, "png", optimize=True)
    return few.getvalue()


def laid_out(figure):
    """Lay a figure out, for good, and measure what of it is drawn on.

    `savefig` with "tight" does both again for each format, and draws all of the figure once more for it.

    Returns:
        The `matplotlib.transforms.Bbox` to save, in inches, with matplotlib's usual margin.
    """
    figure.dpi = DPI  # text is measured in pixels
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine(None)
    return figure.get_tightbbox().padded(rcParams["savefig.pad_inches"])


def svg(figure, bounds="tight"):
    """A figure as the text of an SVG, its label the title; in places to a hundredth of a point."""
    metadata = {"Title": figure.get_label(), "Date": None, "Creator": None, "Format": None, "Type": None}
    text = io.StringIO()
    with rc_context(SVG):
        figure.savefig(text, format="svg", bbox_inches=bounds, metadata=metadata)
    return re.sub("<[^>]+>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), text.getvalue())
