"""A notebook of one's own in the engine: its fields, its code, and what is refused before it trains."""

import shutil
import sys

import nbformat
import pytest
import yaml

from fmnist_keras import _notebook, params
from fmnist_keras.runs import ran
from fmnist_keras.workflow import experiments, files, plan

OURS = {"model": "mine", "data": "sample", "protocol": "paper", "latent_dim": 8, "dropout": 0.0, "seed": 0}
OURS |= {"batch_size": 10, "optimizer": "adam", "learning_rate": 0.001, "epochs": 2, "patience": 5}
OURS |= {"min_delta": 0.0}
OWN = {"filters": 16, "rate": 0.5, "noisy": True, "sigma": None, "schedule": "cosine"}
CODE = ("run = fk.runs.start(globals())", "run.finish(model, history, dataset)")


def cell(values):
    return "\n".join(f"{name} = {value!r}" for name, value in values.items())


@pytest.fixture
def mine(write, monkeypatch, tmp_path):
    """Write `mine.ipynb` and `mine.yaml`, and return the function that loads the file."""
    folder = shutil.copytree(_notebook.NOTEBOOKS, tmp_path / "notebooks")
    monkeypatch.setattr(_notebook, "NOTEBOOKS", folder)

    def make(parameters=None, code=CODE, tags=("parameters",), twice=False, **fields):
        sources = (cell(OURS | OWN) if parameters is None else parameters, *code)
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        for one in cells[: 1 + twice]:
            one.metadata["tags"] = list(tags)
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "mine.ipynb")
        values = OURS | {"notebook": "mine.ipynb", "kind": "autoencoder"} | fields
        (params.PARAMS_DIR / "mine.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        return params.load(params.PARAMS_DIR / "mine.yaml")

    return make


def test_own_fields_have_defaults(mine):
    """A field that the params file leaves out has the notebook's value; all are attributes."""
    found = mine(filters=32)
    assert (found.kind, found.filters, found.schedule, found.upsampling) == (
        "autoencoder",
        32,
        "cosine",
        None,
    )
    assert params.validate(found.as_dict(), "autoencoder") == found
    assert params.Params.of(found.as_dict()) == found, "as a record is read, without the notebook"
    with pytest.raises(AttributeError, match="filter is not a parameter; did you mean filters"):
        print(found.filter)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"filters": 1.5}, "filters: 1.5 is not allowed; allowed: a whole number, as `filters = 16` in mine"),
        ({"filters": True}, "filters: True is not allowed; allowed: a whole number"),
        ({"rate": "fast"}, "rate: 'fast' is not allowed; allowed: a number"),
        ({"rate": float("nan")}, "rate: nan is not allowed; allowed: a number"),
        ({"noisy": 1}, "noisy: 1 is not allowed; allowed: true or false"),
        ({"schedule": None}, "schedule: None is not allowed; allowed: text"),
        ({"sigma": [1]}, r"sigma: \[1\] is not allowed; allowed: a number, text, true, false or null"),
        ({"filter": 1}, "filter: 1 is an unknown field; did you mean filters"),
        ({"notebook": "mien.ipynb"}, "notebook: 'mien.ipynb' is not allowed; did you mean mine.ipynb"),
        (
            {"notebook": "../mine.ipynb"},
            "notebook: '../mine.ipynb' is not allowed; allowed: the name of a file",
        ),
        ({"kind": "encoder"}, "kind: 'encoder' is not allowed; allowed: autoencoder or classifier"),
        ({"kind": ["encoder"]}, r"kind: \['encoder'\] is not allowed; allowed: autoencoder or classifier"),
        ({"notebook": "classifier.ipynb"}, "encoder_from is a name of ours"),
        ({"notebook_sha256": "0" * 64}, "notebook_sha256: '0000.* is not allowed; .*mine.ipynb was edited"),
        ({"notebook": None, "kind": "classifier"}, "kind: 'classifier' is not allowed; allowed: autoencoder"),
    ],
)
def test_wrong_values_are_refused(mine, fields, words):
    with pytest.raises(params.ParamsError, match=words) as error:
        mine(**fields)
    assert "mine.yaml: " in str(error.value)


@pytest.mark.parametrize(
    ("notebook", "words"),
    [
        ({"tags": ()}, "mine.ipynb has no cell with the tag `parameters`"),
        ({"code": CODE[:1]}, "mine.ipynb has no cell with `run.finish"),
        ({"code": (CODE[0], f"# {CODE[1]}")}, "mine.ipynb has no cell with `run.finish"),
        ({"parameters": ""}, "the parameters cell of mine.ipynb lacks batch_size"),
        (
            {"parameters": cell(OURS) + "\nepochs += 1"},
            "`epochs \\+= 1` is not a literal; allowed",
        ),
        ({"parameters": cell(OURS) + "\nepochs: int"}, "mine.ipynb: epochs is not a literal; allowed"),
        ({"parameters": cell(OURS) + "\na, b = 1, 2"}, r"mine.ipynb: `a, b = \(1, 2\)` is not a literal"),
        ({"parameters": cell(OURS | {"final_activation": 1})}, "final_activation is a name of ours; choose"),
        ({"parameters": cell(OURS | {"as_dict": 1})}, "mine.ipynb: as_dict is a name of ours; choose"),
        ({"parameters": cell(OURS | {"tsne": True}), "tsne": False}, "mine.ipynb: tsne is a name of ours"),
        ({"twice": True}, "cannot be read: more than one cell has the tag `parameters`"),
        ({"parameters": cell(OWN)}, "the parameters cell of mine.ipynb lacks batch_size"),
        (
            {"parameters": cell(OURS | {"widths": [1, 2]})},
            r"mine.ipynb: widths is \[1, 2\]; allowed: a number",
        ),
        ({"parameters": cell(OURS) + "\nrate = 1 / 2 + x"}, "mine.ipynb: rate is not a literal; allowed"),
        ({"parameters": "model = "}, "mine.ipynb cannot be read: invalid syntax"),
    ],
)
def test_wrong_notebooks_are_refused(mine, notebook, words):
    """By name, and before anything trains."""
    with pytest.raises(params.ParamsError, match=words):
        mine(**notebook)


def test_files_that_are_no_notebook(mine, tmp_path):
    code = '{"cells": [{"cell_type": "code", "metadata": [], "source": ""}]}'
    for content in ("{", "[]", '{"cells": [{}]}', code):
        mine()
        (tmp_path / "notebooks" / "mine.ipynb").write_text(content, encoding="utf-8")
        with pytest.raises(params.ParamsError, match=r"mine.yaml: notebook: mine.ipynb cannot be read: "):
            params.load(params.PARAMS_DIR / "mine.yaml")


def test_code_cells_count(mine):
    """Another default is a value like any other; another cell of code is another training."""
    before = mine(**OWN)
    assert params.same(before, mine(cell(OURS | OWN | {"filters": 64}), **OWN))
    after = mine(code=(*CODE, "# and more"), **OWN)
    assert [*params.changed(after, before)] == ["notebook_sha256"]
    name = params.run_name("mine", params.changed(after, before))
    assert name == f"mine-notebook_sha256_{after.notebook_sha256[:8]}"


def test_a_run_s_file_has_all(mine, tmp_path):
    """The file that a job reads, and what papermill takes from it."""
    values = mine(filters=8)
    files.write({("mine", 0): plan.Job(values)}, tmp_path / "engine")
    assert files.load(tmp_path / "engine" / "mine" / "seed_0.yaml") == values


def test_studies_vary_own_fields(mine, write):
    mine()
    write(None, "own", base="mine", vary={"filters": [16, 8], "schedule": ["cosine", "constant"]})
    asked = experiments.study("own", "paper")
    assert {name: asked.params[name].filters for name in asked.params} == {
        **{"mine": 16, "mine-schedule_constant": 16},
        **{"mine-filters_8": 8, "mine-filters_8-schedule_constant": 8},
    }
    write(None, "own", base="mine", vary={"filters": [16, "many"]})
    with pytest.raises(
        params.ParamsError, match="own.yaml: .*filters: 'many' is not allowed; allowed: a whole"
    ):
        experiments.study("own", "paper")
    write(None, "own", base="mine", vary={"notebook": ["other.ipynb"]})
    with pytest.raises(params.ParamsError, match="notebook: is not varied"):
        experiments.study("own", "paper")


def test_a_suite_leaves_models_out(mine):
    mine()
    path = params.PARAMS_DIR / "suites" / "sample.yaml"
    values = yaml.safe_load(path.read_text()) | {"models": {"mine": None, "model_1": {"epochs": 1}}}
    path.write_text(yaml.safe_dump(values))
    found = experiments.models("sample")
    assert "mine" not in found
    assert found["model_1"].epochs == 1
    assert "mine" in experiments.models("holdout")
    path.write_text(yaml.safe_dump(values | {"models": {"model_1": None, "model_5": {"epochs": 1}}}))
    with pytest.raises(params.ParamsError, match="model_5: encoder_from: 'model_1' is not an autoencoder"):
        experiments.models("sample")


def test_a_notebook_asks_for_its_own_layers(mine, sample):
    """The parameters of ours say what trains and how long; those of one's own notebook do not."""
    held = {"layers": ["Dense(units=3)"], "trainable": "11", "loss": "huber", "optimizer": "Lion()"}
    held |= {"epochs": 3, "steps_per_epoch": 600}
    assert ran.departures(mine(), held, None, sample) == {}


def test_other_cells_are_another_training(mine, sample, monkeypatch):
    """A copy of the notebook that still names it, or a cell that a person edited."""
    asked = mine()
    for edited, found in (("", {}), ("model.add(x)", {"cells": "a cell ran that is not in mine.ipynb"})):
        executed = ["", cell(OURS | OWN), "old", *CODE, edited]
        monkeypatch.setattr(sys.modules["__main__"], "In", executed, raising=False)
        assert ran.departures(asked, {}, None, sample) == found


def test_another_notebook_is_refused(mine):
    """Its parameters cell tells, whatever was passed."""
    mine()
    values = OURS | OWN | {"kind": "autoencoder", "notebook": "mine.ipynb"}
    passed = f"# Parameters\n{cell(values)}"
    assert params.check(values | {"In": ["", cell(OURS | OWN), passed]}).filters == 16
    with pytest.raises(params.ParamsError, match=r"notebook: mine\.ipynb has other parameters: run that"):
        params.check(values | {"In": ["", cell(OURS), passed]})


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (None, False), ("a/teacher.npz", "b/teacher.npz"), (1, 2)]
)
def test_own_values_differ(one, other):
    """Another value is another training, also if Python takes both for equal."""
    one, other = (params.Params(model="mine", own={"sigma": value}) for value in (one, other))
    assert [*params.changed(one, other)] == ["sigma"]


def test_namesakes_are_not_parameters(mine):
    """A cell's own variable `kind` or `notebook` is not a field, unless the notebook is a text."""
    mine()
    own = OURS | {"upsampling": "kernel_size", "kind": 3, "notebook": object(), "notebook_sha256": "x"}
    assert params.check(own).notebook is None
    own = OURS | OWN | {"kind": "autoencoder", "notebook": "mine.ipynb", "filters": 4, "model": "by_hand"}
    assert params.changed(params.check(own), params.reference(params.check(own))) == {"filters": 4}
