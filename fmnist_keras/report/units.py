"""Pair the runs of a comparison: those that share a start, and no others.

Models whose runs share a start are a unit, and paired in it by seed; units are independent of each other. So
renumbering the seeds of one unit changes nothing, and each may have as many as it has.
"""

from collections import Counter
from itertools import chain
from typing import NamedTuple

import numpy as np

from ..params import Params


class Unit(NamedTuple):
    """Models that are paired by seed."""

    models: list  # their names
    values: np.ndarray  # their weighted sum `(seeds, images)`
    unused: int  # starts that some of them lack


def compared(grouped, terms):
    """Return the `Unit`s of a weighted sum of models: a list, empty if a model has no run that it needs.

    Only runs on the same validation images are compared.

    Args:
        grouped: dict of name to runs, those of the autoencoders among them that classifiers start from.
        terms: a list of (name, weight, a function of runs that returns floats `(runs, images)`).
    """
    named = {name: grouped.get(name, ()) for name, *_ in terms}
    images = Counter(_images(run) for run in chain(*named.values())).most_common(1)
    encoders = {r.get("encoder_sha256"): r for r in chain(*grouped.values()) if r["kind"] == "autoencoder"}
    starts = {
        name: {start(run, encoders): run for run in runs if _images(run) == images[0][0]}
        for name, runs in named.items()
    }
    units = []
    for names in _linked(starts):
        mine = [starts[name].keys() for name in names]
        shared = sorted(set.intersection(*map(set, mine)))  # by seed, of which a model has each once
        if not shared:
            return []
        parts = (w * values([starts[n][at] for at in shared]) for n, w, values in terms if n in names)
        units.append(Unit(names, sum(parts), len(set().union(*mine)) - len(shared)))
    return units


def start(run, encoders):
    """Return a key that runs share which began from the same weights; partly the same are others.

    An autoencoder's is its initializer and architecture, a classifier's the encoder that it starts from, or
    the key of this one's autoencoder: so it shares a start with that autoencoder too.

    Args:
        run: its metrics.
        encoders: dict of SHA-256 to the run of the autoencoder that left this encoder.
    """
    first = run.get("started_from_sha256") or run["model"]
    origin = encoders.get(first, run)
    if origin["kind"] == "autoencoder":
        params = origin["params"]
        first = params.get("initializer", Params.initializer), params["latent_dim"], params.get("upsampling")
    return run["seed"], run["backend"], first


def _linked(starts):
    """Return names of models in lists, each with all that are linked by sharing most of their starts.

    A few in common, as runs on two backends may have, would leave hardly a pair of all that there are.
    """
    groups = []
    for name, mine in starts.items():
        near = {
            n for n, theirs in starts.items() if 2 * len(mine.keys() & theirs) > min(len(mine), len(theirs))
        }
        linked = [group for group in groups if near & {*group}]
        groups = [group for group in groups if group not in linked] + [[*chain(*linked), name]]
    return groups


def _images(run):
    """Return a key of the validation images of a run."""
    sha256, params = run["data"]["sha256"], run["params"]
    return tuple(sorted(sha256.items())), params["protocol"], params.get("limit")
