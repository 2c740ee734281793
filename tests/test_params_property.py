"""The params validator against arbitrary files: what it accepts trains, what it rejects it names.

"Trains" is the notebook's own sequence of calls (build, compile, a step on the sample's first 64 images) in
this process and without a graph: an executed notebook an example would take minutes. What the notebook does
around it is tested in test_notebooks.py.
"""

import re

import numpy as np
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fmnist_keras import data, models, params, training

KINDS = {"autoencoder": "model_1", "classifier": "model_5"}
BASES = {
    kind: yaml.safe_load((params.PARAMS_DIR / f"{name}.yaml").read_text()) for kind, name in KINDS.items()
}
SAMPLE = data.load("sample", limit=64)

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
    """A kind, the fields of a good file with up to four changed, and the changed fields' names."""
    kind = draw(st.sampled_from(sorted(BASES)))
    changes = draw(st.dictionaries(names, anything, max_size=4))
    dropped = (
        draw(st.sets(st.sampled_from(sorted(BASES[kind])), max_size=1)) if draw(st.booleans()) else set()
    )
    return {name: value for name, value in (BASES[kind] | changes).items() if name not in dropped}


def step(kind, values):
    """The loss of the first batch, as the notebook of this kind would compute it."""
    values = {"epsilon": None} | values
    training.seed_everything(values["seed"])
    images = data.to_float(SAMPLE.x_train)[: values["batch_size"]]
    encoder = models.encoder(values["latent_dim"], values["dropout"])
    if kind == "autoencoder":
        decoder = models.decoder(values["latent_dim"], values["dropout"], values["upsampling"])
        model, targets = models.autoencoder(encoder, decoder), images
    else:
        model = models.classifier(encoder, values["final_activation"], values["train_encoder"])
        targets = SAMPLE.y_train[: values["batch_size"]]
    training.compile(model, values)
    model.run_eagerly = True
    training.callbacks(values)
    return model.train_on_batch(images, targets, return_dict=True)["loss"]


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,  # a test that everybody sees fail or pass
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(values=files())
def test_what_is_accepted_trains_a_step_and_what_is_rejected_is_named(tmp_path, values):
    path = tmp_path / f"{values.get('model')}.yaml"
    if not re.fullmatch(r"[\w-]{1,60}", path.stem):
        path = tmp_path / "model_9.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    try:
        kind, checked = params.load(path)
    except params.ParamsError as error:
        message = str(error)
        assert message.isprintable(), "one line, nothing that moves the cursor"
        assert message.startswith(f"{path}: ")
        field = message.removeprefix(f"{path}: ").split(": ")[0]
        assert field.split(", ")[0] in {*params.fields("autoencoder"), *params.fields("classifier")} or any(
            field == name or field == repr(name)[:80] for name in values
        )
    else:
        assert np.isfinite(step(kind, checked))
