"""Say in sentences what a study found, see `studies.load`. Markdown."""

import numpy as np

from .. import runs
from .display import as_text, note
from .statistics import LEVEL
from .text import banner

WORDS = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}


def answer(study):
    """Return the finding of a study in a few sentences. Markdown."""
    if study.runs.empty:
        return "It has no finished run yet."
    if not study.about["vary"]:
        rows = study.effects.itertuples()
        said = [f"{row.changes} changes the {WORDS[row.of]} of {row.base} by {_change(row)}" for row in rows]
        return f"All else equal, {'; '.join(said)}." if said else "No point and its base share a seed yet."
    points = study.points.dropna(subset="apart") if "apart" in study.points else study.points[:0]
    said = [_consistency(study, base, part) for base, part in points.groupby("base")]
    return " ".join([*said, best(study), *_main_effects(study)])


def _change(row):
    """Return a row of `Study.effects` as text: the difference and its interval, if there is one."""
    ends = "in one seed" if np.isnan(row.low) else f"{row.low:+.4f} to {row.high:+.4f}"
    return f"{row.difference:+.4f} ({ends})"


def best(study):
    """Return the best point against its base; the interval allows for the best having been picked."""
    count, (first, *_) = len(study.points), study.points.to_dict("records")
    value = f"{first['of']} {first[first['of']]:.4f}"
    text = f"The best of {count} points is {_named(first, study.factors)}: {value}."
    if first["run"] == first["base"]:
        return f"{text} That is the base itself."
    found = study.difference({first["run"]: 1, first["base"]: -1}, 1 - (1 - LEVEL) / max(count - 1, 1))
    if not found:
        return f"{text} {first['base']}, the base, has no run to compare."
    text += f" Against {first['base']} that is {found['difference']:+.4f}"
    if np.isnan(found["low"]):
        return f"{text}; one seed, so no interval."
    picked = f"{found['low']:+.4f} to {found['high']:+.4f}"
    return f"{text} (95 % interval, corrected for having been picked: {picked})."


def _main_effects(study):
    """Yield the effect of the best value of each field that is not the base's."""
    found = study.effects
    if len(study.factors) > 1 and len(found) and found["low"].notna().all():
        better = found["difference"] * (-1 if study.counts == "val_loss" else 1)
        rows = found.loc[better.groupby(found["field"], sort=False).idxmax()].itertuples()
        said = "; ".join(f"{row.field} {row.against} -> {row.value}: {_change(row)}" for row in rows)
        yield f"Main effects on {study.counts}, of the best other value of each field: {said}."


def _consistency(study, base, points):
    """Return which points of a base are consistent with Table III, and the closest."""
    theirs, points = f"all of Table III's numbers of {base}", points.sort_index()
    first, *rest = [name for name in study.factors if name != "base"]
    tested = "consistent" in points and points["consistent"].notna().all()
    closest = points.loc[points["F" if tested else "apart"].idxmin()]
    named = _named(closest, [first, *rest])
    if not tested:
        said = f"Closest to {theirs} of {len(points)} points: {named}, within {closest['apart']:.3f} of each."
        return f"{said} With more seeds each point is tested."
    yes, listed = points[points["consistent"] == "yes"], {}
    for row in yes.to_dict("records"):  # values of the first field, at each of the others'
        listed.setdefault(_named(row, rest), []).append(str(row[first]))
    parts = [f"{first} {', '.join(values)}{at and f' with {at}'}" for at, values in listed.items()]
    which = ": " + "; ".join(parts) if parts else ""
    return f"{len(yes)} of {len(points)} points are consistent with {theirs}{which}. Closest: {named}."


def _named(row, fields):
    return ", ".join(f"{name} {row[name]}" for name in fields)


def summary(study):
    """Return the question, the answer, and a link to the study's page, for the suite's. Markdown."""
    question, name = as_text(study.about["question"]), study.about["name"]
    return f"**{question}** {answer(study)} [The study {name}](studies/{name}/index.html)."


def introduction(study):
    """Return the question as a title, a banner if needed, what is missing, and the answer. Markdown."""
    about, lines = study.about, [f"# {as_text(study.about['question'])}", note(runs.elsewhere())]
    if not study.runs.empty:
        first = study.grouped[study.runs["run"].iloc[0]][0]["params"]
        lines.append(banner(about["suite"], first["data"], first["protocol"], first.get("limit")))
    total = len({point["run"] for point in about["points"]}) * len(about["seeds"])
    if missing := total - len(study.runs[["run", "seed"]].drop_duplicates()):
        lines.append(f"> **{missing} of {total} runs are still missing.** `make study` makes them.")
    if study.left_out:
        said = as_text("; ".join(f"{name}: {reason}" for name, reason in study.left_out.items()))
        lines.append(f"> **Left out:** {said}.")
    return "\n\n".join(filter(None, [*lines, answer(study)]))
