"""Show tables, saved figures and text from files in a notebook."""

import functools
import io
import os
import re
import zlib
from html import escape
from urllib.parse import quote

import numpy as np
from markupsafe import Markup
from PIL import Image

from .._figure import Shown
from .pages import TEMPLATE

NOTHING = Shown("", "")


def as_text(words):
    """Escape text from files for Markdown, so that no HTML or Markdown in it takes effect."""
    return escape(words).translate({ord(mark): f"&#{ord(mark)};" for mark in "[]()*`$\\~|"})


@functools.cache
def template(name):
    """Return one of the templates beside the page's; what an HTML one is given is escaped."""
    from jinja2 import Environment, FileSystemLoader

    made = Environment(
        loader=FileSystemLoader(TEMPLATE),
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=name.endswith(".html.j2"),
    )
    made.filters["text"] = as_text
    return made.get_template(name)


def note(words):
    """Return a sentence as a Markdown quotation; "" of none."""
    return f"> {as_text(words)}" if words else ""


def table(frame, index=True, kind="wide", **formats):
    """Return a table as HTML, and beside it as text and Markdown; `NOTHING` if it has no row.

    Its cells are shown as text, but for `markupsafe.Markup`.

    Args:
        frame: a `pandas.DataFrame`.
        index: whether the index is shown, its name in the corner.
        kind: the table's classes; the page lets a reader sort and filter one that is "sortable".
        formats: of a part of a column's name, how its numbers are shown: `loss="{:.3f}"`.
    """
    from pandas.io.formats.style import Styler

    if frame.empty:
        return NOTHING
    corner = frame.index.name or ("model" if index else None)
    names = [", ".join(filter(None, name)) if isinstance(name, tuple) else str(name) for name in frame]
    frame = frame.set_axis(names, axis="columns")
    frame = frame.rename_axis(index=None, columns=corner)
    chosen = {column: text for part, text in formats.items() for column in frame if part in column}
    chosen = frame.attrs.get("format", {}) | chosen
    name = f"{zlib.crc32(frame.to_csv().encode()):x}"  # the same table, the same bytes
    style = Styler(frame, uuid=name, cell_ids=False).set_table_attributes(f'class="dataframe {kind}"')
    style = style.format(chosen, na_rep="–", escape="html")
    style = style.format_index(escape="html").format_index(escape="html", axis="columns")
    html, text = (style if index else style.hide()).to_html(), _as_markdown(frame, index, chosen)
    return Shown(html, text, **{"text/markdown": text})


def _as_markdown(frame, index, formats):
    """Return a table in Markdown, its cells as a page shows them, but for links."""
    style = frame.map(_in_one_line).style.format(formats, na_rep="–")
    text = (style if index else style.hide()).to_string(delimiter="\t")
    head, *rows = [re.sub(r"([|<$*`\\~[\]])", r"\\\1", line).split("\t") for line in text.splitlines()]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _in_one_line(value):
    """Return a cell's text, if it is that, without line breaks and tags."""
    value = value.striptags() if isinstance(value, Markup) else value
    return " ".join(value.split()) if isinstance(value, str) else value


def link(target, text):
    """Return a link of a page."""
    return Markup('<a href="{}">{}</a>').format(target, text)


def page_link(folder, start=None, first=False):
    """Return a run's name as a link to its page, or as text: of most runs, git has the numbers alone.

    Args:
        folder: the run's `Path`.
        start: the folder from which the link leads; None is the suite's.
        first: whether it gets the id of its model's runs, "runs-" and the name.
    """
    shown = f"{folder.parent.name}, seed {folder.name.removeprefix('seed_')}"
    page = folder / "notebook.html"
    if page.is_file():
        path = os.path.relpath(page, start or folder.parents[1]).replace(os.sep, "/")
        shown = link(quote(path), shown)
    return Markup('<span id="runs-{}">{}</span>').format(folder.parent.name, shown) if first else shown


def _saved(folder, name):
    """Return a picture that a run has saved, as a `PIL.Image`; None if it is missing or damaged."""
    try:
        image = Image.open(io.BytesIO((folder / "figures" / f"{name}.png").read_bytes()))
        image.load()
    except (OSError, SyntaxError, ValueError):  # what PIL raises of a truncated file
        return None
    return image if "Description" in image.info else None


def saved_figure(folder, name):
    """Return a picture that a run has saved, with its alt text; `NOTHING` if it is missing or damaged."""
    if (image := _saved(folder, name)) is None:
        return NOTHING
    data = (folder / "figures" / f"{name}.png").read_bytes()
    return Shown.image(
        data, f"{folder.parent.name}: {image.info['Description']}", int(image.width / 1.5), data
    )


def saved_images(folder, name="reconstructions"):
    """Return the images in a run's saved `plots.reconstructions`: `(2, n, 28, 28, 1)`, originals first.

    None if the picture is missing or damaged, or another.
    """
    if (image := _saved(folder, name)) is None:
        return None
    pixels = np.asarray(image.convert("L"))
    drawn = pixels < 250  # images are black at their edges, text is thin
    down, across = (np.flatnonzero(drawn.mean(axis=axis) > 0.5)[[0, -1]] + [0, 1] for axis in (1, 0))
    box = (*(across[:1]), *(down[:1]), *(across[1:]), *(down[1:]))
    count = round(((box[2] - box[0]) / (box[3] - box[1]) * 59 + 3) / 31)  # see `plots.image_rows`
    tiles = image.convert("L").resize((31 * count - 3, 59), Image.Resampling.NEAREST, box)
    canvas = np.pad(np.asarray(tiles, "float32") / 255, [(0, 3), (0, 3)])
    return canvas.reshape(2, 31, count, 31).swapaxes(1, 2)[:, :, :28, :28, None]
