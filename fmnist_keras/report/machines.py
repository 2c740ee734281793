"""Where the runs of a suite ran, and whether that shows in what came out."""

from collections import Counter

import numpy as np
import pandas as pd
from scipy import stats

from .display import as_text

FEWEST = 4  # runs of a model on two machines that are compared
NOTICED = 0.8  # how often a test is to notice the difference that it is said to notice


def environments(grouped):
    """Where the runs ran: device, backend and versions, how many runs of how many models, and their hours."""
    every = pd.DataFrame(
        {
            "device": m["device"],
            "backend": m["backend"],
            "versions": ", ".join(f"{k} {v}" for k, v in m["versions"].items()),
            "model": m["model"],
            "hours": m["seconds"]["total"] / 3600,
        }
        for seeds in grouped.values()
        for m in seeds
    )
    if every.empty:
        return every
    alike = every.groupby(["device", "backend", "versions"], sort=False)
    counted = alike.agg(runs=("model", "size"), models=("model", "nunique"), hours=("hours", "sum"))
    table = counted.reset_index()
    table.attrs["format"] = {"hours": "{:.1f}"}
    return table


def comparison(grouped):
    """Whether it shows in the validation losses which of two machines a run was made on. Markdown.

    Compared are the two backends and devices that most runs have: model by model the logarithms of their
    losses, by Student's t, and all models together by Fisher's method; and how large a difference each of
    these tests would have noticed. "" if no model ran on both.
    """
    kinds = Counter(_kind(run) for runs in grouped.values() for run in runs)
    if len(kinds) < 2:
        return ""
    (first, _), (second, _) = kinds.most_common(2)
    p_values, noticed = [], []
    for runs in grouped.values():
        ours, others = (
            [np.log(r["val"]["loss"]) for r in runs if _kind(r) == kind] for kind in (first, second)
        )
        enough = ours and others and len(ours) + len(others) >= FEWEST
        if enough and np.ptp(ours) + np.ptp(others):  # of runs that are all the same there is no p-value
            found = stats.ttest_ind(ours, others)
            p_values.append(found.pvalue)
            certain, power = stats.t.ppf((0.975, NOTICED), found.df)
            half = np.ptp(found.confidence_interval()) / 2
            noticed.append(100 * np.expm1(half * (1 + power / certain)))
    if not p_values:
        return ""
    apart, together = sum(p < 0.05 for p in p_values), stats.combine_pvalues(p_values).pvalue
    return (
        f"Does the machine show? Of {len(p_values)} models with runs both of {as_text(first)} and of "
        f"{as_text(second)}, the validation losses of {apart} differ at the 5 % level, where chance alone "
        f"gives {0.05 * len(p_values):.1f} on average; all together, p = {together:.2f}. A test "
        f"notices, in four of five cases, a difference of {np.median(noticed):.1f} % in the median, of "
        f"{min(noticed):.1f} to {max(noticed):.1f} % by model, and seldom one that is much smaller."
    )


def _kind(run):
    return f"{run['backend']} on {'a CPU' if run['device'].startswith('CPU') else run['device']}"
