"""Show tables, saved figures and text from files in a notebook."""

import os
import re
import zlib
from html import escape
from urllib.parse import quote

from markupsafe import Markup

from ..plots import Shown


def as_text(words):
    """Escape text from files for Markdown, so that no HTML or Markdown in it takes effect."""
    return escape(words).translate({ord(mark): f"&#{ord(mark)};" for mark in "[]()*`$\\~|"})


def note(words):
    """Return a sentence as a Markdown quotation; "" of none."""
    return f"> {as_text(words)}" if words else ""


def table(frame, index=True, kind="wide", **formats):
    """Return a table as HTML, and beside it as text and Markdown; a sentence if it has no row.

    Its cells are shown as text, but for `markupsafe.Markup`.

    Args:
        frame: a `pandas.DataFrame`.
        index: whether the index is shown, its name in the corner.
        kind: the table's classes; the page lets a reader sort and filter one that is "sortable".
        formats: of a part of a column's name, how its numbers are shown: `loss="{:.3f}"`.
    """
    from pandas.io.formats.style import Styler

    if frame.empty:
        return Shown("<p>None in this suite.</p>", "None in this suite.")
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


def page_link(folder, start=None):
    """Return a run's name as a link to its page, or as text: of most runs, git has the numbers alone.

    Args:
        folder: the run's `Path`.
        start: the folder from which the link leads; None is the suite's.
    """
    name = f"{folder.parent.name}, seed {folder.name.removeprefix('seed_')}"
    page = folder / "notebook.html"
    if not page.is_file():
        return name
    path = quote(os.path.relpath(page, start or folder.parents[1]).replace(os.sep, "/"))
    return Markup('<a href="{}">{}</a>').format(path, name)


def saved_figure(folder, name):
    """Return a picture that a run has saved, with its alt text; a sentence if it is missing or damaged.

    A page that may be published has no path of this machine in it.
    """
    from IPython.display import Markdown
    from PIL import Image

    path, model = folder / "figures" / f"{name}.png", folder.parent.name
    try:
        with Image.open(path) as image:
            alt, width = image.text["Description"], int(image.width / 1.5)
        return Shown.image(path.read_bytes(), f"{model}: {alt}", width, path.read_bytes())
    except (OSError, KeyError, SyntaxError, ValueError) as error:  # what PIL raises of a truncated file
        reason = str(error).replace(str(path), path.name)
        if isinstance(error, FileNotFoundError):
            reason = "it is not here; of most runs git holds the numbers alone"
        return Markdown(as_text(f"{model}: figures/{path.name} cannot be shown: {reason}"))
