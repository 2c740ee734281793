# The graph of a suite: params/*.yaml -> one job a model and seed -> the report.
#
# A run's result is its folder, reports/<suite>/<model>/seed_<k>/, which appears whole or not at all.
# Snakemake deletes a rule's outputs before it runs the rule, so the folders are not its outputs: each has
# a marker below reports/.engine/ instead, which fmnist_keras/workflow/files.py keeps only while the folder is
# what the run's file of parameters beside the marker gives. So a fresh clone trains nothing that has landed,
# and an edited file retrains its model and what starts from it.

import shlex
import sys

sys.path.insert(0, workflow.basedir)

from fmnist_keras import params, runs
from fmnist_keras.workflow import execute, files, plan, progress, signals

SUITE = str(config.get("suite", "sample"))
STUDY = str(config.get("study") or "")
PAGE = f".study-{STUDY}" if "study" in config else ".report"
ENGINE = runs.reports_dir() / ".engine" / SUITE
FILES = shlex.quote(str(ENGINE))  # a file of parameters for each run, which its job reads
JOB = execute.job_command()
execute.set_job_environment()

try:
    FORCE = plan.yes_or_no(config, "force")
    if workflow.is_main_process:
        JOBS = plan.from_config(config)
        files.lock(ENGINE)
        files.write(JOBS, ENGINE)
        page = f"studies/{STUDY}/index.html" if "study" in config else "index.html"
        files.mark(JOBS, ENGINE, runs.reports_dir() / SUITE / page, PAGE)
        plan.describe(JOBS, FORCE)
    else:  # a cluster's node reads this file too, for its own jobs, and judges no run
        JOBS = files.read(ENGINE)
except (params.ParamsError, runs.RunError, OSError) as error:
    sys.exit(f"error: {execute.disk_full(error) or error}")

progress.hide_chatter(lambda: workflow.is_main_process and progress.show_results(JOBS, SUITE, STUDY))
signals.install_handlers(workflow.is_main_process)


def run_of(wildcards):
    """Return the model and the seed that Snakemake's wildcards name, as the plan has them."""
    return wildcards.model, int(wildcards.seed)


workdir: str(ENGINE)


rule all:
    default_target: True
    input:
        PAGE,


rule run:
    input:
        lambda wildcards: [ancient(marker) for marker in files.encoder_marker(JOBS, *run_of(wildcards))],
    output:
        touch("{model}/seed_{seed}"),
    wildcard_constraints:
        model="[A-Za-z0-9_.-]+",
        seed="[0-9]+",
    priority: lambda wildcards: plan.priority(JOBS, *run_of(wildcards))
    resources:  # asked of a cluster; reports/bench.md has what a run on all 70,000 images takes
        mem_mb=3000,
        runtime=120,
    shell:
        "{JOB} run {FILES}/{wildcards.model}/seed_{wildcards.seed}.yaml --parent $PPID"


rule report:
    input:
        files.markers(JOBS),
    output:
        touch(".report"),
    params:
        runs=files.markers(JOBS),
        # No input: in a path with braces Snakemake sees wildcards, and a checkout's dates say nothing.
        notebook=runs.text_sha256(execute.NOTEBOOKS / "report.ipynb"),
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        "{JOB} report {SUITE} --parent $PPID"


rule study:
    input:
        files.markers(JOBS),
    output:
        touch(f".study-{STUDY}"),
    params:
        runs=files.markers(JOBS),
        files=lambda wildcards: [
            runs.text_sha256(path)
            for path in (execute.NOTEBOOKS / "study.ipynb", params.PARAMS_DIR / "studies" / f"{STUDY}.yaml")
        ],
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        "{JOB} study {STUDY} --suite {SUITE} --parent $PPID"


onsuccess:
    progress.show_results(JOBS, SUITE, STUDY)


onerror:
    # What did finish is still worth a report; it names what failed.
    if not signals.stopped:
        job = f"study {STUDY} --suite {SUITE}" if STUDY else f"report {SUITE}"
        execute.run_shell(f"{JOB} {job} --parent $PPID")
        if not (signals.stopped or FORCE):
            plan.describe(plan.from_config(config))  # a cluster's job may have ended without a word
        if not signals.stopped:
            progress.show_results(JOBS, SUITE, STUDY)
