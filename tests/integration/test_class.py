"""A class of students: their folders collected into one suite, compared, and packed to be sent."""

import json
import os
import shutil
import zipfile
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fmnist_keras import runs
from fmnist_keras.__main__ import main
from fmnist_keras._figure import new_figure

EVIL = "<script>document.title = 'evil'</script>"


class Page(HTMLParser):
    """The links, the places and the scripts of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.scripts = [], set(), 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        for name, value in attributes:
            if name == "id":
                self.ids.add(value)
            elif name in ("href", "src") and not urlsplit(value).scheme:
                self.links.append(value)
            assert not name.startswith("on"), "a handler"


@pytest.fixture
def students(tmp_path, kept, monkeypatch):
    """Two students with both runs in `scratch`, one of them up to no good, and a colleague's suite."""
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "reports"))
    alt = new_figure(EVIL)[0].files()[".png"]
    for person, where in {"Ana": "scratch", "Ben": "scratch", "colleague": "test"}.items():
        folder = tmp_path / "sent" / person / "reports" / where
        shutil.copytree(kept / "test", folder)
        for number, path in enumerate(sorted(folder.glob("*/seed_0/metrics.json"))):
            metrics = json.loads(path.read_text()) | {"suite": where}
            metrics["val"]["loss"] += 0.01 * number * (metrics["kind"] == "classifier")
            path.write_text(json.dumps(metrics))
            (path.parent / "figures" / "reconstructions.png").write_bytes(alt)
    evil = tmp_path / "sent" / "Ben" / "reports" / "scratch" / "model_8" / "seed_0"
    metrics = json.loads((evil / "metrics.json").read_text())
    metrics |= {"changes": {"dropout": EVIL}, "params": metrics["params"] | {"dropout": EVIL}}
    (evil / "metrics.json").write_text(json.dumps(metrics))
    (evil / "notebook.html").write_text(EVIL)
    marker = str(tmp_path / "marker")
    write = keras.layers.Lambda(lambda x, name=marker: open(name, "w").close() or x)
    keras.Sequential([keras.Input((28, 28, 1)), write]).save(evil / "model.keras")
    os.unlink(marker)  # it was built once, here
    return tmp_path / "sent"


def test_class_is_collected_and_packed(students, tmp_path, capsys):
    main(["collect", "class", *map(str, sorted(students.iterdir())), str(tmp_path / "away")])
    out, err = capsys.readouterr()
    suite = tmp_path / "reports" / "class"
    assert out == f"{suite / 'index.html'}: 6 runs collected\n"
    assert err == f"left out: {tmp_path / 'away'}: is not a folder with runs, each with a metrics.json\n"
    found = runs.table("class")
    assert sorted(found["model"]) == [
        f"{who}-model_{n}" for who in ("Ana", "Ben", "colleague") for n in (1, 8)
    ]
    rows = pd.read_csv(suite / "table.csv")
    for _, mine in rows.groupby("kind", sort=False):
        assert mine["val.loss"].is_monotonic_increasing, "best first"
    assert not list(suite.rglob("*.keras"))

    main(["pack", "class", "--out", str(tmp_path / "out")])
    assert "class.zip: 8 files" in capsys.readouterr().out
    with zipfile.ZipFile(tmp_path / "out" / "class.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    pages = {path: Page(path) for path in (tmp_path / "unpacked").rglob("*.html")}
    assert len(pages) == 1 + 6
    for path, page in pages.items():
        assert page.scripts == 1, "the template's own"
        for link in page.links:
            to = urlsplit(link)
            target = (path.parent / unquote(to.path)).resolve() if to.path else path
            assert target.is_file(), link
            assert not to.fragment or unquote(to.fragment) in pages[target].ids, link
    index = pages[tmp_path / "unpacked" / "class" / "index.html"]
    assert {"Ben-model_8/seed_0/notebook.html", "table.csv"} <= {*index.links}


def test_sent_weights_are_not_executed(students, tmp_path, capsys):
    """They stay where they are; named by their path, they load in safe mode alone."""
    evil = students / "Ben" / "reports" / "scratch" / "model_8" / "seed_0"
    Image.fromarray(np.eye(28, dtype="uint8") * 255).save(tmp_path / "x.png")
    with pytest.raises(SystemExit, match=r"error: .*model\.keras cannot be loaded: .*[Ll]ambda"):
        main(["predict", str(evil / "model.keras"), str(tmp_path / "x.png")])
    assert not (tmp_path / "marker").exists()
