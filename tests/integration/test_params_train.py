"""Whatever is within the limits of schema.yaml trains.

"Trains" is the notebook's own sequence of calls (build, compile, a step on the sample's first 64 images) in
this process and without a graph: an executed notebook an example would take minutes.
"""

import numpy as np
import yaml
from conftest import build, compile_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fmnist_keras import data, params, training

KINDS = {"autoencoder": "model_1", "classifier": "model_5"}
BASES = {
    kind: yaml.safe_load((params.PARAMS_DIR / f"{name}.yaml").read_text()) for kind, name in KINDS.items()
}
SAMPLE = data.load("sample", limit=64)

# Each field within what schema.yaml allows, up to its ends: what a person may write.
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
def test_what_is_within_the_limits_is_accepted_and_trains_a_step(tmp_path, values):
    path = tmp_path / f"{values['model']}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    assert np.isfinite(step(params.load(path)))
