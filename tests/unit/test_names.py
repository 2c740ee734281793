"""How a configuration is named, and when two are the same."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_keras import params

MODELS = params.load_all()
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(0, 2**32), st.floats(-1e9, 1e9), st.text(max_size=90)
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (100, "100"), (0.1 + 0.2, "0.3"), (1e-8, "1e-08"), (1e16, "1e16")]
    + [
        (-0.0, "0"),
        ("pytorch", "pytorch"),
        ("../año.txt", "___a_o_txt"),
        ("a/dígitos.npz", "d_gitos"),
    ],
)
def test_a_value_in_a_name(value, text):
    assert params.shown(value) == text


def test_a_name_lists_fields_in_order():
    """The order in which a file lists the fields does not matter."""
    changes = {"initializer": "pytorch", "encoder.epochs": 15, "dropout": 0.1}
    name = params.run_name("model_8", changes)
    assert name == "model_8-dropout_0.1-encoder_epochs_15-initializer_pytorch"
    assert params.parse_name(name) == ("model_8", {field: str(value) for field, value in changes.items()})
    assert params.run_name("model_6", {"encoder_from": None}) == "model_6-encoder_from_null"
    assert params.run_name("model_6", {}) == "model_6"


def test_a_long_name_keeps_whole_parts():
    """Names that differ only in what does not fit differ in their hash."""
    changes = {f"field_{number:02}": 0.125 for number in range(40)}
    one, other = (params.run_name("model_4", changes | {"z": value}) for value in (1, 2))
    assert one != other
    assert len(one) <= params.LONGEST
    assert re.fullmatch(r"model_4(-field_\d\d_0\.125)+-[0-9a-f]{8}", one)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["dropout", "encoder.epochs", "data", "a"]), VALUES))
def test_every_name_is_allowed(changes):
    """Whatever the values are, the schema takes the name for a model's."""
    named = MODELS["model_1"].as_dict() | {"model": params.run_name("model_1", changes)}
    params.validate(named, "autoencoder")


def test_same_ignores_names_and_rounding():
    model = replace(MODELS["model_1"], dropout=0.3)
    other = replace(model, model="other", suite="mine", run_dir="x", base="model_1", changes={"dropout": 0.3})
    assert params.same(model, replace(other, dropout=0.1 + 0.2, patience=5.0))
    for change in ({"seed": 1}, {"dropout": 0.3001}, {"limit": 10}, {"upsampling": "kernel_size"}):
        assert not params.same(model, replace(model, **change))


def test_changed_lists_fields_and_values():
    base = MODELS["model_3"]
    assert params.changed(replace(base, seed=3, model="x", suite="y", dropout=0.1 + 0.2), base) == {}
    adam = replace(base, optimizer="adam", epsilon=1e-8, latent_dim=32)
    assert params.changed(adam, base) == {"latent_dim": 32, "optimizer": "adam"}


def test_an_experiment_says_its_changes():
    """`base` and `changes` are checked like other fields, and are not among a run's own parameters."""
    asked = MODELS["model_1"].as_dict() | {"base": "model_1", "changes": {"patience": 40}}
    checked = params.validate(asked, "autoencoder")
    assert (checked.base, checked.changes) == ("model_1", {"patience": 40})
    assert not {"base", "changes"} & checked.as_dict().keys()
    for wrong in ({"base": "../x"}, {"changes": ["patience"]}):
        with pytest.raises(params.ParamsError, match="is not allowed; allowed: the"):
            params.validate(asked | wrong, "autoencoder")
