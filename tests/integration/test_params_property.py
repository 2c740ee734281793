"""The params validator against arbitrary files: what it rejects it names, in one line."""

import re

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fmnist_keras import params

KINDS = {"autoencoder": "model_1", "classifier": "model_5"}
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
def test_an_arbitrary_file_is_accepted_or_its_fault_is_named(tmp_path, values):
    path = write(tmp_path, values)
    try:
        checked = params.load(path)
    except params.ParamsError as error:
        message = str(error)
        assert message.isprintable(), "one line, and nothing that moves the cursor"
        assert message.startswith(f"{path}: ")
        field = message.removeprefix(f"{path}: ").split(": ")[0]
        fields = {*params.fields("autoencoder"), *params.fields("classifier"), "upsampling, encoder_from"}
        ours = {str(name) for name in values} | {params.short(name) for name in values}
        assert any(field == name.split(": ")[0] for name in fields | ours)
    else:
        given_values = {name: value for name, value in values.items() if value is not None}
        assert given_values.items() <= checked.as_dict().items()
