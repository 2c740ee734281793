"""The landed pages, and how a notebook becomes one."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest

from fmnist_keras import __main__ as main
from fmnist_keras import data, params, runs
from fmnist_keras.params import ROOT
from fmnist_keras.report import claims, pages, paper
from fmnist_keras.workflow import experiments


@pytest.mark.parametrize("name", sorted(paper.RESULTS))
def test_the_paper_s_numbers(name):
    # As cuadro III of the paper has them: train error, valid error, train accuracy, valid accuracy.
    table = {
        "model_5": (0.236, 0.283, 0.918, 0.900),
        "model_6": (0.242, 0.290, 0.931, 0.904),
        "model_7": (0.237, 0.285, 0.925, 0.902),
        "model_8": (0.641, 0.657, 0.806, 0.793),
    }
    assert tuple(paper.RESULTS[name].values()) == table[name]


@pytest.mark.parametrize("suite", ["paper", "holdout", "reading", "mnist"])
def test_landed_claims_follow_from_landed_runs(reports, suite):
    """Judged again from copies of `metrics.json` and `history.csv` alone."""
    landed = runs.ROOT / "reports" / suite
    for path in landed.glob("*/seed_*/metrics.json"):
        copy = reports / suite / path.relative_to(landed)
        copy.parent.mkdir(parents=True)
        shutil.copy(path, copy)
        shutil.copy(path.with_name("history.csv"), copy.parent)
    claims.of_suite(suite)
    assert (reports / suite / "claims.json").read_text() == (landed / "claims.json").read_text()


def test_landed_runs_are_the_papers(landed):
    """They were made from all images, as params and its studies say."""
    given = experiments.models("paper")
    for path in (params.PARAMS_DIR / "studies").glob("*.yaml"):
        given |= experiments.study(path.stem, "paper").params
    found = runs.read_all("paper")[0]
    for m in found:
        assert params.same(params.Params.of(m["params"]), replace(given[m["model"]], seed=m["seed"]))
        base, changes = given[m["model"]].base or m["model"], given[m["model"]].changes or {}
        assert (m["base"], m["changes"]) == (base, changes)
        assert m["images"] == {"train": 60_000, "val": 10_000}
        assert m["data"]["sha256"] == data.SHA256["full"]
    assert {m["model"] for m in found if m["seed"] == 0} >= {f"model_{i}" for i in range(1, 9)}


def test_landed_pages_have_no_local_path():
    suites = [runs.ROOT / "reports" / suite for suite in ("paper", "holdout", "reading", "mnist")]
    landed = [path for folder in suites for path in folder.rglob("*.html")]
    assert len(landed) >= 14  # the suites' own, three studies', and those of eight models
    for path in landed:
        found = re.search(r"""["'\s;(`]/(?:home|root|tmp|work|Users)/""", path.read_text(encoding="utf-8"))
        assert found is None, (path, found)


def test_landed_pages_link_to_landed_files():
    """A page made where more files lie than git holds would lead a reader of a fresh clone nowhere."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8")
    if listed.returncode:
        pytest.skip("not a git checkout")
    held = {ROOT / name for name in listed.stdout.split("\n")}
    pages = [path for path in held if path.suffix == ".md" or path.is_relative_to(ROOT / "reports")]
    broken, seen = [], 0
    for page in (page for page in pages if page.suffix in (".html", ".md")):
        link = r'href="([^"]+)"' if page.suffix == ".html" else r"\]\(([^)]+)\)"
        found = (urlsplit(words) for words in re.findall(link, page.read_text(encoding="utf-8")))
        links = [part.path for part in found if part.path and not part.scheme]
        targets = [Path(os.path.normpath(page.parent / link)) for link in links]
        broken += [(page.name, str(target)) for target in targets if target not in held]
        seen += len(links)
    assert seen > 20
    assert broken == []


def shown(text, **data):
    """Return a code cell that shows a text, "" a blank one."""
    output = nbformat.v4.new_output(
        "display_data", data | {"text/markdown": text, "text/plain": "<Markdown>"}
    )
    return nbformat.v4.new_code_cell("code", outputs=[output])


def kept(*cells):
    """Return the sources of the texts, and what the code cells show, of the cells that a page keeps."""
    made = [nbformat.v4.new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    found = []
    for cell in pages.telling(made):
        found += [cell.source] if cell.cell_type == "markdown" else []
        found += [o.data["text/markdown"] for o in cell.get("outputs", ())]
    return found


def test_a_section_that_shows_nothing_is_not_on_the_page():
    """A heading stays if anything below it is shown, without the text on what is not."""
    assert kept("# Title", "## A", "### B\n\nWhy.", shown(""), "More.", shown("")) == ["# Title"]
    assert kept("# Title", "## A", "### B\n\nWhy.", shown(""), "More.", shown("x"), "### C", shown("")) == [
        *("# Title", "## A", "### B", "More.", "x"),
    ]
    assert kept("# Title", "## A\n\nProse.", "## B", shown("x")) == ["# Title", "## A\n\nProse.", "## B", "x"]
    assert kept("## Model", nbformat.v4.new_code_cell("model = 1")) == ["## Model"], (
        "it shows nothing by design"
    )


def test_a_line_that_links_nowhere_is_not_on_the_page():
    """Of a list or table, in texts and in what cells show; a claim's place is in HTML."""
    claims = nbformat.v4.new_output("display_data", {"text/html": '<div id="C1"></div>', "text/plain": "C1"})
    cells = ["# T", shown("- [a](#A-b)\n- [c](#C)\n- [d](#C1)"), "## A b", shown("x"), "## C", shown("")]
    cells[3].outputs.append(claims)
    made = [nbformat.v4.new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    assert pages.telling(made)[1].outputs[0].data["text/markdown"] == "- [a](#A-b)\n- [d](#C1)"
    assert kept("| [a](#A) |\n| [b](#B) |\nsee [c](#C)", "## A", shown("x"))[0] == "| [a](#A) |\nsee [c](#C)"


def test_results_are_below_the_title():
    titles = [nbformat.v4.new_markdown_cell(text) for text in ("# Title\n\nWhat it is.", "## Training")]
    cells = [nbformat.v4.new_code_cell(text, metadata={"tags": tags}) for text, tags in TAGGED]
    found = [cell.source for cell in pages.results_first([titles[0], cells[0], titles[1], *cells[1:]])]
    assert found == [
        "# Title",
        "verdict",
        "curves",
        "images",
        "What it is.",
        "parameters",
        "## Training",
        "fit",
    ]
    assert pages.results_first(titles) == titles
    question = nbformat.v4.new_output("display_data", {"text/markdown": "# Why?\n\nFor a reason."})
    cells[2].outputs = [question]  # a title of its own, but not the first that is shown
    assert "# Title" in [cell.source for cell in pages.results_first([titles[0], *cells])]
    cells[3].outputs = [question]
    found = [cell.source for cell in pages.results_first([titles[0], *cells])]
    assert found == ["verdict", "curves", "images", "What it is.", "parameters", "fit"]


TAGGED = [
    ("parameters", ["parameters"]),
    ("fit", ["fold"]),
    ("curves", ["first"]),
    ("verdict", ["verdict"]),
    ("images", ["first"]),
]


def test_a_suite_without_runs(reports):
    """It is one error, and no page."""
    (reports / "sweep" / "model_9" / "seed_0").mkdir(parents=True)
    shutil.copytree(ROOT / "reports/paper/model_5/seed_0", reports / "paper/model_5/seed_0")
    reason = "suite sweep has no runs; .*metrics.json cannot be read.*: paper"
    with pytest.raises(runs.RunError, match=reason):
        runs.require_runs("sweep")
    with pytest.raises(SystemExit, match="error: suite sweep has no runs"):
        main.main(["report", "sweep"])
    assert [path.name for path in (reports / "sweep").iterdir()] == ["model_9"]
    runs.require_runs("paper")
