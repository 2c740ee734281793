"""Pack the page of a suite, and all that it links, into one zip in which every link works."""

import functools
import os
import re
import zipfile
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .. import runs

LINK = re.compile(r"""<(\w+)\b[^>]*?\s(?:href|src)=(["'])(?!\w+:|//)(.*?)\2[^>]*>""")
PLACE = re.compile(r"""\s(?:id|name)=(["'])(.*?)\1""")
LEFT_OUT = (".keras", ".ipynb")  # weights and notebooks; and hidden files


def pack(suite, folder):
    """Write a zip of a suite's page and all that it links, below `reports`; other links become text.

    Args:
        suite: a folder of `reports` with a page.
        folder: where `<suite>.zip` is written.

    Returns:
        The zip's `Path`, how many files are in it, and how many links became text.

    Raises:
        runs.RunError: the suite has no page.
    """
    files, dead = [runs.suite_dir(suite) / "index.html"], 0
    if not files[0].is_file():
        raise runs.RunError(f"suite {suite} has no page; to make it: `make report SUITE={suite}`")
    path = Path(os.path.expanduser(folder)) / f"{suite}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:  # it grows
                content = file.read_bytes()
                if file.suffix == ".html":
                    text = content.decode("utf-8")
                    targets = {found[0]: target(file, unescape(found[3])) for found in LINK.finditer(text)}
                    files += dict.fromkeys(one for one in targets.values() if one and one not in files)
                    for tag in (tag for tag, one in targets.items() if one is None):
                        dead += text.count(tag)
                        text = text.replace(tag, "<a>" if tag.startswith("<a") else "")
                    content = text.encode("utf-8")
                archive.writestr(file.relative_to(runs.reports_dir()).as_posix(), content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path, len(files), dead


def target(page, link):
    """Return the file that a link of a page leads to, or None if it is not packed, or has no such place."""
    to, root = urlsplit(link), runs.reports_dir()
    file = Path(os.path.normpath(page.parent / unquote(to.path))) if to.path else page
    inside = file.is_relative_to(root) and not re.search(r"[/\\]\.", str(file)[len(str(root)) :])
    if not inside or file.suffix in LEFT_OUT or not file.is_file() or file.is_symlink():
        return None
    if to.fragment and unquote(to.fragment) not in places(file, file.stat().st_mtime_ns):
        return None
    return file


@functools.lru_cache(maxsize=4)
def places(file, written):
    """Return the ids of a page, to which links lead."""
    return {unescape(found[2]) for found in PLACE.finditer(file.read_text(encoding="utf-8"))}
