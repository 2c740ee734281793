"""Share between keras_script.py and pytorch_script.py: the command line, a run's parameters and images."""

import argparse
import functools
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from fmnist_keras import data
from fmnist_keras.workflow import experiments

load = functools.cache(data.load)  # read once for all models of a call


def arguments(description):
    """Return the parser of both scripts."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--suite", default="sample", help="a file of params/suites (default: sample)")
    parser.add_argument("--epochs", type=int, help="instead of the suite's")
    parser.add_argument("--limit", type=int, help="train on so many images, repeated if there are fewer")
    parser.add_argument("--val-limit", type=int, help="validate on so many")
    parser.add_argument("--encoders", type=Path, help="folder for the autoencoders' encoders: a whole run")
    return parser


def run(name, given):
    """Return a model's `Params`, and its images and targets for training and for validation."""
    params = experiments.resolve(name, given.suite)
    params, found = replace(params, epochs=given.epochs or params.epochs), load(params.data, params.protocol)
    parts = []
    for part, limit in (("train", given.limit), ("val", given.val_limit)):
        images, labels = getattr(found, f"x_{part}"), getattr(found, f"y_{part}")
        count = limit or params.limit or len(images)
        images = images[:count] if count <= len(images) else np.resize(images, (count, 28, 28, 1))
        parts.append((images, images if params.kind == "autoencoder" else np.resize(labels, count)))
    return params, *parts


def now():
    """Return the time, and the CPU time of this process, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def report(fits):
    """Print one line of JSON: of each model `fit`'s seconds and, without the first epoch, images a second.

    Args:
        fits: dict of model to (number of training images, what `now` returned at the start of `fit` and at
            the end of each epoch, validation included).
    """
    found = {}
    for model, (images, (start, *ends)) in fits.items():
        rate, cpu = images * (len(ends) - 1) / np.maximum(ends[-1] - ends[0], 1e-9)
        found[model] = {"rate": rate, "cpu": cpu, "fit": (ends[-1] - start)[0]}
    print(json.dumps(found))
