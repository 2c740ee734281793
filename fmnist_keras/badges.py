"""Badges that open the notebooks in Colab and Binder: `make badges`, once the repository is public."""

import re
import subprocess

from .runs import ROOT

MARKS = ("<!-- badges: make badges -->", "<!-- end of badges -->")
GITHUB = re.compile(r"github\.com[:/]([\w.-]+/[\w.-]+?)(\.git)?/?$")
COLAB = (
    "[![open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name})"
)
BINDER = (
    "[![open in Binder](https://mybinder.org/badge_logo.svg)]"
    "(https://mybinder.org/v2/gh/{repository}/main?labpath=notebooks/{name})"
)


class NoAddress(RuntimeError):
    """It is not known where the repository is published."""


def repository(given=None, root=ROOT):
    """The repository's owner and name on GitHub, as `owner/name`.

    Args:
        given: the same, or None to take it from the git remote `origin`.
        root: the repository's folder.

    Raises:
        NoAddress: what is given is no `owner/name`, or there is no remote on GitHub.
    """
    if given is not None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", given):
            raise NoAddress(f"--repository: {given!r} is not allowed; allowed: owner/name, as on GitHub")
        return given
    asked = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        remote = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:  # no git
        remote = ""
    if not (match := GITHUB.search(remote)):
        raise NoAddress("no git remote `origin` on GitHub; say where it is: --repository owner/name")
    return match[1]


def write(repository, root=ROOT):
    """Write the badges into README.md, and the address into the notebooks' first code cells.

    Args:
        repository: `owner/name` on GitHub.
        root: the repository's folder.
    """
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    lines = ["| notebook | Colab | Binder |", "| --- | --- | --- |"]
    for path in notebooks:
        both = (badge.format(repository=repository, name=path.name) for badge in (COLAB, BINDER))
        lines.append(f"| `{path.name}` | {' | '.join(both)} |")
        cell = rf"\g<1>https://github.com/{repository}\g<2>"  # in the file's JSON quotes are escaped
        path.write_text(re.sub(r'(repository = \\")[^"\\]*(\\")', cell, path.read_text(), count=1))
    readme = root / "README.md"
    before, rest = readme.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    readme.write_text("\n".join([before + MARKS[0], *lines, MARKS[1] + after]))
