"""What the report notebook shows: tables, figures, and text that comes from files."""

import re
import zlib
from html import escape

from markupsafe import Markup

from ..plots import Shown

__all__ = ("as_text", "figure", "saved_figure", "table")


def as_text(words):
    """Escape text from files for Markdown, so that no HTML or Markdown in it takes effect."""
    return escape(words).translate({ord(mark): f"&#{ord(mark)};" for mark in "[]()*`$\\~|"})


def note(words):
    """A sentence as Markdown shows it between paragraphs; "" of none."""
    return f"> {as_text(words)}" if words else ""


def figure(drawn):
    """Return a `plots.Figure`, which renders itself."""
    return drawn


def table(frame, index=True, kind="wide"):
    """A table as HTML, and beside it as text and Markdown, or a sentence where it has no row.

    Its cells are shown as text, but for `markupsafe.Markup`; numbers as `frame.attrs["format"]` says.

    Args:
        frame: a `pandas.DataFrame`.
        index: whether the index is shown, its name in the corner.
        kind: the table's classes; the page lets a reader sort and filter one that is "sortable".
    """
    from pandas.io.formats.style import Styler

    if frame.empty:
        return Shown("<p>None in this suite.</p>", "None in this suite.")
    frame = frame.rename_axis(index=None, columns=frame.index.name or ("model" if index else None))
    name = f"{zlib.crc32(frame.to_csv().encode()):x}"  # the same table, the same bytes
    style = Styler(frame, uuid=name, cell_ids=False).set_table_attributes(f'class="dataframe {kind}"')
    style = style.format(frame.attrs.get("format"), na_rep="–", escape="html")
    style = style.format_index(escape="html").format_index(escape="html", axis="columns")
    html, text = (style if index else style.hide()).to_html(), _as_markdown(frame, index)
    return Shown(html, text, **{"text/markdown": text})


def _as_markdown(frame, index):
    """Return a table in Markdown, its cells as a page shows them, but for links."""
    style = frame.map(_in_one_line).style.format(frame.attrs.get("format"), na_rep="–")
    text = (style if index else style.hide()).to_string(delimiter="\t")
    head, *rows = [re.sub(r"([|<$*`\\~[\]])", r"\\\1", line).split("\t") for line in text.splitlines()]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _in_one_line(value):
    """Return a cell's text, if it is that, without line breaks and tags."""
    value = value.striptags() if isinstance(value, Markup) else value
    return " ".join(value.split()) if isinstance(value, str) else value


def saved_figure(run, name):
    """A figure of pixels that a run has saved, as an `IPython.display.Image` with its alt text.

    Where the file is missing or damaged, a sentence that says so, as `Markdown`; a page that may be published
    has no path of this machine in it.
    """
    from IPython.display import Markdown
    from PIL import Image

    path = run["folder"] / "figures" / f"{name}.png"
    try:
        with Image.open(path) as image:
            alt, width = image.text["Description"], int(image.width / 1.5)
    except (OSError, KeyError, SyntaxError, ValueError) as error:  # what PIL raises of a file that is cut off
        reason = str(error).replace(str(path), path.name)
        if isinstance(error, FileNotFoundError):
            reason = "it is not here; of most runs git holds the numbers alone"
        return Markdown(as_text(f"{run['model']}: figures/{path.name} cannot be shown: {reason}"))
    return Shown.image(path.read_bytes(), f"{run['model']}: {alt}", width)
