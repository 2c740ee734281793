"""requirements/install.py: pip's options are given to uv, or pip installs."""

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
    ("option", "value", "variable", "expected"),
    [
        ("index-url", "https://one/simple", "UV_DEFAULT_INDEX", "https://one/simple"),
        ("extra-index-url", "\nhttps://one\nfile:///two", "UV_INDEX", "https://one file:///two"),
        ("find-links", "/one /two", "UV_FIND_LINKS", "/one,/two"),
        ("trusted-host", "one two:8080", "UV_INSECURE_HOST", "one two:8080"),
        ("cert", "/own.pem", "SSL_CERT_FILE", "/own.pem"),
        ("default-timeout", "180", "UV_HTTP_TIMEOUT", "180"),
        ("retries", "9", "UV_HTTP_RETRIES", "9"),
        ("cache-dir", "/big", "UV_CACHE_DIR", "/big/uv"),
        ("no-cache-dir", "1", "UV_NO_CACHE", "1"),
        ("user", "true", "SSL_CERT_FILE", "/c.pem"),  # harmless; certificates as pip reads them itself
    ],
)
def test_options_of_pip_reach_uv(option, value, variable, expected):
    variables, arguments, unknown = install.for_uv({option: value}, {"CURL_CA_BUNDLE": "/c.pem"})
    assert variables[variable] == expected
    assert arguments == unknown == []


def test_arguments_of_pip_reach_uv():
    options = {"constraint": "/a.txt b.txt", "no-index": "true", "proxy": "1", "new-in-pip-30": "1"}
    variables, arguments, unknown = install.for_uv(options, {})
    assert variables == {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    assert arguments == ["--constraint", "/a.txt", "--constraint", "b.txt", "--no-index"]
    assert unknown == ["proxy", "new-in-pip-30"]
    assert install.for_uv({"no-index": "0"}, {})[1] == []


def test_the_configuration_is_read_like_pip(tmp_path, monkeypatch):
    """`pip config list` has files and environment; the section `install` and the environment override."""
    pytest.importorskip("pip", reason="this environment was made without pip")
    text = "[global]\nfind-links = /one\n  /two\nindex_url = https://one\nproxy = p\n[install]\nproxy = q\n"
    (tmp_path / "pip.conf").write_text(text + "[download]\nno-index = true\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://two")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    options = install.pip_options(install.run_captured([*install.PIP, "config", "list"]).stdout)
    assert options.items() >= {"index-url": "https://two", "proxy": "q"}.items()
    assert options["find-links"].split() == ["/one", "/two"]
    assert "no-index" not in options


@pytest.fixture
def calls(monkeypatch):
    """The commands that would be run; `calls.failing` is how one that fails begins."""
    calls = SimpleNamespace(made=[], failing="nothing", listed="")

    def run(command, env=None, **_):
        words = " ".join(command[2:])
        calls.made.append((words, env))
        listed = calls.listed if words == "pip config list" else ""
        status = int(words.startswith(calls.failing))
        return SimpleNamespace(returncode=status, stdout=listed, stderr="ERROR: no network\n")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(install, "has_uv", lambda: False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "INSTALLER"):
        monkeypatch.delenv(name, raising=False)
    return calls


LOCKED = "--constraint requirements/lock.txt"


def test_uv_installs_what_the_lock_says(calls, capsys):
    calls.listed = "global.find-links='/wheels'\n:env:.user='1'\n"
    assert install.install("requirements.txt") == 0
    words, env = calls.made[-1]
    assert (
        words == f"uv pip install --quiet --python {sys.executable} -r requirements.txt --editable . {LOCKED}"
    )
    assert env["UV_FIND_LINKS"] == "/wheels"
    assert capsys.readouterr().out.endswith("with uv, given pip's find-links ...\n")


@pytest.mark.parametrize(
    ("failing", "listed", "installer", "reason"),
    [
        ("uv pip install", "", "", "uv failed"),
        ("pip install --quiet -r requirements/setup", "", "", "uv cannot be installed: ERROR: no network"),
        ("pip config", "", "", "pip's configuration cannot be read"),
        ("nothing", "global.proxy='p'", "", "pip's configuration has proxy, for which uv has no counterpart"),
        ("nothing", "", "pip", "INSTALLER=pip"),
    ],
)
def test_pip_installs_if_uv_cannot(calls, capsys, monkeypatch, failing, listed, installer, reason):
    monkeypatch.setenv("INSTALLER", installer)
    calls.failing, calls.listed = failing, listed
    assert install.install("requirements/test.txt") == 0
    assert calls.made[-1][0] == f"pip install --quiet -r requirements/test.txt {LOCKED}"
    assert f"with pip, which takes a minute or two ({reason}) ..." in capsys.readouterr().out


def test_a_users_own_folder_is_not_used(calls, monkeypatch):
    """PIP_USER=1, which pip refuses in an environment, is overridden for every process that is started."""
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setattr(sys, "argv", ["install.py", "requirements/test.txt"])
    monkeypatch.setattr(install, "install", lambda *_: install.os.environ["PIP_USER"])
    with pytest.raises(SystemExit, match="^0$"):
        install.main()


def test_the_lock_takes_no_local_wheels(calls):
    calls.listed = "global.find-links='/wheels'\nglobal.constraint='/own'\nglobal.index-url='https://one'\n"
    assert install.lock() == 0
    words, env = calls.made[-1]
    assert words.startswith("uv pip compile --universal")
    assert "/own" not in words
    assert env["UV_DEFAULT_INDEX"] == "https://one"
    assert "UV_FIND_LINKS" not in env
