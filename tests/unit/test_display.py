"""Tables and saved figures, as a page, LaTeX and Word show them."""

import numpy as np
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from markupsafe import Markup

from fmnist_keras import plots, runs
from fmnist_keras.report import display


def test_a_table_is_text_too():
    """The page's cells, without links, none of which is two."""
    frame = pd.DataFrame({"run": [Markup('<a href="x">a|b</a>'), "c\nd"], "loss": [0.12345, np.nan]})
    data, _ = DisplayFormatter().format(display.table(frame, index=False, loss="{:.2f}"))
    assert data["text/markdown"] == data["text/plain"]
    assert data["text/plain"].splitlines() == [
        "| run | loss |",
        "| --- | --- |",
        r"| a\|b | 0.12 |",
        "| c d | – |",
    ]
    named = display.table(frame.set_index(pd.Index(["one", "two"], name="which")), loss="{:.2f}")
    assert repr(named).splitlines()[::2] == ["| which | run | loss |", r"| one | a\|b | 0.12 |"]


def test_columns_of_two_levels_become_one():
    frame = pd.DataFrame({"model": ["a", "a"], "val.loss": [0.1, 0.3]})
    shown = display.table(frame.groupby("model").agg({"val.loss": ["mean", "max"]}), max="{:.3f}")
    assert repr(shown).splitlines()[0] == "| model | val.loss, mean | val.loss, max |"
    assert repr(shown).endswith("| 0.300 |")


def test_text_from_files_is_escaped():
    script = "<script>alert(1)</script>"
    frame = pd.DataFrame({script: [script]}, [script])
    page = display.table(frame).data
    assert page.count("&lt;script&gt;") == 3
    assert "<script" not in page


def test_a_table_without_a_row_is_nothing():
    assert display.table(pd.DataFrame(columns=["model"])).data == ""


def test_a_run_links_to_its_page(tmp_path):
    folder = tmp_path / "model_5" / "seed_1"
    folder.mkdir(parents=True)
    assert display.page_link(folder) == "model_5, seed 1"  # no page: no link that leads nowhere
    (folder / "notebook.html").touch()
    assert display.page_link(folder) == '<a href="model_5/seed_1/notebook.html">model_5, seed 1</a>'


def test_a_damaged_figure_is_nothing(tmp_path):
    folder = tmp_path / "model_5" / "seed_0"
    assert display.saved_figure(folder, "reconstructions").data == ""
    (folder / "figures").mkdir(parents=True)
    landed = runs.ROOT / "reports/paper/model_1/seed_0/figures/reconstructions.png"
    for size in (0, 30, 300):
        (folder / "figures" / "reconstructions.png").write_bytes(landed.read_bytes()[:size])
        assert display.saved_figure(folder, "reconstructions").data == ""
        assert display.saved_images(folder) is None
    shown = display.saved_figure(landed.parents[1], "reconstructions")
    assert shown.data.startswith('<img alt="model_1: 10 validation images')


@pytest.mark.parametrize("count", [2, 10])
def test_saved_images_are_read_back(tmp_path, count):
    """Of `plots.reconstructions`, each pixel to two grey levels; one reconstruction is of one grey."""
    images = np.random.default_rng(0).random((count, 28, 28, 1)).astype("float32")
    images[:, [0, -1]] = images[:, :, [0, -1]] = 0  # as those of the data set
    decoded = np.where(np.arange(count)[:, None, None, None] == 1, np.float32(0.3), images / 2)
    figure = plots.reconstructions(images, decoded, np.arange(count))
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "reconstructions.png").write_bytes(figure.files()[".png"])
    found = display.saved_images(tmp_path)
    assert found.shape == (2, count, 28, 28, 1)
    assert np.abs(found - [images, decoded]).max() < 2 / 255
