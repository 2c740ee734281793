"""Comparing two models over the seeds that both have: ratios of errors, gaps of accuracies, intervals.

Everywhere `runs` is a dict of model name to the list of its runs, one per seed, as `runs.read` gives them.
"""

import numpy as np

from . import paper


class NotEnough(Exception):
    """Runs that a claim needs are not there; the message names them."""


def need(runs, *names):
    """Raise `NotEnough` unless every model of `names` has a run."""
    absent = [name for name in names if not runs.get(name)]
    if absent:
        raise NotEnough(f"no run of {', '.join(absent)}")


def paired(runs, first, second, value):
    """`value` of both models' runs, for the seeds that both have: two float arrays."""
    by_seed = [{run["seed"]: value(run) for run in runs[name]} for name in (first, second)]
    seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
    if not seeds:
        raise NotEnough(f"{first} and {second} have no seed in common")
    return tuple(np.array([values[seed] for seed in seeds], float) for values in by_seed)


def interval(values):
    """Mean and 95 % interval of Student's t over seeds; the interval is None with fewer than two."""
    from scipy.stats import t

    values = np.asarray(values, float)
    if len(values) < 2:
        return values.mean(), None
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean(), (values.mean() - half, values.mean() + half)


def ratio(runs, first, second):
    """The ratio of two models' validation errors, seed by seed, on a logarithmic scale: mean, interval."""
    above, below = paired(runs, first, second, val_loss)
    mean, bounds = interval(np.log(above / below))
    return np.exp(mean), None if bounds is None else tuple(np.exp(bounds))


def accuracy_gap(runs, first, second, only=None):
    """How much more accurate `first` is than `second` on the same images.

    Args:
        runs: dict of model name to runs.
        first: a classifier's name.
        second: another's.
        only: a class's label, to count its images alone; None counts all.

    Returns:
        The difference, a mean over the seeds that both have, and its 95 % interval by a paired bootstrap over
        images.
    """
    from scipy.stats import bootstrap

    one, other = paired(runs, first, second, lambda run: run["seed"])
    right = {
        name: np.mean([_right(run, only) for run in runs[name] if run["seed"] in one], axis=0)
        for name in (first, second)
    }
    gaps = right[first] - right[second]
    low_high = bootstrap(
        *((gaps,), np.mean), n_resamples=999, method="percentile", batch=50, rng=np.random.default_rng(0)
    ).confidence_interval
    return float(gaps.mean()), (float(low_high.low), float(low_high.high))


def _right(run, only=None):
    labels, predictions = (np.frombuffer(run[k].encode(), np.uint8) for k in ("labels", "predictions"))
    right = (labels == predictions).astype(float)
    return right if only is None else right[labels == ord(str(only))]


def val_loss(run):
    """The validation loss of a run."""
    return run["val"]["loss"]


def deviations(grouped):
    """What lies beyond `paper.TOLERANCE`: a list of (model, row, the paper's number, our mean)."""
    return [
        (model, row, theirs, float(mean))
        for model, seeds in grouped.items()
        for row, theirs in paper.RESULTS.get(model, {}).items()
        for part, quantity in [row.split()]
        for mean in [np.mean([m[part][quantity] for m in seeds])]
        if abs(mean - theirs) > paper.TOLERANCE[quantity]
    ]
