"""Runs that share a start are paired by seed; of others no seed's number matters."""

import numpy as np
import pytest

from fmnist_keras.report import units


def run(model, seed, start="a", **changes):
    """A run of a classifier from the encoder `start`, its value the seed."""
    metrics = {"model": model, "kind": "classifier", "seed": seed, "backend": "tensorflow"}
    metrics |= {"started_from_sha256": f"{start} {seed}", "data": {"sha256": {"images": "x"}}}
    return metrics | {"params": {"protocol": "paper"}} | changes


def autoencoder(model, seed, **changes):
    params = {"protocol": "paper", "latent_dim": 64, "upsampling": "output_padding"} | changes
    return run(model, seed, kind="autoencoder", params=params, encoder_sha256=f"{model} {seed}")


def values(runs):
    return np.array([[run["seed"]] for run in runs], float)


def compared(models, *more):
    """The units of all models' sum as (names, seeds used, seeds not used)."""
    found = units.compared(models | dict(more), [(name, 1, values) for name in models])
    return [("".join(unit.models), len(unit.values), unit.unused) for unit in found]


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (run("a", 0), run("b", 0), True),
        (run("a", 0), run("b", 1), False),
        (run("a", 0), run("b", 0, "b"), False),
        (run("a", 0), run("b", 0, backend="jax"), False),
        (autoencoder("a", 3), autoencoder("b", 3, dropout=0.5, optimizer="sgd"), True),
        (autoencoder("a", 3), autoencoder("b", 3, initializer="glorot_uniform"), True),  # the default
        (autoencoder("a", 3), autoencoder("b", 3, initializer="pytorch"), False),
        (autoencoder("a", 3), autoencoder("b", 3, latent_dim=128), False),
        (autoencoder("a", 3), autoencoder("b", 3, upsampling="kernel_size"), False),
    ],
)
def test_a_start_is_shared(one, other, shared):
    """By seed, backend, and the encoder of classifiers or initializer and architecture of autoencoders."""
    assert (units.start(one, {}) == units.start(other, {})) is shared


def test_a_classifier_joins_its_autoencoder():
    """Also one whose autoencoder began from the same weights, and trained otherwise."""
    models = {name: [autoencoder(name, seed) for seed in range(3)] for name in "ab"}
    models |= {"c": [run("c", s, "a") for s in range(3)], "d": [run("d", s, "b") for s in range(3)]}
    assert compared(models) == [("abcd", 3, 0)]
    pair = {name: models[name] for name in "cd"}
    assert compared(pair, *models.items()) == [("cd", 3, 0)]
    assert compared(pair) == [("c", 3, 0), ("d", 3, 0)]


def test_a_unit_uses_the_seeds_that_all_have():
    models = {"a": [run("a", s) for s in range(10)], "b": [run("b", s) for s in range(2, 7)]}
    models["c"] = [run("c", s, "c") for s in range(4)]
    assert compared(models) == [("ab", 5, 5), ("c", 4, 0)]


def test_models_that_share_few_starts_are_independent():
    """Runs on two backends: of three seeds one is a pair, which says nothing by itself."""
    models = {
        name: [run(name, s, backend=b) for s, b in enumerate(backends)]
        for name, backends in {"a": "ttj", "b": "jjj", "c": "ttt"}.items()
    }
    assert compared({name: models[name] for name in "ab"}) == [("a", 3, 0), ("b", 3, 0)]
    assert compared({name: models[name] for name in "ac"}) == [("ac", 2, 2)]


def test_runs_on_other_images_are_not_compared():
    models = {"a": [run("a", s) for s in range(3)], "b": [run("b", s) for s in range(3)]}
    models["b"][0]["data"] = {"sha256": {"images": "y"}}
    models["b"][1]["params"] = {"protocol": "holdout"}
    assert compared(models) == [("ab", 1, 2)]
    assert compared({"a": models["a"], "b": models["b"][:2]}) == []
    assert compared({"a": models["a"], "b": []}) == []
