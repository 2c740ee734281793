"""Pack the pages of a suite, and the files that they link, into one zip in which every link works."""

import os
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .. import runs

LEFT_OUT = (".keras", ".ipynb")  # weights and notebooks; and hidden files


class Links(HTMLParser):
    """Read a page: `links`, pairs of a tag's text and where it leads, and `ids`, where others may lead."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids = [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """Note a tag's links and its name."""
        for name, value in attributes:
            if name in ("id", "name"):
                self.ids.add(value)
            if name in ("href", "src") and not any(urlsplit(value or "")[:2]):
                self.links.append((self.get_starttag_text(), value or ""))


def pack(suite, folder):
    """Write a zip of a suite's pages and what they link, below `reports`; other links become text.

    Args:
        suite: a folder of `reports` with a page.
        folder: where `<suite>.zip` is written.

    Returns:
        The zip's `Path`, how many files are in it, and how many links became text.

    Raises:
        runs.RunError: the suite has no page.
    """
    index, root = runs.suite_dir(suite) / "index.html", runs.reports_dir()
    if not index.is_file():
        raise runs.RunError(f"suite {suite} has no page; to make it: `make report SUITE={suite}`")
    path = Path(os.path.expanduser(folder)) / f"{suite}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, files, ids, dead = path.with_name(f".{path.name}.{os.getpid()}"), [index], {}, 0
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:  # it grows
                content = file.read_bytes()
                if file.suffix == ".html":
                    text = content.decode("utf-8")
                    for tag, link in Links(text).links:
                        target = _target(file, link, root, ids)
                        if target is None:
                            text, dead = text.replace(tag, "<a>" if tag[:2] == "<a" else ""), dead + 1
                        elif target not in files:
                            files.append(target)
                    content = text.encode("utf-8")
                archive.writestr(file.relative_to(root).as_posix(), content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path, len(files), dead


def _target(page, link, root, ids):
    """Return the file that a link leads to, or None if it is not packed or has no such place in it."""
    to = urlsplit(link)
    file = Path(os.path.normpath(page.parent / unquote(to.path))) if to.path else page
    inside = file.is_relative_to(root) and not re.search(r"[/\\]\.", str(file)[len(str(root)) :])
    if not inside or file.suffix in LEFT_OUT or not file.is_file() or file.is_symlink():
        return None
    if to.fragment and file not in ids:
        ids[file] = Links(file.read_text(encoding="utf-8")).ids if file.suffix == ".html" else {""}
    return file if unquote(to.fragment) in ids.get(file, {""}) else None
