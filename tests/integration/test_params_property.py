"""Arbitrary params files: what is rejected is named in one line, what is within the limits trains."""

import re

import numpy as np
import yaml
from conftest import build, compile_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fmnist_keras import data, params, training

KINDS = {"autoencoder": "model_1", "classifier": "model_6"}
BASES = {
    kind: yaml.safe_load((params.PARAMS_DIR / f"{name}.yaml").read_text()) for kind, name in KINDS.items()
}
numbers = st.one_of(
    *(st.integers(), st.floats(), st.integers(1, 300), st.floats(0, 1)),
    st.sampled_from([0, 1, 4096, 4097, 60_000, 1e-300, 1e-8, 0.999999999, 1e6, 1e300, 10**400, -0.0, 64.0]),
)
words = st.sampled_from(
    ["adam", "sgd", "relu", "sample", "full", "model_1", "kernel_size", "holdout", "1e-8"]
)
anything = st.one_of(
    numbers, numbers, words, st.booleans(), st.none(), st.text(), st.lists(numbers, max_size=2)
)
names = st.one_of(
    *[st.sampled_from(sorted(params.fields(kind))) for kind in KINDS] * 3, st.text(), st.integers()
)


@st.composite
def files(draw):
    """The fields of a good file with up to four changed to anything, and perhaps one gone."""
    kind = draw(st.sampled_from(sorted(BASES)))
    changes = draw(st.dictionaries(names, anything, max_size=4))
    dropped = (
        draw(st.sets(st.sampled_from(sorted(BASES[kind])), max_size=1)) if draw(st.booleans()) else set()
    )
    return {name: value for name, value in (BASES[kind] | changes).items() if name not in dropped}


def write(folder, values):
    path = folder / f"{values.get('model')}.yaml"
    if not re.fullmatch(r"[\w-]{1,60}\.yaml", path.name):
        path = folder / "model_9.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


# The same examples each time: everybody sees this test fail, or pass.
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(values=files())
def test_an_arbitrary_file_is_judged(tmp_path, values):
    path = write(tmp_path, values)
    try:
        checked = params.load(path)
    except params.ParamsError as error:
        message = str(error)
        assert message.isprintable(), "one line, and nothing that moves the cursor"
        assert message.startswith(f"{path}: ")
        field = message.removeprefix(f"{path}: ").split(": ")[0]
        fields = {*params.fields("autoencoder"), *params.fields("classifier")}
        ours = {str(name) for name in values} | {params.short(name) for name in values}
        assert any(field == name.split(": ")[0] for name in fields | ours)
    else:
        given_values = {name: value for name, value in values.items() if value is not None}
        assert given_values.items() <= checked.as_dict().items()


SAMPLE = data.load("sample", limit=64)

# Each field within what schema.yaml allows, up to its ends.
allowed = {
    "data": st.sampled_from(["sample", "full"]),
    "protocol": st.sampled_from(["paper", "holdout"]),
    "latent_dim": st.sampled_from([1, 2, 64, 4096]) | st.integers(1, 4096),
    "dropout": st.sampled_from([0, 0.0, 1e-300, 0.999999999, 1 - 2**-53]) | st.floats(0, 1, exclude_max=True),
    "batch_size": st.sampled_from([1, 60_000]) | st.integers(1, 100),
    "optimizer, epsilon": st.sampled_from([("adam", None), ("adam", 1e-300), ("adam", 1), ("sgd", None)]),
    "learning_rate": st.sampled_from([5e-324, 1e-8, 1, 1e6]) | st.floats(0, 1e6, exclude_min=True),
    "epochs": st.sampled_from([1, 10_000]),
    "patience": st.sampled_from([1, 10_000]),
    "min_delta": st.sampled_from([0, 1e6]) | st.floats(0, 1e6),
    "seed": st.sampled_from([0, 2**32 - 1]) | st.integers(0, 2**32 - 1),
    "limit": st.sampled_from([None, 10]),
    "deterministic": st.booleans(),
}
of_kind = {
    "autoencoder": {"upsampling": st.sampled_from(["output_padding", "kernel_size"])},
    "classifier": {
        "train_encoder": st.booleans(),
        "final_activation": st.sampled_from(["relu", None]),
        "encoder_from": st.sampled_from(["model_1", None]),
    },
}


@st.composite
def good_files(draw):
    """The fields of a file with nothing wrong in it."""
    kind = draw(st.sampled_from(sorted(BASES)))
    values = draw(st.fixed_dictionaries({}, optional=allowed | of_kind[kind]))
    optimizer, epsilon = values.pop("optimizer, epsilon", ("adam", None))
    return BASES[kind] | values | {"optimizer": optimizer, "epsilon": epsilon}


def step(values):
    """The loss of the first batch, as the notebook of this kind would compute it."""
    training.seed_everything(values.seed)
    model, images = build(values), SAMPLE.x_train[: values.batch_size]
    targets = images if values.kind == "autoencoder" else SAMPLE.y_train[: values.batch_size]
    compile_model(model, values)
    model.run_eagerly = True
    training.callbacks(values.patience, values.min_delta)
    return model.train_on_batch(images, targets, return_dict=True)["loss"]


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(values=good_files())
def test_what_is_allowed_trains(tmp_path, values):
    """The notebook's own calls, a step on 64 images: an executed notebook an example would take minutes."""
    path = tmp_path / f"{values['model']}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    assert np.isfinite(step(params.load(path)))
