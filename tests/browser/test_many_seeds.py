"""The front page of the landed ten seeds, in headless Chromium: short cells, and pictures first.

Long: the report of 315 runs takes half a minute, and test_browser.py opens that of a few runs.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

from fmnist_keras import runs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WORDS_BEFORE_A_PICTURE = """() => {
  const main = document.querySelector("main"), image = main.querySelector("img"), words = [];
  const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const before = node.compareDocumentPosition(image) & Node.DOCUMENT_POSITION_FOLLOWING;
    if (before && node.parentElement.checkVisibility())
      words.push(...node.data.split(/\\s+/).filter(Boolean));
  }
  return words.length;
}"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def front_page(tmp_path_factory):
    """The page's path, made again from the runs alone."""
    reports = tmp_path_factory.mktemp("ten")
    pages = shutil.ignore_patterns("*.html", "*.ipynb", "claims.json")
    shutil.copytree(runs.ROOT / "reports" / "paper", reports / "paper", ignore=pages)
    damaged = reports / "paper" / ("a_run_of_a_study_" * 6)[:100] / "seed_0" / "metrics.json"
    damaged.parent.mkdir(parents=True)
    damaged.touch()  # named in a sentence, and the longest name there may be
    environment = os.environ | {"REPORTS_DIR": str(reports), "PYTHONPATH": str(runs.ROOT)}
    command = [sys.executable, "-m", "fmnist_keras", "report", "paper"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return reports / "paper" / "index.html"


@pytest.fixture(scope="module")
def tab(front_page):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.goto(front_page.as_uri())
        yield page
        chromium.close()


def test_the_page_is_small(front_page):
    assert front_page.stat().st_size < 3_000_000


def test_claims_are_judged_again_from_the_runs_files(front_page):
    from fmnist_keras.report import claims

    grouped = {}
    for folder in sorted(front_page.parent.glob("model_*/seed_*")):
        grouped.setdefault(folder.parent.name, []).append(runs.read(folder))
    table = claims.judge(grouped)
    assert table["least"].min() >= 2
    landed = json.loads((front_page.parent / "claims.json").read_text(encoding="utf-8"))
    assert table["p_holm"].tolist() == [row["p_holm"] for row in landed]


def test_no_cell_is_a_list_and_a_picture_comes_first(tab):
    cells = tab.eval_on_selector_all("td, th", "all => all.map(cell => cell.textContent.trim())")
    assert len(cells) > 1_000
    assert max(map(len, cells)) <= 160
    assert tab.evaluate(WORDS_BEFORE_A_PICTURE) <= 150


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing(tab, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 844})
    tab.eval_on_selector_all("details", "all => all.forEach(d => d.open = true)")
    found = Axe().run(tab).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"]) for v in found] == []


def test_on_a_phone_no_verdict_is_cut_off(tab):
    """Nor the first two charts, which are not scrolled."""
    tab.set_viewport_size({"width": 390, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    ends = "all => all.map(one => one.getBoundingClientRect().right)"
    badges = tab.eval_on_selector_all(".claim > div > .verdict", ends)
    assert len(badges) == 30
    assert max(badges + tab.eval_on_selector_all("main img", ends)[:2]) <= 390
    assert max(tab.eval_on_selector_all(".claim p, .claim svg", ends)) <= 390


def test_a_link_to_a_claim_leads_to_its_runs(tab, front_page):
    """By the keyboard: its comparisons are open, a link leads to the runs behind it, another back."""
    tab.goto(f"{front_page.as_uri()}#C4")
    claim = tab.locator("#C4")
    assert claim.locator("details").evaluate("d => d.open")
    assert claim.get_by_text("Why this bound").is_visible()
    claim.get_by_role("link", name="model_3", exact=True).press("Enter")
    row = tab.locator("tr", has=tab.locator("#runs-model_3"))
    assert tab.url.endswith("#runs-model_3")
    row.get_by_role("link", name="C4", exact=True).press("Enter")
    assert tab.url.endswith("#C4")


def test_print_cuts_no_chart(tab):
    tab.emulate_media(media="print")
    found = tab.eval_on_selector_all(
        "main img",
        """all => all.map(image => [getComputedStyle(image.closest("button") ?? image).breakInside,
                                   image.getBoundingClientRect().height])""",
    )
    tab.emulate_media(media="screen")
    assert {how for how, _ in found} == {"avoid"}
    assert max(height for _, height in found) < 900  # of a page of A4, in pixels


def test_every_run_sorts_and_filters(tab):
    table = tab.locator("table.sortable").last
    rows = table.locator("tbody tr")
    tab.locator("input[type=search]").last.fill("model_8, seed")
    shown = [row for row in rows.all() if row.is_visible()]
    assert len(shown) == 10
    table.get_by_role("button", name="val.loss").click()
    losses = [float(row.locator("td").nth(1).inner_text()) for row in rows.all() if row.is_visible()]
    assert losses == sorted(losses)
    assert table.locator("th[aria-sort=ascending]").count() == 1


def test_a_figure_enlarges_and_closes(tab):
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.locator("button.figure").first.press("Enter")
    assert tab.locator("dialog img").is_visible()
    assert len(tab.locator("dialog img").get_attribute("alt")) > 100
    tab.keyboard.press("Escape")
    assert not tab.locator("dialog img").is_visible()
