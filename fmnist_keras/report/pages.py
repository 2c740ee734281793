"""Convert an executed notebook to one self-contained page of HTML."""

import copy
import re
from pathlib import Path

TEMPLATE = Path(__file__).parent / "template"


def page(notebook, path, title, home=None):
    """Convert an executed notebook to a self-contained HTML page that loads nothing from elsewhere.

    Args:
        notebook: the executed notebook, or its `Path`.
        path: the page's `Path`.
        title: the page's title.
        home: a relative link back to the front page, or None on the front page itself.
    """
    import nbformat
    from nbconvert import HTMLExporter, TemplateExporter
    from nbconvert.filters import Highlight2HTML
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    content = nbformat.read(notebook, 4) if isinstance(notebook, Path) else notebook
    content.cells = results_first(content.cells)
    if home is None:
        _gather_code(content.cells)
    prose = "\n".join(cell.source for cell in content.cells if cell.cell_type == "markdown")
    exporter = HTMLExporter(
        template_name="template",
        extra_template_basedirs=[str(TEMPLATE.parent)],
        optimistic_validation=True,  # once, not after each preprocessor
    )
    exporter.register_filter("highlight_code", Highlight2HTML(pygments_lexer="ipython3", parent=exporter))
    exporter.register_preprocessor(CoalesceStreamsPreprocessor, enabled=True)  # epoch lines in one block
    resources = {
        "metadata": {"name": title},
        "title": title,
        "home": home,
        "contents": re.findall(r"^## (.+)$", prose, flags=re.MULTILINE),
    }
    # Not HTMLExporter's own method: it parses the whole page again, for images that have no alt text.
    body, _ = TemplateExporter.from_notebook_node(exporter, content, resources)
    path.write_text(body, encoding="utf-8")


def results_first(cells):
    """Return the cells with those tagged `verdict`, then those tagged `first`, right below the title.

    Where what they show begins with a title of its own, as a study's question, that is the page's.
    """
    tagged = {tag: [c for c in cells if tag in c.metadata.get("tags", ())] for tag in ("verdict", "first")}
    results = tagged["verdict"] + tagged["first"]
    if not results:
        return cells
    title, _, text = cells[0].source.partition("\n\n")
    head, rest = copy.copy(cells[0]), copy.copy(cells[0])
    head.source, rest.source = title, text
    rest.id = f"{head.id}-text"
    ordered = [head, *results, rest, *(cell for cell in cells[1:] if cell not in results)]
    if not _begins_with_a_title(results[0]):
        return ordered
    results[0].metadata.hidden = True  # its code would stand above the title, and comes after the text
    rest.metadata.section_code = results[0].source
    return ordered[1:]


def _begins_with_a_title(cell):
    shown = (output.get("data", {}).get("text/markdown", "") for output in cell.outputs)
    return any(text.startswith("# ") for text in shown)


def _gather_code(cells):
    """Move the code of each section of a front page to its end: to the last cell before the next heading."""
    code = []
    for cell, after in zip(cells, [*cells[1:], None]):
        if cell.cell_type == "code":
            code.append(cell.source)
            cell.metadata.hidden = True
        if code and (after is None or after.source.startswith("## ")):
            cell.metadata.section_code = "\n\n".join(code)
            code = []
