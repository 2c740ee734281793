"""requirements/install.py: what pip is told is handed on to uv, or pip installs."""

import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import pytest

from fmnist_keras import runs

spec = importlib.util.spec_from_file_location("install", runs.ROOT / "requirements" / "install.py")
install = importlib.util.module_from_spec(spec)
spec.loader.exec_module(install)


@pytest.mark.parametrize(
    ("options", "variables", "arguments"),
    [
        ({}, {}, []),
        ({"index-url": "https://one/simple"}, {"UV_DEFAULT_INDEX": "https://one/simple"}, []),
        ({"extra-index-url": "\nhttps://one\nfile:///two"}, {"UV_INDEX": "https://one file:///two"}, []),
        ({"find-links": "/one /two"}, {"UV_FIND_LINKS": "/one,/two"}, []),
        ({"trusted-host": "one two:8080"}, {"UV_INSECURE_HOST": "one two:8080"}, []),
        ({"constraint": "/a.txt b.txt"}, {}, ["--constraint", "/a.txt", "--constraint", "b.txt"]),
        ({"no-index": "true"}, {}, ["--no-index"]),
        ({"no-index": "0"}, {}, []),
        ({"cert": "/ca.pem"}, {"SSL_CERT_FILE": "/ca.pem"}, []),
        ({"default-timeout": "180", "retries": "9"}, {"UV_HTTP_TIMEOUT": "180", "UV_HTTP_RETRIES": "9"}, []),
        ({"cache-dir": "/big"}, {"UV_CACHE_DIR": "/big/uv"}, []),
        ({"no-cache-dir": "1"}, {"UV_NO_CACHE": "1"}, []),
        ({"user": "true", "disable-pip-version-check": "1"}, {}, []),
    ],
)
def test_options_of_pip_reach_uv(options, variables, arguments):
    strategy = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    assert install.for_uv(options, {}) == (strategy | variables, arguments, [])


@pytest.mark.parametrize(
    "option",
    ["proxy", "target", "prefix", "require-hashes", "client-cert", "no-binary", "pre", "new-in-pip-30"],
)
def test_an_option_without_counterpart_is_named(option):
    assert install.for_uv({option: "1", "find-links": "/one"}, {})[2] == [option]


def test_certificates_are_those_of_pip():
    """pip's own option comes before the variables that its HTTP library reads."""
    environ = {"REQUESTS_CA_BUNDLE": "/r.pem", "CURL_CA_BUNDLE": "/c.pem"}
    assert install.for_uv({}, environ)[0]["SSL_CERT_FILE"] == "/r.pem"
    assert install.for_uv({"cert": "/own.pem"}, environ)[0]["SSL_CERT_FILE"] == "/own.pem"


def test_the_configuration_is_read_like_pip(tmp_path, monkeypatch):
    """`pip config list` has files and environment; the section `install` and the environment override."""
    pytest.importorskip("pip", reason="this environment was made without pip")
    (tmp_path / "pip.conf").write_text(
        "[global]\nfind-links = /one\n  /two\nindex_url = https://one\nproxy = p\n"
        "[install]\nproxy = q\n[download]\nno-index = true\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://two")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    listed = install.run_captured([*install.PIP, "config", "list"])
    options = install.pip_options(listed.stdout)
    expected = {"index-url": "https://two", "proxy": "q", "find-links": "/one\n/two"}
    found = {name: options.get(name, "").strip() for name in (*expected, "no-index")}
    assert found == expected | {"no-index": ""}


@pytest.fixture
def calls(monkeypatch):
    """The commands that would be run; `calls.status` has exit statuses by a command's first words."""
    calls = SimpleNamespace(made=[], status={}, listed="")

    def run(command, env=None, **_):
        words = " ".join(command[2:])
        calls.made.append((words, env))
        failed = [status for start, status in calls.status.items() if words.startswith(start)]
        listed = calls.listed if words == "pip config list" else ""
        return SimpleNamespace(returncode=max(failed, default=0), stdout=listed, stderr="ERROR: no network\n")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(install, "has_uv", lambda: False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.delenv("INSTALLER", raising=False)
    return calls


LOCKED = "--constraint requirements/lock.txt"
PIP_INSTALLS = f"pip install --quiet -r requirements/test.txt {LOCKED}"


def test_uv_installs_what_the_lock_says(calls, capsys):
    calls.listed = "global.find-links='/wheels'\n:env:.user='1'\n"
    assert install.install("requirements.txt") == 0
    words, env = calls.made[-1]
    assert words == f"uv pip install --quiet --python {sys.executable} --editable . {LOCKED}"
    assert env["UV_FIND_LINKS"] == "/wheels"
    assert capsys.readouterr().out.endswith("with uv, given pip's find-links ...\n")


@pytest.mark.parametrize(
    ("status", "listed", "reason"),
    [
        ({"uv pip install": 2}, "", "uv failed"),
        (
            {"pip install --quiet -r requirements/setup.txt": 1},
            "",
            "uv cannot be installed: ERROR: no network",
        ),
        ({"pip config": 1}, "", "pip's configuration cannot be read"),
        ({}, "global.proxy='p'", "pip's configuration has proxy, for which uv has no counterpart"),
    ],
)
def test_pip_installs_if_uv_cannot(calls, capsys, status, listed, reason):
    calls.status, calls.listed = status, listed
    assert install.install("requirements/test.txt") == 0
    assert calls.made[-1][0] == PIP_INSTALLS
    assert f"with pip, which takes a minute or two ({reason}) ..." in capsys.readouterr().out


def test_pip_installs_if_asked_for(calls, monkeypatch):
    monkeypatch.setenv("INSTALLER", "pip")
    install.install("requirements/test.txt")
    assert [words for words, _ in calls.made] == [PIP_INSTALLS]


def test_a_users_own_folder_is_not_used(calls, monkeypatch):
    """PIP_USER=1, which pip refuses in an environment, is overridden for every process that is started."""
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setattr(sys, "argv", ["install.py", "requirements/test.txt"])
    monkeypatch.setattr(install, "install", lambda *_: install.os.environ["PIP_USER"])
    with pytest.raises(SystemExit, match="^0$"):
        install.main()


def test_the_lock_takes_no_wheels_of_the_machine(calls):
    calls.listed = (
        "global.find-links='/wheels'\nglobal.constraint='/own.txt'\nglobal.index-url='https://one'\n"
    )
    assert install.lock() == 0
    words, env = calls.made[-1]
    assert words.startswith("uv pip compile --universal")
    assert "/own.txt" not in words
    assert env["UV_DEFAULT_INDEX"] == "https://one"
    assert "UV_FIND_LINKS" not in env
