"""Each command in README.md, CONTRIBUTING.md and docs is run by a test, or its sentence says it is not."""

import re
import shlex
import subprocess

import pytest

from fmnist_keras import params, runs
from fmnist_keras.workflow import plan

PAGES = [runs.ROOT / "README.md", runs.ROOT / "CONTRIBUTING.md", *sorted((runs.ROOT / "docs").glob("*.md"))]
NOT_RUN = "not run by a test"
PROGRAMS = "make|snakemake|papermill|pip|python3?|py|pytest|sed|conda|git|cp"
COMMAND = rf"[!%]?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(?:{PROGRAMS})\b"
TESTS = "make (check|test|test-all|test-slurm|test-oldest|lint)|pytest"  # what runs the tests
STORIES = {  # a test and the commands that it runs, a regular expression if some words are open
    "unit/test_docs.py::test_clean_leaves_results": "make (help|clean)",
    "unit/test_docs.py::test_a_ninth_model_is_one_line": "sed .*",
    "unit/test_docs.py::test_variables_of_make_are_planned": "make report [A-Z].*",
    "unit/test_readme.py::test_landed_numbers_are_the_runs_own": "make readme",
    "unit/test_predict.py::test_the_command_classifies_what_it_can_read": "python -m fmnist_keras predict .*",
    "integration/test_class.py::test_class_is_collected_and_packed": (
        "python -m fmnist_keras (collect|pack) .*"
    ),
    "integration/test_engine.py::test_second_call_trains_nothing": "snakemake( --cores all --config .*)?",
    "integration/test_export_formats.py::test_an_export_agrees_with_its_original": (
        "(make|python -m fmnist_keras) export.*"
    ),
    "integration/test_field_faults.py::test_nbval_and_make_notebooks_too": "make notebooks",
    "integration/test_kernels.py::test_papermill_reads_a_params_file": "papermill notebooks/.*",
    "integration/test_killed_study.py::test_killed_study_is_finished": "make study.*",
    "integration/test_machines.py::test_damaged_data_are_named": "make data",
    "integration/test_machines.py::test_make_report_needs_no_network": "make report",
    "integration/test_pipeline.py::test_page_names_failed_and_damaged": "python -m fmnist_keras report .*",
    "integration/test_processes.py::test_commands_run_without_docstrings": "python -m fmnist_keras claims",
    "browser/test_browser.py::lab": "make lab",
    "oldest/test_oldest.py::working": "!cp -r --no-preserve=mode .*",
    "slurm/test_slurm.py::test_the_next_call_finishes_exactly_what_is_missing": (
        "make slurm.*|snakemake --profile .*"
    ),
    "../.ci/run": "make (setup|backends)",
}


def sentences(text):
    """Yield (sentence, its commands) of a page; each line of a block of shell is a sentence."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from ((line, [re.split(r"\s+#", line)[0]]) for line in block.splitlines())
    for sentence in re.split(r"(?<=[.:])\s|\n(?=[|-])|\n\n", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        yield sentence, [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", sentence)]


def commands(page):
    """Return the commands of a page, and which of them it says are not run: two lists."""
    found = [
        (command, NOT_RUN in " ".join(sentence.split()))
        for sentence, codes in sentences(page.read_text(encoding="utf-8"))
        for command in codes
        if re.match(COMMAND, command)
    ]
    return [command for command, _ in found], [command for command, said in found if said]


def is_run(command):
    """Return whether a command runs the tests, or is one of `STORIES`."""
    plain = command.removeprefix(".venv/bin/")
    return any(re.fullmatch(known, plain) for known in (TESTS, *STORIES.values()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_run_or_marked(page):
    every, said = commands(page)
    assert [command for command in dict.fromkeys(every) if not is_run(command) and command not in said] == []
    assert [command for command in said if is_run(command)] == []


@pytest.mark.parametrize("story", STORIES)
def test_stories_are_there(story):
    file, *name = story.split("::")
    assert all(f"def {one}(" in (runs.ROOT / "tests" / file).read_text(encoding="utf-8") for one in name)


def engine_commands():
    every = {command for page in PAGES for command in commands(page)[0]}
    return sorted(one for one in every if re.match("make (report|paper|holdout|reading|study) [A-Z]", one))


@pytest.mark.parametrize("command", [one for one in engine_commands() if "my_suite" not in one])
def test_variables_of_make_are_planned(command, landed):
    """What make gives the engine is a plan with the runs that are named."""
    words = [*shlex.split(command), "--dry-run"]
    made = subprocess.run(words, cwd=runs.ROOT, capture_output=True, text=True, encoding="utf-8", check=True)
    given = shlex.split(made.stdout[made.stdout.index("--config") :])
    jobs = plan.from_config(dict(word.split("=", 1) for word in given if "=" in word))
    names = " ".join(word.split("=")[1] for word in words if word.startswith("MODELS=")).split()
    assert jobs
    assert {name for name, _ in jobs} >= set(names)


def test_a_ninth_model_is_one_line(tmp_path):
    (tmp_path / "params").mkdir()
    lines = {one for page in PAGES for one in commands(page)[0] if one.startswith("sed ")}
    for line in lines:
        source = params.PARAMS_DIR / "model_3.yaml"
        (tmp_path / "params" / source.name).write_bytes(source.read_bytes())
        subprocess.run(line, shell=True, cwd=tmp_path, check=True)
        assert params.load(tmp_path / "params" / "model_9.yaml").optimizer == "adam"


def test_clean_leaves_results(tmp_path):
    """And `make help` names it."""
    folders = ("reports/paper", "exports", ".pytest_cache", "reports/.engine")
    for name in folders:
        (tmp_path / name).mkdir(parents=True)
    make = ["make", "-C", str(tmp_path), "-f", str(runs.ROOT / "Makefile")]
    subprocess.run([*make, "clean"], check=True, capture_output=True)
    assert [(tmp_path / name).exists() for name in folders] == [True, True, False, False]
    assert "make clean" in subprocess.run([*make, "help"], check=True, capture_output=True, text=True).stdout
