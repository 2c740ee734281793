"""A suite's pages in one zip: every link in it works, and nothing else is in it."""

import zipfile

import pytest

from fmnist_keras import runs
from fmnist_keras.__main__ import main
from fmnist_keras.tools.pack import pack

INDEX = """<nav id="it's-top"><a href="a/seed_0/notebook.html#curves">a</a></nav>
<a href="../notes%20x.md">notes</a>
<a href="https://example.org/x.html">out</a>
<a href="#it's-top">up</a> <img src="data:image/png;base64,AAAA">"""
DEAD = {
    "a missing page": "b/seed_0/notebook.html",
    "a missing place": "a/seed_0/notebook.html#away",
    "a missing place here": "#away",
    "weights": "a/seed_0/model.keras",
    "a notebook": "a/seed_0/notebook.ipynb",
    "a hidden file": ".hidden.html",
    "out of the reports": "../../out.html",
    "an absolute path": "/etc/passwd",
    "a folder": "a/seed_0/",
}


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """A suite of two pages with a file beside it, and what is not to be packed."""
    folder = tmp_path / "reports" / "mine"
    (folder / "a" / "seed_0").mkdir(parents=True)
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "reports"))
    (folder / "index.html").write_text(INDEX, encoding="utf-8")
    (folder.parent / "notes x.md").write_text("notes")
    text = '<h2 id="curves">ñ</h2><a href="../../index.html">home</a>'
    (folder / "a" / "seed_0" / "notebook.html").write_text(text, encoding="utf-8")
    for name in ("a/seed_0/model.keras", "a/seed_0/notebook.ipynb", ".hidden.html", "../../out.html"):
        (folder / name).write_text("secret")
    return folder


def packed(tmp_path):
    path, count, dead = pack("mine", tmp_path / "out")
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name).decode("utf-8") for name in archive.namelist()}
    assert len(found) == count
    assert [file.name for file in path.parent.iterdir()] == ["mine.zip"]
    return found, dead


def test_pages_and_their_links_are_packed(pages, tmp_path, capsys):
    found, dead = packed(tmp_path)
    assert list(found) == ["mine/index.html", "mine/a/seed_0/notebook.html", "notes x.md"]
    assert (found["mine/index.html"], dead) == (INDEX, 0)
    main(["pack", "mine", "--out", str(tmp_path / "out")])
    assert "mine.zip: 3 files, 0.0 MB; 0 links to other files became text" in capsys.readouterr().out


@pytest.mark.parametrize("kind", DEAD)
def test_other_links_become_text(pages, tmp_path, kind):
    with (pages / "index.html").open("a", encoding="utf-8") as file:
        file.write(f'<a class="x" href="{DEAD[kind]}">its words</a>')
    found, dead = packed(tmp_path)
    assert (len(found), dead) == (3, 1)
    assert found["mine/index.html"] == f"{INDEX}<a>its words</a>"


def test_links_out_are_not_followed(pages, tmp_path):
    (pages / "a" / "linked.html").symlink_to(tmp_path / "out.html")
    (pages / "index.html").write_text('<a href="a/linked.html">x</a>')
    assert packed(tmp_path) == ({"mine/index.html": "<a>x</a>"}, 1)


def test_a_suite_without_a_page(pages, tmp_path):
    (pages / "index.html").unlink()
    with pytest.raises(runs.RunError, match="suite mine has no page; to make it: `make report SUITE=mine`"):
        pack("mine", tmp_path)
