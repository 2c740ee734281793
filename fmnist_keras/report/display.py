"""What the report notebook shows: tables, figures, and text that comes from files."""

from html import escape

from ..runs.figures import show

__all__ = ("as_text", "figure", "saved_figure", "table")


def as_text(words):
    """Escape text from files for Markdown, so that no HTML or Markdown in it takes effect."""
    return escape(words).translate({ord(mark): f"&#{ord(mark)};" for mark in "[]()*`$\\~|"})


def figure(drawn):
    """A `plots.Figure` as the report shows it: see `runs.figures.show`."""
    return show(drawn)[0]


def table(frame, index=True):
    """A table as HTML, or a sentence where it has no row.

    Its cells are shown as text, unless the function that made it says in `attrs` that they are HTML.
    """
    from IPython.display import HTML

    if frame.empty:
        return HTML("<p>None in this suite.</p>")
    escape = not frame.attrs.get("html")
    frame = frame.rename_axis(index=None, columns=frame.index.name)  # in the corner, not in a row of its own
    body = frame.to_html(escape=escape, border=0, index=index, classes="wide")
    return HTML(body.replace(" ± ", "&nbsp;±&nbsp;"))


def saved_figure(run, name):
    """A figure of pixels that a run has saved, as an `IPython.display.Image` with its alt text.

    Where the file is missing or damaged, a sentence that says so, as `Markdown`.
    """
    from IPython.display import Image as Shown
    from IPython.display import Markdown
    from PIL import Image

    path = run["folder"] / "figures" / f"{name}.png"
    try:
        with Image.open(path) as image:
            alt, width = image.text["Description"], int(image.width / 1.5)
    except (OSError, KeyError, SyntaxError, ValueError) as error:  # what PIL raises of a file that is cut off
        return Markdown(as_text(f"{run['model']}: figures/{path.name} cannot be shown: {error}"))
    return Shown(filename=path, alt=f"{run['model']}: {alt}", width=width)
