# The graph of a suite: params/*.yaml -> one job a model and seed -> the report.
#
# A run's result is its folder, reports/<suite>/<model>/seed_<k>/, which appears whole or not at all.
# Snakemake deletes a rule's outputs before it runs the rule, so the folders are not its outputs: each has
# a marker below reports/.engine/ instead, and fmnist_keras/plan.py lets a marker stand only while its folder
# holds what the YAML files give now. So a fresh clone trains nothing that has landed, and an edited file
# retrains its model and what starts from it.

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from threading import Thread

import psutil

sys.path.insert(0, workflow.basedir)
os.environ["PYTHONPATH"] = os.pathsep.join([workflow.basedir, os.environ.get("PYTHONPATH", "")])

from snakemake.exceptions import WorkflowError
from snakemake.scheduling.job_scheduler import JobScheduler

from fmnist_keras import params, plan, runs, safety

# One thread a run and as many runs at once as there are cores: faster than one run with all threads.
for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Jobs run in another folder, and perhaps on another machine: what is relative to this one would be lost.
for name in ("REPORTS_DIR", "FMNIST_DATA_DIR"):
    if os.environ.get(name):
        os.environ[name] = os.path.abspath(os.environ[name])

SUITE = str(config.get("suite", "sample"))
ENGINE = runs.reports_dir() / ".engine" / SUITE


def planned(force):
    """The runs that were asked for, see `plan.jobs`."""
    return plan.jobs(
        SUITE,
        names=str(config.get("models") or "").split(),
        seeds=str(config.get("seeds") or 0).split(),
        force=force,
        ablations=bool(config.get("ablations")),
    )


try:
    # A cluster's node reads this file too, for its own jobs: it is told what to run, and judges no run.
    JOBS = planned(force=bool(config.get("force")) or not workflow.is_main_process)
    if workflow.is_main_process:
        plan.lock(ENGINE)
        plan.mark(JOBS, ENGINE, runs.reports_dir() / SUITE / "index.html")
        plan.describe(JOBS)
except (params.ParamsError, runs.RunError) as error:
    raise WorkflowError(str(error))
except OSError as error:
    raise WorkflowError(safety.disk_full(error) or str(error))


workdir: str(ENGINE)


def stop(number, frame):
    """Ctrl-C, or a request to end: every job ends too, and no report is made of what was cut off."""
    global STOPPED
    STOPPED = True
    for name in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C would cut the end of the first one short
        signal.signal(name, signal.SIG_IGN)
    for job in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            job.terminate()
            job.resume()  # one that is paused would not hear it
    raise KeyboardInterrupt


STOPPED = False
if workflow.is_main_process:
    for name in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(name) != signal.SIG_IGN:
            signal.signal(name, stop)

# What Snakemake itself does at SIGTERM: what runs may finish, nothing more starts. It waits for a lock, for ever
# where the signal came while the same thread held it; another thread only waits until that one goes on.
FINISH = JobScheduler.exit_gracefully
JobScheduler.exit_gracefully = lambda scheduler, *_: Thread(target=FINISH, args=[scheduler]).start()

# A job takes the place of its shell, so that its parent is this process, and ends when this process does:
# killed, Snakemake cannot take its jobs along. It does not hear a terminal's Ctrl-C, at which Python would
# print a traceback while it still imports: `stop` tells it.
JOB = f"trap '' INT; exec {shlex.join([sys.executable, '-m', 'fmnist_keras'])}"
PARENT = os.getpid()


def encoder(wildcards):
    """The marker of the autoencoder that a classifier starts from."""
    source = JOBS[wildcards.model, wildcards.seed].params.get("encoder_from")
    return ancient(f"{source}/seed_{wildcards.seed}") if source else []


def length(wildcards):
    """What comes first: the longest way to the report, or a core would idle while the last ones train."""
    job = JOBS[wildcards.model, wildcards.seed]
    after = [other.params.get("encoder_from") for (_, seed), other in JOBS.items() if seed == wildcards.seed]
    own = 2 if job.kind == "autoencoder" else int(job.params["train_encoder"])  # a frozen encoder trains fastest
    return own + after.count(wildcards.model)


rule all:
    default_target: True
    input:
        ".report",


rule run:
    input:
        encoder,
    output:
        touch("{model}/seed_{seed}"),
    wildcard_constraints:
        model="[A-Za-z0-9_-]+",
        seed="[0-9]+",
    priority: length
    resources:  # asked of a cluster; reports/bench.md has what a run on all 70,000 images takes
        mem_mb=3000,
        runtime=120,
    shell:
        "{JOB} run {wildcards.model} --suite {SUITE} --seed {wildcards.seed} --parent {PARENT}"


rule report:
    input:
        [f"{model}/seed_{seed}" for model, seed in JOBS],
        f"{workflow.basedir}/notebooks/report.ipynb",
    output:
        touch(".report"),
    params:
        runs=[f"{model}/seed_{seed}" for model, seed in JOBS],
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        "{JOB} report {SUITE} --parent {PARENT}"


onerror:
    # What did finish is still worth a report; it names what failed.
    if not STOPPED:
        with contextlib.suppress(KeyboardInterrupt):
            subprocess.run(f"{JOB} report {SUITE} --parent {PARENT}", shell=True)
        if not (STOPPED or config.get("force")):
            plan.describe(planned(force=False))  # a cluster's job may have ended without a word, and in company
