"""The report and the explore notebook in real headless Chromium, with the network blocked."""

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import nbformat
import numpy as np
import pytest
from conftest import fitted
from PIL import Image

from fmnist_keras import data, plots, runs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
STUDY = runs.ROOT / "reports" / "paper" / "studies" / "ablations" / "index.html"  # a landed one
PAGES = ("index.html", "model_8/seed_0/notebook.html", STUDY)  # of the copy's suite, and this

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(params=PAGES)
def address(request, copy, first):
    return (copy / "reports" / "sample" / request.param).as_uri()


@pytest.fixture
def page(browser, address):
    """A page opened without a network; what it complained of is in `page.complaints`."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.route(lambda url: not url.startswith(("file:", "data:")), lambda route: route.abort())
    tab = context.new_page()
    tab.complaints = []
    tab.on("console", lambda m: tab.complaints.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("requestfailed", lambda request: tab.complaints.append(request.url))
    tab.on("request", lambda r: tab.complaints.append(r.url) if r.url.startswith("http") else None)
    tab.goto(address)
    yield tab
    context.close()


def test_a_page_opens_offline_and_is_whole(page):
    assert page.complaints == []
    images = page.locator("img").all()
    assert images
    for image in images:
        assert len(image.get_attribute("alt") or "") > 20
        assert image.evaluate("i => i.complete && i.naturalWidth > 0")
    assert all(svg.get_attribute("aria-label") for svg in page.locator("svg").all())
    assert page.locator("h1").count() == 1


def test_links_lead_somewhere(page):
    links = page.eval_on_selector_all("a", "links => links.map(a => [a.getAttribute('href'), a.href])")
    sections = [written[1:] for written, _ in links if written.startswith("#")]
    assert len(sections) > 5
    assert [i for i in sections if not page.evaluate("id => !!document.getElementById(id)", i)] == []
    files = [whole for written, whole in links if not written.startswith("#")]
    assert files
    for link in files:
        path = urllib.request.url2pathname(urllib.parse.urlparse(link).path)
        assert link.startswith("file:")
        assert os.path.exists(path), path


def test_a_narrow_screen_scrolls_no_page_sideways_and_shrinks_no_figure_beyond_reading(page):
    for width in (768, 375):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    widths = page.eval_on_selector_all(
        "img",
        """all => all.filter(i => !i.closest('.celltag_fits'))
                  .map(i => [i.width, Number(i.getAttribute('width'))])""",
    )
    assert widths
    assert all(shown >= min(wanted, 560) for shown, wanted in widths)


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_what_scrolls_says_so(page, width):
    """No table or chart hides a part of it without a sign, and a keyboard reaches those alone."""
    page.set_viewport_size({"width": width, "height": 900})
    page.eval_on_selector_all("details", "all => all.forEach(d => d.open = true)")
    page.wait_for_timeout(100)  # until sizes are observed
    found = page.eval_on_selector_all(
        ".scroll",
        "all => all.map(b => [b.scrollWidth > b.clientWidth + 1, !b.previousSibling.hidden, b.tabIndex])",
    )
    assert found
    assert [one for one in found if one not in ([True, True, 0], [False, False, -1])] == []


def test_a_keyboard_skips_the_contents(page):
    """They come before the content, and the first link skips them."""
    page.keyboard.press("Tab")
    link = page.locator("a.skip")
    assert link.evaluate("a => a === document.activeElement && a.getBoundingClientRect().top >= 0")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    assert page.evaluate(
        "document.querySelector('nav').compareDocumentPosition(document.querySelector('main')) "
        "& Node.DOCUMENT_POSITION_FOLLOWING"
    )


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), pytest.param("dark", 375, marks=pytest.mark.long)]
)
def test_both_colour_schemes_are_accessible(page, scheme, width):
    """Long in the dark: axe takes its time, and the schemes differ in a few colours."""
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    page.eval_on_selector_all("details", "all => all.forEach(d => d.open = true)")
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], v["nodes"][0]["html"], v["nodes"][0]["failureSummary"]) for v in serious]


@pytest.fixture(scope="module")
def lab(copy, first):
    """JupyterLab on the notebooks, with the runs of the small copy; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--notebook-dir", str(copy / "notebooks")]
    command += ["--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.news_url="]
    clean = os.environ | {"REPORTS_DIR": str(copy / "reports")}
    server = subprocess.Popen(command, env=clean, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=2).close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def opened(browser, lab, copy):
    """The explore notebook in JupyterLab before it is run, with a chart of ours after its cells.

    The outputs are as committed, which JupyterLab does not trust.
    """
    chart = plots.curves(fitted(loss=[2, 1], val_loss=[2, 1]), "loss", "mean squared error")
    notebook = nbformat.read(copy / "notebooks" / "explore.ipynb", 4)
    output = nbformat.v4.new_output("display_data", {"text/html": chart._repr_mimebundle_()["text/html"]})
    notebook.cells.append(nbformat.v4.new_code_cell("", outputs=[output]))
    nbformat.write(notebook, copy / "notebooks" / "opened.ipynb")
    tab = browser.new_page(viewport={"width": 1400, "height": 1400})
    tab.goto(f"{lab}/lab/tree/opened.ipynb?reset")
    tab.locator(".jp-NotebookPanel").first.wait_for(timeout=60_000)
    yield tab
    tab.close()


def test_a_notebook_shows_its_outputs_before_it_is_run(opened):
    """Show a picture in place of the explorer, and a chart, each with its alt text."""
    picture = opened.locator(".jp-OutputArea img[alt*='explorer']")
    picture.wait_for(timeout=60_000)
    assert picture.evaluate("i => i.complete && i.naturalWidth > 500")
    assert opened.get_by_text("VBox(").count() == 0
    chart = opened.locator(".jp-OutputArea img[alt*='mean squared error over 2 epochs']")
    chart.scroll_into_view_if_needed()
    assert chart.evaluate("i => i.complete && i.naturalWidth > 0")


@pytest.fixture(scope="module")
def explored(opened):
    """The same notebook, all its cells run."""
    opened.get_by_text("| Idle").wait_for(timeout=60_000)  # the kernel is there
    opened.get_by_role("menuitem", name="Run", exact=True).click()
    opened.get_by_text("Run All Cells", exact=True).click()
    opened.locator(".jp-OutputArea .widget-html table").wait_for(timeout=120_000)
    opened.get_by_text("| Idle").wait_for(timeout=60_000)  # the cells after it are done as well
    return opened


def pictures(tab):
    """The addresses of original, reconstruction, error and decoded: they contain the pixels."""
    found = tab.locator(".jp-OutputArea .widget-html figure img").all()
    return [picture.get_attribute("src") for picture in found]


def step(slider, key="ArrowRight"):
    slider.locator(".noUi-handle").focus()
    slider.locator(".noUi-handle").press(key)


def test_a_slider_changes_the_decoded_image(explored):
    assert explored.get_by_text("Ankle boot, image 0: mean squared error 0.").count() == 1
    before = pictures(explored)
    assert before[3] == before[1]  # decoded and reconstruction, until a slider moves
    slider = explored.locator(".widget-slider", has_text="↔").first
    step(slider, "PageUp")
    explored.wait_for_function(
        "old => document.querySelectorAll('.jp-OutputArea .widget-html figure img')[3].src !== old",
        arg=before[3],
    )
    assert [old == new for old, new in zip(before, pictures(explored))] == [True, True, True, False]
    explored.get_by_text("reset", exact=True).click()
    explored.wait_for_function(
        "old => document.querySelectorAll('.jp-OutputArea .widget-html figure img')[3].src === old",
        arg=before[3],
    )


def test_every_run_shows_its_own_pictures(explored):
    """Through both runs and five images: no problem is shown, and the message says which run is seen."""
    runs_shown = {}
    choice = explored.locator(".jp-OutputArea select").first
    number = explored.locator(".widget-slider", has_text="image").first
    for name in choice.locator("option").all_inner_texts():
        choice.select_option(label=name)
        explored.get_by_text(f"({name})").wait_for()
        for key in [*["ArrowRight"] * 4, "Home"]:
            before = pictures(explored)[0]
            step(number, key)
            explored.wait_for_function(
                "old => document.querySelector('.jp-OutputArea .widget-html figure img').src !== old",
                arg=before,
            )
        runs_shown[name] = pictures(explored)
    originals, reconstructions, *_ = zip(*runs_shown.values())
    assert len(runs_shown) == 2
    assert len(set(originals)) == 1
    assert len(set(reconstructions)) == 2
    assert explored.locator(".widget-html b", has_text="cannot").count() == 0


def upload(tab, name, content):
    with tab.expect_file_chooser() as chooser:
        tab.locator(".widget-upload").click()
    chooser.value.set_files({"name": name, "mimeType": "image/png", "buffer": content})


def test_an_upload_is_shown_each_time(explored):
    """And a file that is not a picture is refused with a sentence."""
    upload(explored, "page.png", b"<html>")
    explored.get_by_text("this is not a picture of a known format").wait_for()
    picture = io.BytesIO()
    garment = np.round(data.load("sample").x_val[1, ..., 0] * 255).astype("uint8")
    Image.fromarray(np.pad(255 - garment, 20, constant_values=255)).save(picture, "PNG")
    number = explored.locator(".widget-slider", has_text="image").first
    for key in ("ArrowRight", "Home"):
        upload(explored, "own.png", picture.getvalue())
        said = re.compile("Your own picture.*: mean squared error 0[.]")  # an untrained model may mirror it
        explored.get_by_text(said).wait_for()
        step(number, key)
        explored.get_by_text("Ankle boot, image").wait_for()
