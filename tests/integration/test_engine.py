"""What the engine trains, leaves alone and says, on notebooks that stand in for the real ones."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from conftest import MODELS, assert_ends_with_the_table, engine, engine_call, results


def changed(before, after):
    return {run for run in after if after[run] != before.get(run)}


@pytest.fixture(scope="module")
def first(quick):
    """What the engine's first call in the quick copy printed: also what a job of Snakemake's is."""
    call = engine_call(quick)
    call["args"] += ["--quiet", "host"]
    result = subprocess.run(**call)
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_longest_path_comes_first(first):
    """Snakemake knows the plan's priorities."""
    found = dict(re.findall(r"wildcards: model=(\w+), seed=0(?:\n +priority: (\d))?", first))
    assert [found[model] for model in MODELS] == ["2", "3", ""], first


def test_second_call_trains_nothing(quick, first):
    before = results(quick)
    assert len(before) == 3
    output = engine(quick)
    assert results(quick) == before
    assert "3 of 3 runs are up to date" in output.stdout
    assert "sample report" not in output.stdout, "nor makes the report again"
    assert_ends_with_the_table(output.stdout, quick)


def test_node_reads_its_file_alone(quick, first):
    """A job on a cluster, as Snakemake calls it there: what is in params now is not its concern."""
    path = quick / "params" / "model_3.yaml"
    good = path.read_text()
    path.write_text("broken: [")
    call = engine_call(quick)
    call["args"] += ["--mode", "remote", "--target-jobs", "run:model=model_3,seed=0", "--force", "--nolock"]
    result = subprocess.run(**call)
    path.write_text(good)
    assert result.returncode == 0, result.stdout
    assert "sample model_3 seed 0  done in" in result.stdout


def test_graph_alone_is_on_stdout(quick, first):
    """A program reads it, as in `snakemake --dag | dot`: the table of results is not there."""
    call = engine_call(quick)
    call["args"] += ["--dag"]
    result = subprocess.run(**call | {"stderr": subprocess.PIPE})
    assert "3 of 3 runs are up to date" in result.stderr
    assert result.stdout.startswith("digraph")
    assert result.stdout.rstrip().endswith("}")


def test_edits_train_what_depends_on_them(quick, first):
    """In one call: a ninth model with a notebook and a field of its own, an edited one, one with a new date,
    and a point of the ablations.
    """
    before = results(quick)
    ninth = yaml.safe_load((quick / "params" / "model_3.yaml").read_text())
    ninth |= {"model": "model_9", "notebook": "mine.ipynb", "kind": "autoencoder", "filters": 8}
    notebook = (quick / "notebooks" / "autoencoder.ipynb").read_text()
    own = notebook.replace("latent_dim = 64", "filters = 4\\nlatent_dim = 64")
    assert own != notebook
    (quick / "notebooks" / "mine.ipynb").write_text(own)
    (quick / "params" / "model_9.yaml").write_text(yaml.safe_dump(ninth))
    path = quick / "params" / "model_4.yaml"
    path.write_text(path.read_text().replace("dropout: 0.3", "dropout: 0.25"))
    (quick / "params" / "model_3.yaml").touch()  # a new date alone changes nothing
    points, claims = (quick / "params" / name for name in ("studies/ablations.yaml", "claims.yaml"))
    claims.rename(claims.with_suffix(".off"))  # it names points that this copy has not
    points.write_text("study: ablations\npoints: [{base: model_8, train_encoder: true}]\nseeds: [0]\n")
    engine(quick, "suite=sample", "ablations=1")
    points.unlink()
    claims.with_suffix(".off").rename(claims)
    point = "model_8-train_encoder_true"
    names = ("model_4", "model_8", "model_9", point)  # model_8 starts from model_4
    assert changed(before, results(quick)) == {f"{name}/seed_0" for name in names}
    metrics = json.loads((quick / "reports" / "sample" / point / "seed_0" / "metrics.json").read_text())
    assert metrics["params"]["train_encoder"]
    metrics = json.loads((quick / "reports" / "sample" / "model_9" / "seed_0" / "metrics.json").read_text())
    assert metrics["params"]["filters"] == 8
    page = (quick / "reports" / "sample" / "index.html").read_text()
    assert 'href="model_9/seed_0/notebook.html"' in page


def test_failed_run_keeps_earlier_result(quick, first):
    """The report is made all the same, and can name the run."""
    before = results(quick)
    path = quick / "notebooks" / "classifier.ipynb"
    good = path.read_text()
    epochs = "for epoch in range("
    assert epochs in good
    path.write_text(good.replace(epochs, f"raise OSError('on purpose')\\n{epochs}"))
    output = engine(quick, "suite=sample", "models=model_8", "force=1", check=False)
    path.write_text(good)
    assert output.returncode != 0
    assert "error: sample model_8 seed 0: on purpose" in output.stdout
    assert changed(before, results(quick)) == {"model_4/seed_0"}  # the one that model_8 starts from
    folder = quick / "reports" / "sample"
    assert (folder / "model_8" / "seed_0.failed.ipynb").is_file()
    assert "Failed: model_8, seed_0" in (folder / "index.html").read_text()
    assert [p.name for p in (folder / "model_8").iterdir() if p.name.startswith(".")] == []


@pytest.mark.long  # rare; the unit tests of the plan, its markers and the table at the end have its parts
def test_suite_of_papermill_has_a_report(quick, first):
    """Whatever is in a suite's folder: here a run of the engine's under another name in another suite."""
    mine = quick / "reports" / "sweep" / "sw_n64_p03"
    shutil.copytree(quick / "reports" / "sample" / "model_3", mine)
    path = mine / "seed_0" / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"suite": "sweep", "model": mine.name}))
    output = engine(quick, "suite=sweep")
    assert "starts" not in output.stdout
    page = (quick / "reports" / "sweep" / "index.html").read_text()
    assert f'href="{mine.name}/seed_0/notebook.html"' in page
