"""What a machine may lack: room on the disk, whole data, a network, a home, the right to write."""

import contextlib
import shutil
import subprocess
import sys

import pytest
from conftest import content, engine_call, program

from fmnist_keras import _sources as sources
from fmnist_keras import data

HIDE = f"mkdir -p {sources.DISTRIBUTION_DIR}; mount -t tmpfs tmpfs {sources.DISTRIBUTION_DIR}"


@contextlib.contextmanager
def small_disk(folder, size):
    """A real file system of so many bytes at `folder`."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk needs the right to mount a tmpfs, which this machine does not give")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def says_that_the_disk_is_full(result):
    assert result.returncode != 0
    assert "the disk is full: no space was left for " in result.stdout, result.stdout
    assert "Traceback" not in result.stdout


@pytest.mark.parametrize(("root", "left"), [("quick", 40_000), ("copy", 1_500_000)], ids=["page", "model"])
def test_full_disk_keeps_earlier_result(request, copy, first, tmp_path, root, left):
    """One sentence says so, if the page or the model's file has no room."""
    with small_disk(tmp_path / "disk", 20_000_000) as disk:
        folder = disk / "sample" / "model_4" / "seed_0"
        shutil.copytree(copy / "reports" / "sample" / "model_4" / "seed_0", folder)
        before = content(folder)
        (disk / "filler").write_bytes(b"x" * (shutil.disk_usage(disk).free - left))
        root = request.getfixturevalue(root)
        says_that_the_disk_is_full(program(root, "run", "model_4", "--suite", "sample", REPORTS_DIR=disk))
        assert content(folder) == before
        assert [path.parent for path in disk.rglob("metrics.json")] == [folder]


def test_engine_says_disk_is_full(quick, tmp_path):
    with small_disk(tmp_path / "disk", 60_000) as disk:
        call = engine_call(quick, "suite=sample", "models=model_4")
        says_that_the_disk_is_full(subprocess.run(**call | {"env": call["env"] | {"REPORTS_DIR": str(disk)}}))
        assert list(disk.rglob("metrics.json")) == []


@pytest.mark.parametrize(
    "command", [("data",), pytest.param(("run", "model_3", "--suite", "paper"), marks=pytest.mark.long)]
)
def test_damaged_data_are_named(copy, tmp_path, command):
    """The error has the hash that they have and the right one; they are never trained on."""
    for name in sources.FILES:
        shutil.copy(sources.SAMPLE_DIR / f"{name}.gz", tmp_path)
    result, name = program(copy, *command, FMNIST_DATA_DIR=tmp_path), sources.FILES[0]
    assert result.returncode == 1
    assert f"{name}.gz has SHA-256 {data.SHA256['sample'][name]}" in result.stdout
    assert f"not {data.SHA256['full'][name]}" in result.stdout
    assert "Traceback" not in result.stdout
    assert "epoch" not in result.stdout
    assert not (copy / "reports" / "paper" / "model_3" / "seed_0").exists()


def namespace(*flags):
    """The words before a command that give it name spaces of its own, or a skip if that is not allowed."""
    words = ["unshare", *flags]
    if not shutil.which("unshare") or subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        pytest.skip(f"`{' '.join(words)}` is not allowed on this machine")
    return words


def test_error_names_every_place_of_data(copy, tmp_path):
    words = [*namespace("--net", "--mount"), "sh", "-c", f'{HIDE}; exec "$@"', "sh"]
    result = program(copy, "data", before=words, KERAS_HOME=tmp_path / "no cache")
    assert result.returncode == 1
    places = ["FMNIST_DATA_DIR: not set", "the distribution's package", "the Keras cache", "Keras' download"]
    for words in (*places, "apt-get install dataset-fashion-mnist", "`make report` needs none"):
        assert words in result.stdout
    assert "Traceback" not in result.stdout


def test_user_without_name_and_home(quick):
    """`docker run -u 12345` gives one: no entry in passwd, and / as the home."""
    words = ["env", "-u", "LOGNAME", "-u", "USER", *namespace("--user", "--map-user=12345")]
    call = engine_call(quick, "suite=sample", "models=model_4")
    call["env"] |= {"HOME": "/proc"}
    planned = subprocess.run(**call | {"args": [*words, *call["args"], "--dry-run"]})
    assert planned.returncode == 0, planned.stdout
    made = program(quick, "run", "model_4", before=words, HOME="/proc")
    assert made.returncode == 0, made.stdout


def test_make_report_needs_no_network(copy, first, tmp_path):
    """Nor data or a home, from a read-only checkout, in another folder, into one with spaces and accents."""
    loopback = (
        "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh22x', b'lo', 1))"
    )
    sandbox = f"""set -e
        "{sys.executable}" -c "{loopback}"  # the kernel's messages stay on the machine, but need this
        {HIDE}
        mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"
        ! touch "$1/writable" 2>/dev/null || exit 77
        shift; exec "$@" """
    reports = tmp_path / "otros informes, más lejos"
    make = ["make", "-C", str(copy), "report", f"VENV={sys.prefix}", f"--assume-old={sys.prefix}/installed"]
    call = engine_call(copy) | {"cwd": tmp_path}
    call["args"] = [*namespace("--net", "--mount"), "sh", "-c", sandbox, "sh", str(copy), *make]
    call["env"] |= {"REPORTS_DIR": str(reports), "MODELS": "model_4", "HOME": "/dev/null/no home"}
    result = subprocess.run(**call)
    assert result.returncode == 0, result.stdout
    one, two = (folder / "sample" / "model_4" / "seed_0" for folder in (copy / "reports", reports))
    assert (two / "metrics.json").is_file()
    assert (one / "history.csv").read_bytes() == (two / "history.csv").read_bytes(), "of the same seed"
    assert 'href="model_4/seed_0/notebook.html"' in (reports / "sample" / "index.html").read_text()
