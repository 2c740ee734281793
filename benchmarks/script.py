"""What keras_script.py and pytorch_script.py share: their command line, and a run's parameters and images."""

import argparse
import functools
from dataclasses import replace
from pathlib import Path

import numpy as np

from fmnist_keras import data
from fmnist_keras.workflow import experiments

load = functools.cache(data.load)  # read once for all models of a call


def arguments(description):
    """The parser of what both scripts take."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--suite", default="sample", help="a file of params/suites (default: sample)")
    parser.add_argument("--epochs", type=int, help="instead of the suite's")
    parser.add_argument("--limit", type=int, help="train on so many images, over again where there are fewer")
    parser.add_argument("--val-limit", type=int, help="validate on so many")
    parser.add_argument("--encoders", type=Path, help="folder where autoencoders leave their encoder")
    return parser


def run(name, given):
    """A model's `Params`; its images and targets to train on, and to validate on: see `data.Dataset`."""
    params = experiments.resolve(name, given.suite, seed=0)
    params, found = replace(params, epochs=given.epochs or params.epochs), load(params.data, params.protocol)
    parts = []
    for part, limit in (("train", given.limit), ("val", given.val_limit)):
        images, labels = getattr(found, f"x_{part}"), getattr(found, f"y_{part}")
        count = limit or params.limit or len(images)
        images = images[:count] if count <= len(images) else np.resize(images, (count, 28, 28, 1))
        parts.append((images, images if params.kind == "autoencoder" else np.resize(labels, count)))
    return params, *parts
