# The graph of a suite: params/*.yaml -> one job a model and seed -> the report.
#
# A run's result is its folder, reports/<suite>/<model>/seed_<k>/, which appears whole or not at all.
# Snakemake deletes a rule's outputs before it runs the rule, so the folders are not its outputs: each has
# a marker below reports/.engine/ instead, and fmnist_keras/workflow/markers.py keeps a marker only while its folder
# holds what the YAML files give now. So a fresh clone trains nothing that has landed, and an edited file
# retrains its model and what starts from it.

import sys

sys.path.insert(0, workflow.basedir)

from fmnist_keras import params, runs
from fmnist_keras.workflow import execute, jobs, markers, plan, progress, results, signals

SUITE = str(config.get("suite", "sample"))
STUDY = str(config.get("study") or "")
PAGE = f".study-{STUDY}" if "study" in config else ".report"
OF_STUDY = f" --study {STUDY}" if "study" in config else ""
ENGINE = runs.reports_dir() / ".engine" / SUITE
JOB = jobs.job_command()
jobs.set_job_environment()

try:
    FORCE = plan.yes_or_no(config, "force")
    # A cluster's node reads this file too, for its own jobs: it is told what to run, and judges no run.
    JOBS = plan.from_config(config, force=FORCE or not workflow.is_main_process)
    if workflow.is_main_process:
        markers.lock(ENGINE)
        page = f"studies/{STUDY}/index.html" if "study" in config else "index.html"
        markers.mark(JOBS, ENGINE, runs.reports_dir() / SUITE / page, PAGE)
        plan.describe(JOBS, FORCE)
except (params.ParamsError, runs.RunError, OSError) as error:
    sys.exit(f"error: {execute.disk_full(error) or error}")

progress.hide_chatter(lambda: workflow.is_main_process and results.show(JOBS, SUITE, STUDY))
signals.install_handlers(workflow.is_main_process)


workdir: str(ENGINE)


rule all:
    default_target: True
    input:
        PAGE,


rule run:
    input:
        lambda wildcards: [ancient(marker) for marker in markers.of_encoder(JOBS, *wildcards)],
    output:
        touch("{model}/seed_{seed}"),
    wildcard_constraints:
        model="[A-Za-z0-9_.-]+",
        seed="[0-9]+",
    priority: lambda wildcards: plan.priority(JOBS, *wildcards)
    resources:  # asked of a cluster; reports/bench.md has what a run on all 70,000 images takes
        mem_mb=3000,
        runtime=120,
    shell:
        "{JOB} run {wildcards.model} --suite {SUITE} --seed {wildcards.seed}{OF_STUDY} --parent $PPID"


rule report:
    input:
        markers.of_runs(JOBS),
    output:
        touch(".report"),
    params:
        runs=markers.of_runs(JOBS),
        # No input: in a path with braces Snakemake sees wildcards, and a checkout's dates say nothing.
        notebook=runs.text_sha256(execute.NOTEBOOKS / "report.ipynb"),
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        "{JOB} report {SUITE} --parent $PPID"


rule study:
    input:
        markers.of_runs(JOBS),
    output:
        touch(f".study-{STUDY}"),
    params:
        runs=markers.of_runs(JOBS),
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
    results.show(JOBS, SUITE, STUDY)


onerror:
    # What did finish is still worth a report; it names what failed.
    if not signals.stopped:
        job = f"study {STUDY} --suite {SUITE}" if STUDY else f"report {SUITE}"
        jobs.run_shell(f"{JOB} {job} --parent $PPID")
        if not (signals.stopped or FORCE):
            plan.describe(plan.from_config(config))  # a cluster's job may have ended without a word, and in company
        if not signals.stopped:
            results.show(JOBS, SUITE, STUDY)
