"""The graph on a real SLURM: eight models with three seeds through sbatch, on a cluster of this test's own.

Plain `pytest` leaves this folder out (`norecursedirs`); `make test-slurm` installs what is missing and runs
it.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import copied, results

from fmnist_keras import params

SEEDS = ("0", "1", "2")
RUNS = {f"{model}/seed_{seed}" for model in params.load_all() for seed in SEEDS}
CANCELLED = "model_6/seed_1"
PATIENCE = 1200  # seconds; a call takes minutes on two cores that nobody else uses
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
# Where Debian has the daemons is not on everybody's PATH.
ENVIRONMENT = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def until(happened, seconds, what):
    """Wait for `happened()` to be true, and return what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := happened():
            return result
        time.sleep(0.2)
    pytest.fail(f"{what} did not happen in {seconds} s")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configure(folder):
    """Write the cluster's files into `folder`; its daemons' command lines, in the order of their start."""
    host = socket.gethostname().split(".")[0]
    conf, key = folder / "slurm.conf", folder / "munge.key"
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    values = {"host": host, "folder": folder, "user": folder.owner(), "memory_mb": memory}
    values |= {"cores": os.cpu_count(), "controller_port": free_port(), "node_port": free_port()}
    conf.write_text((Path(__file__).parent / "slurm.conf").read_text().format(**values))
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
    key.touch(0o600)
    key.write_bytes(os.urandom(1024))
    munge = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "seed", "pid")]
    # --force: munged would rather not be root's, who may be all that there is in a container.
    return [
        ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge],
        ["slurmctld", "-D", "-f", str(conf)],
        ["slurmd", "-D", "-f", str(conf), "-N", host],
    ]


def processes(conf):
    """dict of process id to command line of all that belongs to the cluster: SLURM passes its name on."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"SLURM_CONF={conf}\0".encode() in path.joinpath("environ").read_bytes():
                found[int(path.name)] = path.joinpath("cmdline").read_text().replace("\0", " ")
        except OSError:  # it has just ended, or is another user's
            continue
    return found


@pytest.fixture(scope="module")
def cluster():
    """The environment of a cluster that is there for this module's tests, and leaves nothing behind."""
    found = {name: shutil.which(name, path=ENVIRONMENT["PATH"]) for name in PROGRAMS}
    missing = [name for name in PROGRAMS if not found[name]]
    if missing:
        pytest.fail(f"{', '.join(missing)}: not on this machine; `make test-slurm` as root installs them")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    conf = folder / "slurm.conf"
    environment = {k: v for k, v in ENVIRONMENT.items() if not k.startswith(("SLURM_", "SBATCH_"))}
    environment |= {"SLURM_CONF": str(conf), "PATH": f"{folder}:{environment['PATH']}"}
    # The plugin calls srun, on the node, without SLURM_CONF: it takes a cluster's to be in /etc.
    wrapper = folder / "srun"
    wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {found["srun"]} "$@"\n')
    wrapper.chmod(0o755)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it still stops what it started
    daemons = []
    try:
        for command in configure(folder):
            with (folder / f"{command[0]}.log").open("w") as log:
                daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))

        def ready():
            assert [daemon.args[0] for daemon in daemons if daemon.poll() is not None] == []
            return "idle" in say(environment, "sinfo", "--noheader", "--format=%T", check=False)

        until(ready, 60, "an idle node")
        yield environment
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait(30)
        end = time.monotonic() + 15  # a step's own daemon takes a moment to notice
        while (left := processes(conf)) and time.monotonic() < end:
            time.sleep(0.2)
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for log in folder.glob("*.log"):
            print(f"{log.name}:\n{log.read_text()}")  # pytest shows it where a test has failed
        shutil.rmtree(folder)
    assert not left, f"was still running, and was killed: {left}"


def say(environment, *command, check=True):
    """What one of SLURM's commands prints."""
    return subprocess.run(command, env=environment, check=check, capture_output=True, text=True).stdout


def call(root, environment, log, *more):
    """Start the engine with the profile and `more` options, its output in the file `log`."""
    options = [*more, "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3"]
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", *options]
    command += ["--config", "suite=sample", f"seeds={' '.join(SEEDS)}"]
    with log.open("w") as output:
        return subprocess.Popen(command, cwd=root, env=environment, stdout=output, stderr=output)


@pytest.fixture(scope="module")
def first(cluster, tmp_path_factory):
    """The copy, the first call's status, output and results, and what SLURM says of the job cancelled."""
    root = copied(tmp_path_factory.mktemp("una copia pequeña"), list(params.load_all()), epochs=2)
    log = tmp_path_factory.mktemp("calls") / "first.log"
    # Not absolute, to see that it leads a job to the same folder as the call.
    engine = call(root, cluster | {"REPORTS_DIR": "reports"}, log)
    started = f"sample {CANCELLED.replace('/seed_', ' seed ')}  starts"

    def job():
        assert engine.poll() is None, log.read_text()
        logs = (root / "reports" / ".engine" / "sample" / ".snakemake" / "slurm_logs").rglob("*.log")
        return next((path.stem for path in logs if started in path.read_text()), None)

    cancelled = until(job, PATIENCE, f"the start of {CANCELLED}")
    time.sleep(2)
    say(cluster, "scancel", cancelled)
    engine.wait(PATIENCE)
    told = say(cluster, "scontrol", "--oneliner", "show", "job", cancelled)
    return root, engine.returncode, log.read_text(), results(root), told


def test_all_but_the_cancelled_run_came_out_of_slurm(first):
    _, _, output, made, _ = first
    assert set(made) == RUNS - {CANCELLED}
    # For each seed model 1 with 5, 2 with 6, 4 with 7 and 8, and 3 alone.
    assert len(re.findall(r"has been submitted with SLURM jobid \d+", output)) == 4 * len(SEEDS)


def test_the_call_ends_not_0_and_names_the_cancelled_run(first):
    _, status, output, _, told = first
    assert "JobState=CANCELLED" in told
    assert status != 0
    assert f"{len(RUNS) - 1} of {len(RUNS)} runs are up to date and stay: " in output
    assert "; to run: model_6 seed 1\n" in output


def test_a_job_asks_for_what_its_rule_says(first):
    *_, told = first
    # Models 2 and 6 one after another: the wall time is that of both.
    for asked in ("NumCPUs=1 ", "MinMemoryNode=3000M ", "TimeLimit=04:00:00 "):
        assert asked in told


def test_the_next_call_finishes_exactly_what_is_missing(cluster, first):
    root, *_, before, _ = first
    log = root / "second.log"
    status = call(root, cluster, log, "--set-resources", "run:gpu=1").wait(PATIENCE)
    output, after = log.read_text(), results(root)
    assert status == 0, output
    assert f"{len(RUNS) - 1} of {len(RUNS)} runs are up to date and stay: " in output
    assert "; to run: model_6 seed 1\n" in output
    assert {run for run in after if after[run] != before.get(run)} == {CANCELLED}
    assert set(after) == RUNS
    page = (root / "reports" / "sample" / "index.html").read_text()
    assert all(f'href="{run}/notebook.html"' in page for run in RUNS)
    jobs = re.findall(r"has been submitted with SLURM jobid (\d+)", output)
    given = ["TresPerJob=gres:gpu:1" in say(cluster, "scontrol", "show", "job", job) for job in jobs]
    assert given == [True, False]  # the run's job has the GPU that it asked for, the report's none
