"""Convert an executed notebook to one self-contained page of HTML."""

import copy
import re
from pathlib import Path

# Of a text: the paper's numbers in front of a heading, and what a sentence about the paper has in it.
NUMBERED = r"(?:(?:Figure|Table) [IV\d]+: |[IV]+ )"
PAPERS = re.compile(r"\b[Pp]aper|[Cc]uadro|Tables? I|[Ss]tatement|\bagrees\b|:$")
TEMPLATE = Path(__file__).parent / "template"


def page(notebook, path, title, home=None, other_data=False):
    """Convert an executed notebook to a self-contained HTML page that loads nothing from elsewhere.

    Args:
        notebook: the executed notebook, or its `Path`.
        path: the page's `Path`.
        title: the page's title.
        home: a relative link back to the front page, or None on the front page itself.
        other_data: the runs are on other data than the paper's, whose sentences then go.
    """
    import nbformat
    from nbconvert import HTMLExporter, TemplateExporter
    from nbconvert.filters import Highlight2HTML
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    content = nbformat.read(notebook, 4) if isinstance(notebook, Path) else notebook
    content.cells = results_first(telling(content.cells))
    for cell in content.cells if other_data else ():
        cell.source = without_paper(cell.source) if cell.cell_type == "markdown" else cell.source
    if home is None:
        _gather_code(content.cells)
    headings = [heading for cell in content.cells for heading in _headings(cell)]
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
        "contents": headings,
    }
    # Not HTMLExporter's own method: it parses the whole page again, for images that have no alt text.
    body, _ = TemplateExporter.from_notebook_node(exporter, content, resources)
    path.write_text(body, encoding="utf-8")


def without_paper(source):
    """Return a text without its sentences about the paper, and its headings without the paper's numbers."""
    source = re.sub(rf"^(#+) {NUMBERED}(\w)", lambda m: f"{m[1]} {m[2].upper()}", source, flags=re.MULTILINE)
    paragraphs = source.replace("Beyond the paper", "More").split("\n\n")
    sentences = (re.split(r"(?<=[.?!])\s+", paragraph) for paragraph in paragraphs)
    kept = [" ".join(one for one in some if not PAPERS.search(one)) for some in sentences]
    return "\n\n".join(filter(None, kept))


def _headings(cell):
    """Return the (level, text) of a text's headings below the title."""
    source = cell.source if cell.cell_type == "markdown" else ""
    return [(len(marks), text) for marks, text in re.findall(r"^(##+) (.+)$", source, flags=re.MULTILINE)]


def telling(cells):
    """Return the cells without what says nothing: a suite may have one kind of model, one seed, no study.

    A text goes if all outputs below it are blank, a heading if all of its section does, and a line of a list
    or table if it links to a place that the page then does not have.
    """
    kept, below, group = [], [], []
    for cell in reversed(cells):
        group.insert(0, cell)
        if cell.cell_type != "markdown":
            continue
        level = len(re.match("#*", cell.source)[0]) or 7
        under = [good for depth, good in below if depth > level]
        shown = [_is_visible(output) for one in group[1:] for output in one.outputs]
        good = level == 1 or any(shown) or any(under) or not (shown or under)
        below = [(depth, one) for depth, one in below if depth <= level] + [(level, good)]
        if shown and not any(shown):
            cell.source = cell.source.partition("\n")[0]
        kept, group = (group if good else []) + kept, []
    kept = group + kept
    for cell in kept:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _is_visible(output)]
    texts = [data for cell in kept for data in (cell, *(o.get("data", {}) for o in cell.get("outputs", ())))]
    ids = {text.replace(" ", "-") for cell in kept for _, text in _headings(cell)}
    ids |= {name for data in texts for name in re.findall(r'id="([^"]+)"', data.get("text/html", ""))}
    for data, key in ((data, key) for data in texts for key in ("source", "text/markdown") if key in data):
        lines = data[key].split("\n") if data.get("cell_type") != "code" else ()
        linked = {
            line: re.findall(r"\]\(#([^)]+)\)", line) for line in lines if line.startswith(("- ", "| "))
        }
        good = [line for line in lines if ids.issuperset(linked.get(line, ()))]
        data[key] = "\n".join(good) if lines else data[key]
    return kept


def _is_visible(output):
    """Return whether an output shows anything: not an empty text, figure or table."""
    data = output.get("data")
    return data is None or any(
        text.strip() for kind, text in data.items() if kind != "text/plain" or len(data) == 1
    )


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
