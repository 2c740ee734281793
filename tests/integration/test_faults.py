"""What is left on disk when a batch of runs is killed, interrupted or filled up: by doing it."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
import yaml
from conftest import engine, engine_call

from fmnist_keras import data
from fmnist_keras.internals import sources

MODELS = "models=model_3 model_4"
EPOCH = r"faults {model} seed 0  epoch \d"


@pytest.fixture(scope="module")
def batch(copy):
    """Sets the suite `faults` of the copy, on 64 images, to so many epochs; gives its folder of results."""

    def epochs(number):
        suite = {"data": "sample", "protocol": "paper", "epochs": number, "patience": 10_000}
        suite |= {"limit": 64, "batch_size": 32}
        (copy / "params" / "suites" / "faults.yaml").write_text(yaml.safe_dump(suite))
        return copy / "reports" / "faults"

    return epochs


class Running:
    """A process in a session of its own, its output as it comes, and everything that it has started."""

    def __init__(self, **call):
        self.process = subprocess.Popen(**call, start_new_session=True)
        self.began, self.seen, self.lines = time.monotonic(), {}, []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def output(self):
        return "".join(self.lines)

    def family(self):
        """All processes that it has, each remembered so that none is lost when its parent goes."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.seen |= {p.pid: p for p in psutil.Process(self.process.pid).children(recursive=True)}
        return list(self.seen.values())

    def wait_for(self, *patterns, seconds=300):
        """Until the output has all patterns."""
        wait(lambda: all(re.search(p, self.output) for p in patterns), seconds, lambda: self.output)
        self.family()

    def find(self, words, under=None):
        """The one process of the family, or of those below one of it, with these words in its command."""
        family = under.children(recursive=True) if under else self.family()
        (found,) = (p for p in family if p.is_running() and words in " ".join(p.cmdline()))
        return found

    def all_gone(self, seconds):
        wait(lambda: self.process.poll() is not None, seconds, lambda: self.output)
        wait(lambda: not alive(self.seen.values()), seconds, lambda: f"{alive(self.seen.values())}")

    def clear(self):
        for process in (
            [*self.family(), psutil.Process(self.process.pid)]
            if self.process.poll() is None
            else (self.seen.values())
        ):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(30)


def alive(processes):
    running = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def wait(condition, seconds, why):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, why()
        time.sleep(0.1)


@pytest.fixture
def start():
    """Starts processes; whatever they have started is gone when the test is over."""
    started = []

    def one(**call):
        started.append(Running(**call))
        return started[-1]

    yield one
    for running in started:
        running.clear()


def content(folder):
    """dict of every file below a folder to its bytes' SHA-256."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def good(copy, batch):
    """A good result of model_4 in the suite `faults`, which the faults below must leave whole."""
    folder = batch(1)
    engine(copy, "suite=faults", "models=model_4")
    batch(10_000)  # from here on, a fit that lasts
    return folder / "model_4" / "seed_0", content(folder / "model_4" / "seed_0")


def test_a_killed_kernel_and_a_killed_papermill_fail_alone_and_harm_nothing(copy, good, start):
    call = engine_call(copy, "suite=faults", MODELS)
    running = start(**call)
    running.wait_for(*(EPOCH.format(model=model) for model in ("model_3", "model_4")))
    jobs = {model: running.find(f"fmnist_keras run {model} ") for model in ("model_3", "model_4")}
    kernel = running.find("ipykernel_launcher", under=jobs["model_3"])
    orphan = running.find("ipykernel_launcher", under=jobs["model_4"])
    kernel.kill()
    jobs["model_4"].kill()
    running.all_gone(60)
    assert not orphan.is_running()
    assert running.process.returncode != 0
    assert "faults model_3 seed 0: Kernel died" in running.output
    folder, before = good
    assert content(folder) == before
    suite = folder.parents[1]
    assert not (suite / "model_3" / "seed_0").exists()
    assert list(suite.glob("model_4/.seed_0.job-*")), "a killed job leaves what the next one clears away"
    assert "Failed:</strong> model_3, seed_0" in (suite / "index.html").read_text()


def test_a_killed_snakemake_takes_its_jobs_and_their_kernels_along(copy, good, start):
    running = start(**engine_call(copy, "suite=faults", MODELS))
    running.wait_for(*(EPOCH.format(model=model) for model in ("model_3", "model_4")))
    assert len([p for p in running.family() if "ipykernel_launcher" in " ".join(p.cmdline())]) == 2
    running.process.kill()
    running.all_gone(10)
    folder, before = good
    assert content(folder) == before
    assert not (folder.parents[1] / "model_3" / "seed_0").exists()


def test_ctrl_c_ends_everything_within_10_seconds_and_a_second_engine_is_told_of_the_first(copy, good, start):
    running = start(**engine_call(copy, "suite=faults", MODELS))
    running.wait_for(*(EPOCH.format(model=model) for model in ("model_3", "model_4")))
    second = engine(copy, "suite=faults", MODELS, check=False)
    assert second.returncode != 0
    assert f"suite faults is already running, as process {running.process.pid}" in second.stdout
    assert "Traceback" not in second.stdout
    interrupted = time.monotonic()
    os.killpg(running.process.pid, signal.SIGINT)  # as a terminal does: to all of the foreground at once
    time.sleep(0.3)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.process.pid, signal.SIGINT)  # and again, as the impatient do
    running.all_gone(10)
    assert time.monotonic() - interrupted < 10
    assert running.process.returncode != 0
    assert "Traceback" not in running.output
    folder, before = good
    assert content(folder) == before
    assert not (folder.parents[1] / "model_3" / "seed_0").exists()


def test_the_next_call_finishes_what_was_killed_and_clears_what_it_left(copy, good, batch):
    suite = batch(2)
    output = engine(copy, "suite=faults", MODELS)  # no --unlock, nothing by hand
    assert "0 of 2 runs are up to date" in output.stdout
    for model in ("model_3", "model_4"):
        assert json.loads((suite / model / "seed_0" / "metrics.json").read_text())["epochs_run"] == 2
    assert [path for path in suite.glob("**/.*")] == []
    assert "Failed:" not in (suite / "index.html").read_text()


def test_sigterm_lets_what_runs_finish_and_starts_nothing_more(copy, batch, start):
    suite = batch(30)
    running = start(**engine_call(copy, "suite=faults", f"{MODELS} model_8"))
    running.wait_for(*(EPOCH.format(model=model) for model in ("model_3", "model_4")))
    for _ in range(500):  # one may come while Snakemake holds the lock that its own answer waits for
        with contextlib.suppress(ProcessLookupError):
            running.process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    running.all_gone(60)
    assert running.process.returncode != 0
    assert "Traceback" not in running.output
    for model in ("model_3", "model_4"):
        assert json.loads((suite / model / "seed_0" / "metrics.json").read_text())["epochs_run"] == 30
    assert not (suite / "model_8").exists()


def program(copy, *arguments, before=(), **env):
    """Call `python -m fmnist_keras` in the copy, after the words `before`; gives the finished process."""
    call = engine_call(copy) | {"args": [*before, sys.executable, "-m", "fmnist_keras", *arguments]}
    return subprocess.run(**call | {"env": call["env"] | {name: str(value) for name, value in env.items()}})


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


@pytest.mark.parametrize("left", [60_000, 1_500_000], ids=["in the notebook", "in the model's file"])
def test_a_full_disk_is_one_sentence_and_the_earlier_result_stays(copy, good, batch, tmp_path, left):
    batch(1)
    with small_disk(tmp_path / "disk", 20_000_000) as disk:
        folder = disk / "faults" / "model_4" / "seed_0"
        shutil.copytree(good[0], folder)
        before = content(folder)
        filler = shutil.disk_usage(disk).free - left
        (disk / "filler").write_bytes(b"x" * filler)
        result = program(copy, "run", "model_4", "--suite", "faults", REPORTS_DIR=disk)
        assert result.returncode != 0
        assert result.stdout.count("the disk is full: no space was left for ") == 1, result.stdout
        assert "Traceback" not in result.stdout
        assert content(folder) == before
        assert [path.parent for path in disk.rglob("metrics.json")] == [folder]


def test_an_engine_on_a_full_disk_says_so(copy, batch, tmp_path):
    batch(1)
    with small_disk(tmp_path / "disk", 1_000_000) as disk:
        call = engine_call(copy, "suite=faults", "models=model_4")
        result = subprocess.run(**call | {"env": call["env"] | {"REPORTS_DIR": str(disk)}})
        assert result.returncode != 0
        assert "the disk is full: no space was left for " in result.stdout
        assert "Traceback" not in result.stdout
        assert list(disk.rglob("metrics.json")) == []


def test_a_loss_that_is_not_a_number_fails_one_model_and_the_report_names_it(copy, batch):
    suite = batch(2)
    shutil.rmtree(suite / "model_3", ignore_errors=True)
    bad = copy / "params" / "model_bad.yaml"
    text = (copy / "params" / "model_4.yaml").read_text().replace("model: model_4", "model: model_bad")
    bad.write_text(re.sub(r"learning_rate: \S+", "learning_rate: 1.0e+6", text))
    try:
        result = engine(copy, "suite=faults", "models=model_bad model_3", check=False)
    finally:
        bad.unlink()
    assert result.returncode != 0
    reason = r"training diverged: (val_)?loss was not finite in epoch \d with Adam and learning_rate 1e\+06"
    assert re.search(rf"error: faults model_bad seed 0: {reason}", result.stdout), result.stdout
    assert not (suite / "model_bad" / "seed_0").exists()
    assert json.loads((suite / "model_3" / "seed_0" / "metrics.json").read_text())["epochs_run"] == 2
    assert "Failed:</strong> model_bad, seed_0" in (suite / "index.html").read_text()
    shutil.rmtree(suite / "model_bad")


def test_a_damaged_run_is_named_left_out_of_the_report_and_made_again(copy, batch):
    suite = batch(2)
    engine(copy, "suite=faults", MODELS)
    truncated = suite / "model_3" / "seed_0" / "metrics.json"
    truncated.write_text(truncated.read_text()[:500])
    kept = suite / "model_4" / "seed_0" / "metrics.json"
    foreign = json.loads(kept.read_text()) | {"device": "<script>alert(1)</script>"}
    kept.write_text(json.dumps(foreign))
    result = program(copy, "report", "faults")
    assert result.returncode == 0, result.stdout
    page = (suite / "index.html").read_text()
    assert "Damaged, so left out:</strong> model_3, seed_0: metrics.json cannot be read" in page
    assert 'href="model_4/seed_0/notebook.html"' in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    result = engine(copy, "suite=faults", MODELS)
    assert "1 of 2 runs are up to date and stay: model_4 seed 0; to run: model_3 seed 0" in result.stdout
    assert "Damaged" not in (suite / "index.html").read_text()


def test_damaged_data_are_named_with_their_hash_and_never_trained_on(copy, tmp_path):
    for name in sources.FILES:
        shutil.copy(sources.SAMPLE_DIR / f"{name}.gz", tmp_path)
    result = program(copy, "run", "model_3", "--suite", "paper", FMNIST_DATA_DIR=tmp_path)
    assert result.returncode == 1
    assert f"{sources.FILES[0]}.gz has SHA-256 {data.SHA256['sample'][sources.FILES[0]]}" in result.stdout
    assert f"not {data.SHA256['full'][sources.FILES[0]]}" in result.stdout
    assert "epoch" not in result.stdout
    assert not (copy / "reports" / "paper" / "model_3" / "seed_0").exists()


def everything_but_reports(copy):
    """The paths beside and in the copy that no run should ever make."""
    made = (path for path in copy.parent.rglob("*") if "__pycache__" not in path.parts)
    return {
        path for path in made if not path.is_relative_to(copy / "reports") and ".snakemake" not in path.parts
    }


def test_an_evil_name_in_a_params_file_trains_nothing_and_writes_nothing(copy):
    path = copy / "params" / "model_evil.yaml"
    good = (copy / "params" / "model_4.yaml").read_text(encoding="utf-8")
    path.write_text(good.replace("model: model_4", "model: '../{evil}'"), encoding="utf-8")
    before, results = everything_but_reports(copy), content(copy / "reports" / "faults")
    try:
        result = engine(copy, "suite=faults", "force=1", check=False)
    finally:
        path.unlink()
    assert result.returncode != 0
    reason = "params/model_evil.yaml: model: '../{evil}' is not allowed; allowed: a name of letters"
    assert reason in result.stdout
    assert "Traceback" not in result.stdout
    assert everything_but_reports(copy) | {path} == before
    assert content(copy / "reports" / "faults") == results


def namespace(*flags):
    """The words before a command that give it name spaces of its own, or a skip where that is not allowed."""
    words = ["unshare", *flags]
    if not shutil.which("unshare") or subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        pytest.skip(f"`{' '.join(words)}` is not allowed on this machine")
    return words


def test_without_network_and_data_the_error_names_every_place(copy, tmp_path):
    hide = (
        f'mkdir -p {sources.DISTRIBUTION_DIR} && mount -t tmpfs tmpfs {sources.DISTRIBUTION_DIR}; exec "$@"'
    )
    words = [*namespace("--net", "--mount"), "sh", "-c", hide, "sh"]
    result = program(copy, "data", before=words, KERAS_HOME=tmp_path / "no cache")
    assert result.returncode == 1
    places = ["FMNIST_DATA_DIR: not set", "the distribution's package", "the Keras cache", "Keras' download"]
    for place in (
        *places,
        "apt-get download",
        "apt-get install dataset-fashion-mnist",
        "`make report` needs none",
    ):
        assert place in result.stdout
    assert "Traceback" not in result.stdout


def test_make_report_works_without_network_data_or_home_from_a_checkout_that_is_read_only(copy, tmp_path):
    """All at once, from another working directory, into a folder with spaces and accents."""
    loopback = (
        "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh22x', b'lo', 1))"
    )
    sandbox = f"""set -e
        "{sys.executable}" -c "{loopback}"  # the kernel's messages stay on the machine, but need this
        mkdir -p {sources.DISTRIBUTION_DIR}; mount -t tmpfs tmpfs {sources.DISTRIBUTION_DIR}
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
    assert (reports / "sample" / "model_4" / "seed_0" / "metrics.json").is_file()
    assert 'href="model_4/seed_0/notebook.html"' in (reports / "sample" / "index.html").read_text()


@pytest.mark.parametrize("kind", ["autoencoder", "classifier"])
def test_the_same_seed_gives_the_same_history_to_the_byte(copy, tmp_path, start, kind):
    notebook = copy / "notebooks" / f"{kind}.ipynb"
    calls = []
    for name in ("one", "two"):
        command = [sys.executable, "-m", "papermill", str(notebook), str(tmp_path / f"{name}.ipynb")]
        for field, value in {
            "deterministic": True,
            "limit": 500,
            "epochs": 3,
            "run_dir": tmp_path / name,
        }.items():
            command += ["-p", field, str(value)]
        calls.append(start(**engine_call(copy) | {"args": command}))
    for call in calls:
        wait(lambda call=call: call.process.poll() is not None, 300, lambda call=call: call.output)
    one, two = ((tmp_path / name / "history.csv").read_bytes() for name in ("one", "two"))
    assert one.count(b"\n") == 4
    assert one == two
