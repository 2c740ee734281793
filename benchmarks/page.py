"""reports/bench.md from reports/bench.json alone: the numbers from here, the sentences from bench.md.j2.

`python benchmarks/page.py` writes the page again; `python benchmarks/page.py FILE.json` writes FILE.md.
"""

import json
import sys
import textwrap
from pathlib import Path
from statistics import median

import jinja2
import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
SECTIONS = (*"123456789", "gpu")
FLOOR_MODELS = ("model_1", "model_4", "model_5")  # the target of a step's rate is of these
LINEAR = 0.10  # growth is linear up to where the straight line is off by more than this share of the time
PROJECT, ONE_A_CORE = "project, one a core", "PyTorch, a process a core"
FORMATS = ("contiguous", "channels_last")
WHOLE_WORDS = {"break_long_words": False, "break_on_hyphens": False}
SCRIPTS = {"keras": "Keras'", "pytorch": "PyTorch's"}


def medians(repetitions):
    """Median of each figure: a DataFrame, models by ways, of dict of way to a list of dict of model."""
    return pd.DataFrame({way: pd.DataFrame(found).median() for way, found in repetitions.items()})


def spread(repetitions):
    """By what share the largest repetition of any figure exceeds its smallest."""
    frames = [pd.DataFrame(found) for found in repetitions.values()]
    return max((frame.max() / frame.min()).max() for frame in frames) - 1


def compare(rates, ours, rivals, shown):
    """Rates of models by ways as a table, and how many times as fast as each rival the project is.

    Args:
        rates: DataFrame, models by ways.
        ours: the project's way.
        rivals: dict of a rival's name to its ways: the better one counts.
        shown: dict of way to its column's name.
    """
    best = pd.DataFrame({name: rates[ways].max(axis=1) for name, ways in rivals.items()})
    times = best.rdiv(rates[ours], axis=0)
    shown = shown | {f"pytorch {layout}": f"PyTorch {layout.replace('_', ' ')}" for layout in FORMATS}
    columns = rates[[way for way in rates if way in shown]].rename(columns=shown).map("{:,.0f}".format)
    return {"table": columns.join(times.map("{:.2f}".format).add_prefix("ratio to ")), "times": times}


def throughput(sections):
    """Section 1."""
    repetitions = sections["1"]["rates"]
    rates = medians(repetitions)
    formats = [f"pytorch {layout}" for layout in FORMATS]
    at_once = [f"{way}, one a core" for way in formats]
    rivals = {"Keras": ["keras"], "PyTorch": formats, ONE_A_CORE: at_once}
    shown = {PROJECT: "this project", "project, all threads": "all threads", "keras": "Keras' defaults"}
    shown |= {way: way.replace("pytorch", "PyTorch").replace("_", " ") for way in at_once}
    found = compare(rates, PROJECT, rivals, shown)
    return found | {"xla": rates["keras, XLA"].dropna().iloc[0], "spread": spread(repetitions)}


def paper_suite(section, cores):
    """The paper suite's wall seconds, estimated from a suite that was stopped after a few epochs.

    A run's seconds are what it took, plus its later epochs at the measured seconds an epoch; how many epochs
    is the landed runs' median. The scripts' epochs were of one in `scripts_part` images: theirs count so many
    times, and what the scripts do once is taken as it was. Scripts add up. The project's runs fill the cores
    in the models' order, each classifier after its autoencoder, and what the engine needs around its runs is
    added as measured.

    Returns:
        dict of way to seconds, and dict of the project's models to seconds.
    """
    whole = {}
    for way, (result, *_) in section["runs"].items():
        part = 1 if way == "project" else section.get("scripts_part", 1)
        whole[way] = {
            model: run["seconds"] + (part * section["epochs_paper"][model] - section["epochs"]) * run["epoch"]
            for model, run in result["models"].items()
        }
    totals = {way: sum(models.values()) for way, models in whole.items()}
    free, ended = [0.0] * cores, {}
    for model, seconds in sorted(whole["project"].items()):  # the autoencoders come first
        core = free.index(min(free))
        start = max(free[core], ended.get(section["encoder_from"].get(model), 0.0))
        free[core] = ended[model] = start + seconds
    totals["project"] = max(free) + section["runs"]["project"][0]["around"]
    return totals, whole["project"]


def suite(sections):
    """Section 2: the sample as measured; the paper's scale as estimated, where section 3 was measured."""
    times = {way: median(run["seconds"] for run in runs) for way, runs in sections["2"]["runs"].items()}
    names = {"project": "this project, `--cores all`"}
    names |= {way: f"{name} eight scripts one after another, all threads" for way, name in SCRIPTS.items()}
    scales = {"sample": (times, 1, "s")}
    if "3" in sections:
        estimated, _ = paper_suite(sections["3"], sections["3"]["machine"]["cores"])
        scales["paper, estimated"] = (estimated, 60, "min")
    frame = pd.DataFrame(index=names.values())
    for scale, (found, unit, name) in scales.items():
        frame[scale] = [f"{found[way] / unit:,.0f} {name}" for way in names]
        frame[f"{scale}: ratio"] = [f"{found[way] / found['project']:.2f}" for way in names]
    return {"table": frame, "times": times}


def outside_fit(sections):
    """Seconds of each run outside `fit`, by model: medians on the sample, paper, and the share of paper."""
    frame = pd.DataFrame()
    if "2" in sections:
        runs = sections["2"]["runs"]["project"]
        around = [{m: r["seconds"] - r["parts"]["fit"] for m, r in run["models"].items()} for run in runs]
        frame["sample"] = pd.DataFrame(around).median()
    if "3" in sections:
        models, whole = sections["3"]["runs"]["project"][0]["models"], paper_suite(sections["3"], 1)[1]
        paper = pd.Series({model: run["seconds"] - run["parts"]["fit"] for model, run in models.items()})
        frame = frame.reindex(frame.index.union(paper.index))
        frame["paper"], frame["share"] = paper, paper / pd.Series(whole)
    return frame


def overhead(sections):
    """Section 3."""
    runs = {"paper": list(sections["3"]["runs"]["project"][0]["models"].values())}
    if "2" in sections:
        runs["sample"] = [r for run in sections["2"]["runs"]["project"] for r in run["models"].values()]
    parts = {name: pd.DataFrame([r["parts"] for r in found]).fillna(0) for name, found in runs.items()}
    frame = (
        pd.DataFrame({name: found.median() for name, found in parts.items()})
        .drop("fit")
        .fillna(0)
        .sort_values("paper", ascending=False)
    )
    by, largest = outside_fit(sections).dropna(subset="paper"), frame.index[0]
    frame.loc["**all that is not `fit`**"] = by[list(runs)].median()
    models = pd.DataFrame({"not `fit`": by["paper"].map("{:.1f} s".format)})
    models["share"] = by["share"].map("{:.1%}".format)
    table = frame.map("{:.2f} s".format)
    return {"table": table, "models": models, "share": by["share"], "largest": largest}


def product(section, threads):
    """Section 4: GFLOP/s of a matrix product, in whichever library is the faster."""
    return pd.DataFrame(section["rates"][threads]).median().max()


def reached(sections):
    """The share of a matrix product's rate that a step reaches, by model; where section 1 was measured."""
    if not {"1", "4"} <= sections.keys():
        return pd.Series(dtype=float)
    steps = pd.DataFrame(sections["4"]["models"]).loc["step"]
    rates = medians(sections["1"]["rates"])[PROJECT] / sections["1"]["machine"]["cores"]
    return (steps * rates / product(sections["4"], "one thread") / 1e9).dropna()


def floor(sections):
    """Section 4."""
    models, shares = pd.DataFrame(sections["4"]["models"]).T, reached(sections)
    best = {threads: product(sections["4"], threads) for threads in sections["4"]["rates"]}
    lowest = 1e3 * models["step"] * models["batch_size"] / (best["one thread"] * 1e9)
    frame = pd.DataFrame({"batch": models["batch_size"].map("{:.0f}".format)})
    for name, column in (("forward", "forward"), ("a step", "step")):
        frame[f"MFLOP {name}, an image"] = (models[column] / 1e6).map("{:.2f}".format)
    frame["floor of a step"] = lowest.map("{:.2f} ms".format)
    if len(shares):
        frame["measured"] = (lowest / shares).map("{:.2f} ms".format, na_action="ignore")
        frame["floor / measured"] = shares.reindex(frame.index).map("{:.0%}".format, na_action="ignore")
    return {"table": frame.fillna(""), "best": best, "reached": shares}


def line(points):
    """Least squares through {x: [y, ...]}, by medians; the first x where it is off by more than `LINEAR`.

    Returns:
        slope, intercept, and that x or None.
    """
    xs = sorted(points)
    ys = np.array([median(points[x]) for x in xs])
    slope, intercept = np.polyfit(xs, ys, 1)
    off = np.abs(slope * np.array(xs) + intercept - ys) > LINEAR * ys
    return slope, intercept, xs[off.argmax()] if off.any() else None


def growth(sections):
    """Section 5."""
    section, rows, bent = sections["5"], {}, []
    points = {
        what: {int(x): [r[what][x]["seconds"] for r in section["runs"]] for x in section["runs"][0][what]}
        for what in ("images", "epochs")
    }
    for what in ("models", "seeds"):
        found = {key.split()[1]: values for key, values in section.items() if key.startswith(f"{what} ")}
        points[what] = {int(x): values for x, values in found.items()}
    points["seeds"] = {1: points["models"][1]} | points["seeds"]
    for what, unit in zip(
        ("images", "epochs", "models", "seeds"), ("1,000 images", "epoch", "model", "seed")
    ):
        slope, intercept, stops = line(points[what])
        rows[what] = {
            "wall time": ", ".join(f"{x:,}: {median(y):.1f} s" for x, y in sorted(points[what].items())),
            "slope": f"{slope * (1000 if what == 'images' else 1):.2f} s per {unit}",
            "at zero": f"{intercept:.1f} s",
            "on the line": "everywhere" if stops is None else f"not at {stops:,}",
        }
        bent += [what] if stops is not None else []
    last = max(section["runs"][0]["images"], key=int)
    memory = median(run["images"][last]["memory"] for run in section["runs"]) / 1024
    return {"table": pd.DataFrame(rows).T, "bent": bent, "images": int(last), "memory": memory}


def second_call(sections):
    """Section 6."""
    return {way: median(sections["6"][way]) for way in ("nothing", "touched", "edited")}


def settings(sections):
    """Section 7."""
    rates = medians(sections["7"]["rates"])
    own = rates.iloc[:, 0]
    return {"table": rates.iloc[:, 1:].div(own, axis=0).T.map("{:.2f}".format), "own": own}


def step(sections):
    """Section 8: of one profile a model, so that the parts add up: the one of middle length."""
    runs, found = sections["8"]["runs"], {}
    for model in runs[0]["models"]:
        profiles = sorted((run["models"][model] for run in runs), key=lambda p: p["seconds"] / p["images"])
        found[model] = profiles[len(profiles) // 2]
    parts = pd.DataFrame({model: p["groups"] for model, p in found.items()}).fillna(0)
    flops = pd.DataFrame({m: pd.Series(p["operations"]) * p["images"] for m, p in found.items()})
    rates = (flops / parts.reindex(flops.index) / 1e9).where(flops > 0)
    order = parts.sum(axis=1).sort_values(ascending=False).index
    parts = parts.loc[[*order.drop("between ops"), "between ops"]]
    parts.loc["**a step**"] = pd.Series({model: p["seconds"] for model, p in found.items()})
    best = median(run["product"] for run in runs)
    shown = pd.DataFrame(index=parts.index)
    for model, p in found.items():
        shown[model] = [f"{1e6 * s / p['images']:.1f} ({s / p['seconds']:.0%})" for s in parts[model]]
    rates = rates.map(lambda rate: f"{rate:.0f} ({rate / best:.0%})", na_action="ignore").fillna("")
    slower = median(p["seconds"] / p["timed"] for run in runs for p in run["models"].values())
    return {"table": shown, "rates": rates, "product": best, "slower": slower}


def one_thread_ratios(sections):
    """Section 9: median seconds of `fit`, plain Keras' and the notebook's, and their ratio, by model."""
    seconds = sections["9"]["seconds"]
    models = list(dict.fromkeys(way.split()[0] for way in seconds))
    frame = pd.DataFrame(index=models)
    for how in ("plain", "notebook"):
        frame[how] = [median(seconds[f"{model} {how}"]) for model in models]
    return frame.assign(ratio=frame["plain"] / frame["notebook"])


def one_thread(sections):
    """Section 9."""
    frame, seconds = one_thread_ratios(sections), sections["9"]["seconds"]
    each = {m: np.divide(*(seconds[f"{m} {how}"] for how in ("plain", "notebook"))) for m in frame.index}
    shown = frame[["plain", "notebook"]].map("{:.1f} s".format)
    shown.columns = ["plain Keras", "the notebook"]
    shown["ratio"] = frame["ratio"].map("{:.2f}".format)
    shown["of each pair"] = [span(each[model], ".2f") for model in each]
    return {"table": shown}


def gpu(sections):
    """Section gpu."""
    section, ways = sections["gpu"], sections["gpu"]["ways"]
    repetitions = {way: {m: found["rates"] for m, found in models.items()} for way, models in ways.items()}
    rates = medians(repetitions)
    compiled = ["pytorch compiled", "pytorch compiled, CUDA graphs"]
    rivals = {"Keras' defaults": ["keras"], "PyTorch": [f"pytorch {layout}" for layout in FORMATS]}
    rivals["PyTorch compiled"] = compiled
    shown = {"project": "this project", "project, batches sent": "batches sent", "keras": "Keras' defaults"}
    shown |= dict(zip(compiled, ("`torch.compile`", "`torch.compile`, CUDA graphs")))
    return compare(rates, "project", rivals, shown) | {
        "first": {way: [f["first_epoch"] for f in models.values()] for way, models in ways.items()},
        "errors": [error for part in section.get("precision", {}).values() for error in part.values()],
        "spread": spread(repetitions),
        "backend": {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}[section["backend"]],
        "cores": (rates["project"] / medians(sections["1"]["rates"])[PROJECT]).dropna()
        if "1" in sections
        else None,
    }


def targets(sections):
    """The targets that we set ourselves, with what was measured: (target, value as text, met or not)."""

    def lowest(what, figures, least, shown=".2f"):
        value = f"{figures.min():{shown}} ({figures.idxmin()})"
        return f"{', '.join(figures.index)}: {what}", value, bool(figures.min() >= least)

    def below(what, value, most, shown):
        return what, shown.format(value), bool(value < most)

    if "1" in sections:
        names = {"Keras": "Keras with its defaults", ONE_A_CORE: "PyTorch with a process a core"}
        for rival, name in names.items():
            yield lowest(
                f"at least 2.0 times as fast in `fit` as {name}", throughput(sections)["times"][rival], 2.0
            )
    if "2" in sections:
        times = suite(sections)["times"]
        for way, least in {"pytorch": 1.7, "keras": 2.2}.items():
            ratio = times[way] / times["project"]
            what = f"sample: at least {least} times as fast as {SCRIPTS[way]} scripts one after another"
            yield what, f"{ratio:.2f}", ratio >= least
    if "3" in sections:
        minutes = paper_suite(sections["3"], cores=2)[0]["project"] / 60
        what = "paper, estimated: all eight models in less than 35 min on 2 cores"
        yield below(what, minutes, 35, "{:.0f} min")
    if "9" in sections:
        what = "plain Keras' `fit` on one thread takes at least 1.8 times as long"
        yield lowest(what, one_thread_ratios(sections)["ratio"], 1.8)
    figures = reached(sections).filter(FLOOR_MODELS)
    if len(figures):
        yield lowest("a step reaches at least 30% of the rate of a matrix product", figures, 0.3, ".0%")
    outside = outside_fit(sections)
    if "3" in sections:
        yield below("less than 10% of any paper run is not `fit`", outside["share"].max(), 0.1, "{:.1%}")
    if "2" in sections:
        what = "less than 6.5 s of any run on the sample is not `fit`"
        yield below(what, outside["sample"].max(), 6.5, "{:.1f} s")
    if "6" in sections:
        for way, name in (("nothing", "nothing to do"), ("touched", "one params file touched")):
            yield below(
                f"a second call takes less than 10 s: {name}", second_call(sections)[way], 10, "{:.1f} s"
            )
    if "3" in sections:
        runs = sections["3"]["runs"]["project"][0]["models"].values()
        memory = max(run["memory"] for run in runs) / 1024
        yield below("a paper run holds less than 1.5 GB", memory, 1.5, "{:.2f} GB")
        seconds = sections["3"].get("data") or max(run["parts"]["data"] for run in runs)
        yield below("all 70,000 images are ready in less than 1 s", seconds, 1, "{:.2f} s")


def machines(sections):
    """Where the sections were measured: a list of dicts, one for each machine and its versions."""
    groups = {}
    for number, section in sections.items():
        about = {name: v for name, v in section["machine"].items() if name != "load_before"}
        groups.setdefault(json.dumps(about), []).append(number)
    return [
        {
            **json.loads(about),
            "sections": sorted(numbers),
            "dates": sorted(sections[number]["date"] for number in numbers),
            "took": sum(sections[number]["took"] for number in numbers) / 60,
            "load": max(sections[number]["machine"]["load_before"] for number in numbers),
        }
        for about, numbers in groups.items()
    ]


def span(values, form):
    """The smallest and the largest of some numbers, as text."""
    return f"{min(values):{form}} to {max(values):{form}}"


def table(frame, corner):
    """A DataFrame of text as a Markdown table, numbers to the right."""
    align = ["left"] + ["right"] * frame.shape[1]
    return (
        frame.rename_axis(corner)
        .reset_index()
        .to_markdown(index=False, colalign=align, disable_numparse=True)
    )


MAKERS = dict(
    zip(SECTIONS, (throughput, suite, overhead, floor, growth, second_call, settings, step, one_thread, gpu))
)


def markdown(results):
    """The page: bench.json's content to text; a section that was not measured is said to be missing."""
    sections = results["sections"]
    files = jinja2.FileSystemLoader(HERE)
    environment = jinja2.Environment(
        loader=files, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"format": format, "span": span, "table": table}
    rows = [(what, value, "met" if met else "**not met**") for what, value, met in targets(sections)]
    text = environment.get_template("bench.md.j2").render(
        measured=sections,
        machines=machines(sections),
        missing=[number for number in SECTIONS if number not in sections],
        targets=pd.DataFrame(rows, columns=["target", "measured", " "]).set_index("target"),
        found={number: make(sections) for number, make in MAKERS.items() if number in sections},
    )
    blocks = [block.strip() for block in text.split("\n\n") if block.strip()]
    wrapped = (
        b if b.startswith(("|", "#")) else textwrap.fill(" ".join(b.split()), 120, **WHOLE_WORDS)
        for b in blocks
    )
    return "\n\n".join(wrapped) + "\n"


def write(path):
    """Write the page beside its bench.json."""
    results = json.loads(path.read_text(encoding="utf-8"))
    path.with_suffix(".md").write_text(markdown(results), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "reports" / "bench.json")
