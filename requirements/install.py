"""Install requirements files into the environment whose Python runs this, with uv if it can, else with pip.

    .venv/bin/python requirements/install.py requirements/test.txt [--target FOLDER]
    .venv/bin/python requirements/install.py --lock

With requirements.txt or oldest.txt it installs the project itself. uv reads neither pip's
configuration nor PIP_*: it is given what they say, or pip installs. INSTALLER=pip asks for pip.
"""

import argparse
import ast
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETS = ("test", "export", "slurm", "backends", "bench", "setup")
OLDEST = "requirements/oldest.txt"  # not in the lock
PROJECT = ("requirements.txt", OLDEST)  # installed with the project itself
LOCK = "requirements/lock.txt"  # relative: uv splits the path of a constraints file at its spaces
PIP = [sys.executable, "-m", "pip"]
UV = [sys.executable, "-m", "uv", "pip"]

# uv's variable for each of pip's options that has one, and what separates its values there.
VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
    "retries": ("UV_HTTP_RETRIES", " "),
}
# Of pip's other options these change nothing of what is installed, or where.
# fmt: off
HARMLESS = {
    "break-system-packages", "compile", "debug", "disable-pip-version-check", "exists-action", "log",
    "no-color", "no-compile", "no-input", "no-python-version-warning", "no-warn-conflicts",
    "no-warn-script-location", "prefer-binary", "progress-bar", "quiet", "require-virtualenv",
    "root-user-action", "upgrade-strategy", "use-deprecated", "use-feature", "user", "verbose"
}
# fmt: on


class NoUv(Exception):
    """Why uv cannot install here."""


def pip_options(listed):
    """Return dict of option to value from what `pip config list` prints, as `pip install` reads them."""
    sections = {"global": {}, "install": {}, ":env:": {}}  # a later one overrides
    for line in listed.splitlines():
        name, value = line.split("=", 1)
        section, option = name.split(".", 1)
        sections.get(section, {})[option] = ast.literal_eval(value)
    return {option: value for part in sections.values() for option, value in part.items() if value.strip()}


def for_uv(options, environ):
    """Return uv's environment variables, its arguments, and pip's options without a counterpart in uv."""
    bundle = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")  # as pip reads them itself
    options = ({"cert": bundle} if bundle else {}) | options
    variables, arguments, unknown = {"UV_INDEX_STRATEGY": "unsafe-best-match"}, [], []  # pip's strategy
    for option, value in options.items():
        if option in VARIABLES:
            name, separator = VARIABLES[option]
            variables[name] = separator.join(map(os.path.expanduser, value.split()))
        elif option == "constraint":  # uv ignores its variable if it has the argument too
            arguments += [word for path in value.split() for word in ("--constraint", path)]
        elif option == "no-index":
            arguments += ["--no-index"] if value.lower() in ("1", "true", "t", "yes", "y", "on") else []
        elif option == "no-cache-dir":
            variables["UV_NO_CACHE"] = "1"
        elif option == "cache-dir":
            variables["UV_CACHE_DIR"] = str(Path(value).expanduser() / "uv")
        elif option not in HARMLESS:
            unknown.append(option)
    return variables, arguments, unknown


def run_captured(command):
    """Return the finished process of a command, with what it printed as text."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def has_uv():
    """Return whether uv is here in the version of setup.txt."""
    setup = (ROOT / "requirements" / "setup.txt").read_text(encoding="utf-8")
    try:
        return f"uv=={metadata.version('uv')} " in setup
    except metadata.PackageNotFoundError:
        return False


def prepare_uv():
    """Install uv itself, with pip, and return its variables, its arguments and the options of pip in them.

    Raises:
        NoUv: pip is to install the rest, too.
    """
    if os.environ.get("INSTALLER") == "pip":
        raise NoUv("INSTALLER=pip")
    listed = run_captured([*PIP, "config", "list"])
    if listed.returncode:
        raise NoUv("pip's configuration cannot be read")
    options = pip_options(listed.stdout)
    variables, arguments, unknown = for_uv(options, os.environ)
    if unknown:
        raise NoUv(f"pip's configuration has {', '.join(unknown)}, for which uv has no counterpart")
    if not has_uv():
        found = run_captured([*PIP, "install", "--quiet", "-r", "requirements/setup.txt"])
        if found.returncode:
            raise NoUv(f"uv cannot be installed: {[found.returncode, *found.stderr.splitlines()][-1]}")
    return variables, arguments, [option for option in options if option not in HARMLESS]


def install(requirements, target=None):
    """Install a requirements file, each version as in the lock, and return the exit status."""
    what = ["-r", requirements, *(["--editable", "."] if requirements in PROJECT else [])]
    what += [] if requirements == OLDEST else ["--constraint", LOCK]
    what += ["--target", target, "--upgrade"] if target else []
    line = f"Installing {requirements} into {os.path.relpath(target or sys.prefix)} with"
    try:
        variables, arguments, given = prepare_uv()
        print(line, f"uv, given pip's {', '.join(given)} ..." if given else "uv ...", flush=True)
        command = [*UV, "install", "--quiet", "--python", sys.executable, *what, *arguments]
        if subprocess.run(command, cwd=ROOT, env=os.environ | variables).returncode:
            raise NoUv("uv failed")
        return 0
    except NoUv as reason:
        print(line, f"pip, which takes a minute or two ({reason}) ...", flush=True)
        return subprocess.run([*PIP, "install", "--quiet", *what], cwd=ROOT).returncode


def lock():
    """Write the lock, all versions for all platforms; those that still fit stay. Return the exit status."""
    variables, _, _ = prepare_uv()
    variables.pop("UV_FIND_LINKS", None)  # builds of this machine's own
    files = ["requirements.txt", *(f"requirements/{name}.txt" for name in SETS)]
    how = ["--universal", "--python-version", "3.11", "--fork-strategy", "fewest", "--quiet"]
    how += ["--annotation-style", "line", "--custom-compile-command", "make lock", "--output-file", LOCK]
    return subprocess.run([*UV, "compile", *how, *files], cwd=ROOT, env=os.environ | variables).returncode


def main():
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("requirements", nargs="?", default="requirements.txt")
    parser.add_argument("--target")
    parser.add_argument("--lock", action="store_true")
    given = parser.parse_args()
    # An environment has no packages of a user's.
    os.environ |= {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        sys.exit(lock() if given.lock else install(given.requirements, given.target))
    except NoUv as reason:
        sys.exit(f"error: the lock needs uv: {reason}")


if __name__ == "__main__":
    main()
