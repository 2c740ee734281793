"""reports/bench.md from reports/bench.json alone: a table a section, and what it shows, in sentences.

`python benchmarks/page.py` writes it again.
"""

import json
import sys
from pathlib import Path
from statistics import median

import numpy as np

TARGETS = {  # what the numbers of this page have to be
    "rate": 2.0,  # times as fast in `fit` as Keras' defaults, and as PyTorch with a process a core
    "suite": {"pytorch": 1.7, "keras": 2.2},  # times as fast on the sample as eight scripts one after another
    "paper": 35.0,  # minutes of `make paper` on two cores, estimated
    "one thread": 1.8,  # times as long takes plain Keras' `fit`
    "floor": 0.30,  # of the rate of a matrix product that a step reaches
    "share": 0.10,  # of a paper run's wall time that is not `fit`
    "sample": 6.5,  # seconds of a run on the sample that are not `fit`
    "again": 10.0,  # seconds of a second call
    "memory": 1.5,  # GB of a run
    "data": 1.0,  # seconds until the data is ready
}
FLOOR_MODELS = ("model_1", "model_4", "model_5")  # `TARGETS["floor"]` is of these
LINEAR = 0.10  # growth is linear up to where the straight line is off by more than this share of the time
PROJECT, ALL_THREADS = "project, one a core", "project, all threads"
FORMATS, ONE_A_CORE = ("contiguous", "channels_last"), "PyTorch, a process a core"


def markdown(results):
    """The page: bench.json's content to text; a section that was not measured is said to be missing."""
    sections = results["sections"]
    text = ["# Benchmark", _where(sections)]
    text.append(
        "Every figure is the median of its repetitions, which stand in `bench.json`; a ratio says how many "
        "times as fast the project is."
    )
    if missing := [number for number in MAKERS if number not in sections]:
        text.append(f"Not measured: section {', '.join(missing)}.")
    if any(section["quick"] for section in sections.values()):
        text.append("**Measured with `--quick`: these numbers say nothing.**")
    rows = [(target, value, "met" if met else "**not met**") for target, value, met in targets(sections)]
    text.append(_table(["target", "measured", ""], rows))
    text += [make(sections) for number, make in MAKERS.items() if number in sections]
    return "\n\n".join(text) + "\n"


def _section(title, *texts):
    """A heading, then paragraphs and tables; a paragraph's line breaks are those of this file, and go."""
    return "\n\n".join([f"## {title}", *(t if t.startswith("|") else " ".join(t.split()) for t in texts)])


def _table(header, rows):
    rows = [[str(cell) for cell in row] for row in rows]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _where(sections):
    """The machine and the versions, once for all sections that share them."""
    groups = {}
    for number, section in sections.items():
        m = section["machine"]
        versions = ", ".join(
            f"{name} {m[name]}"
            for name in ("python", "keras", "tensorflow", "jax", "torch", "numpy")
            if name in m
        )
        gpu = f"One {m['gpu']} beside " if "gpu" in m else ""
        where = f"{gpu}{m['cpu']}, {m['cores']} cores, {m['memory_gb']} GB; {versions}"
        groups.setdefault(where, []).append((number, section))
    lines = []
    for where, members in groups.items():
        dates = sorted(section["date"] for _, section in members)
        took = sum(section["took"] for _, section in members) / 60
        load = max(section["machine"]["load_before"] for _, section in members)
        numbers = ", ".join(sorted(number for number, _ in members))
        when = f"Sections {numbers}, {dates[0]} to {dates[-1]}, {took:.0f} minutes"
        lines.append(f"{where}. {when}; load average before it began at most {load}.")
    return "\n\n".join(lines)


def _rates(sections, way):
    """Dict of model to the median images a second of one way."""
    repetitions = sections["1"]["rates"][way]
    return {model: median(r[model] for r in repetitions) for model in repetitions[0]}


def _best(*ways):
    return {model: max(way[model] for way in ways) for model in ways[0]}


def rivals(sections):
    """Section 1's rates to beat: dict of rival to the images a second of each model."""
    return {
        "Keras": _rates(sections, "keras"),
        "PyTorch": _best(*(_rates(sections, f"pytorch {layout}") for layout in FORMATS)),
        ONE_A_CORE: _best(*(_rates(sections, f"pytorch {layout}, one a core") for layout in FORMATS)),
    }


def ratios(sections):
    """How many times as fast in `fit` as each rival the project is, by model."""
    ours = _rates(sections, PROJECT)
    return {name: {m: ours[m] / rate[m] for m in rate} for name, rate in rivals(sections).items()}


def throughput(sections):
    """Section 1."""
    repetitions = sections["1"]["rates"]
    rates = {way: _rates(sections, way) for way in repetitions}
    columns = {
        "this project": rates[PROJECT],
        "all threads": rates[ALL_THREADS],
        "Keras' defaults": rates["keras"],
        "PyTorch contiguous": rates["pytorch contiguous"],
        "PyTorch channels last": rates["pytorch channels_last"],
        ONE_A_CORE: rivals(sections)[ONE_A_CORE],
    }
    models = list(rates["keras"])
    times = ratios(sections)
    rows = [
        [
            model,
            *(f"{c[model]:,.0f}" for c in columns.values()),
            *(f"{r[model]:.2f}" for r in times.values()),
        ]
        for model in models
    ]
    spread = max(
        max(r[m] for r in found) / min(r[m] for r in found) - 1
        for way, found in repetitions.items()
        for m in models
        if m in found[0]
    )
    says = {name: f"{min(r.values()):.2f} to {max(r.values()):.2f}" for name, r in times.items()}
    before = f"""Images a second in `fit` on {sections["1"]["images"]:,} images, batches as in the paper, the
        first epoch left out. *This project* is a process a core with one thread each, as the engine runs
        them, added up; *all threads* is one process of it, measured once. The others are one process with
        all threads, but for the last: PyTorch, in its better format, run as this project is."""
    after = f"""At equal cores the project trains {says["Keras"]} times as fast as Keras with its defaults,
        {says["PyTorch"]} times as fast as PyTorch in its better format, and
        {says[ONE_A_CORE]} times as fast as PyTorch run a process a core. With XLA,
        which is not Keras' default on a CPU, model 1 trains at {rates["keras, XLA"]["model_1"]:,.0f} images a
        second ({sections["1"]["images_xla"]:,} images). Repetitions of one figure differ by up to
        {spread:.0%}."""
    header = ["model", *columns, *(f"ratio to {name}" for name in times)]
    return _section("1. Training throughput", before, _table(header, rows), after)


def _suite(sections):
    """Median seconds of the sample suite, by way."""
    return {way: median(r["seconds"] for r in runs) for way, runs in sections["2"]["runs"].items()}


def paper_suite(section, cores):
    """The paper suite's wall seconds, estimated from a suite that was stopped after a few epochs.

    A run's seconds are what it took, plus its later epochs at the measured seconds an epoch; how many epochs
    comes from the landed runs. The scripts' epochs were of one in `scripts_part` images: theirs count so many
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
    names = {
        "project": "this project, `--cores all`",
        "keras": "Keras' defaults, eight scripts one after another, all threads",
        "pytorch": "PyTorch, eight scripts one after another, all threads",
    }
    scales = {"sample": (_suite(sections), 1, "s")}
    if "3" in sections:
        cores = sections["3"]["machine"]["cores"]
        scales["paper, estimated"] = (paper_suite(sections["3"], cores)[0], 60, "min")
    header, rows = ["all eight models"], [[name] for name in names.values()]
    for scale, (times, unit, name) in scales.items():
        header += [scale, "ratio"]
        for row, way in zip(rows, names):
            row += [f"{times[way] / unit:,.0f} {name}", f"{times[way] / times['project']:.2f}"]
    sample = scales["sample"][0]
    before = """The project's time has its notebooks, figures, pages and report in it; the scripts only train
        and measure. PyTorch in the memory format that was the better one in section 1."""
    after = f"""On the sample the project takes {sample["project"]:.0f} s; PyTorch's scripts take
        {sample["pytorch"] / sample["project"]:.2f} times, and Keras'
        {sample["keras"] / sample["project"]:.2f} times as long."""
    if "3" in sections:
        after += f""" The paper scale was run once, with {sections["3"]["epochs"]} epochs of each model on
            all images, the scripts' of one in {sections["3"].get("scripts_part", 1)}. Later epochs, as many
            as the landed runs have and of all images, are added at the seconds of the last one measured, and
            the project's runs laid on the cores in their order."""
    return _section("2. All eight models", before, _table(header, rows), after)


def overheads(sections):
    """Seconds of each run that are not `fit`, on the sample (medians) and at the paper's scale; and a share.

    Returns:
        dict of "sample", "paper" (seconds) and "share" (of a whole paper run) to dict of model to number;
        without what was not measured.
    """
    found = {}
    if "2" in sections:
        runs = sections["2"]["runs"]["project"]
        found["sample"] = {
            model: median(r["models"][model]["seconds"] - r["models"][model]["parts"]["fit"] for r in runs)
            for model in runs[0]["models"]
        }
    if "3" in sections:
        _, whole = paper_suite(sections["3"], 1)
        models = sections["3"]["runs"]["project"][0]["models"]
        found["paper"] = {m: r["seconds"] - r["parts"]["fit"] for m, r in models.items()}
        found["share"] = {model: found["paper"][model] / whole[model] for model in models}
    return found


def shares(sections):
    """Section 3."""
    columns = {"paper": [run["parts"] for run in sections["3"]["runs"]["project"][0]["models"].values()]}
    if "2" in sections:
        runs = sections["2"]["runs"]["project"]
        columns["sample"] = [run["parts"] for repetition in runs for run in repetition["models"].values()]
    parts = dict.fromkeys(part for runs in columns.values() for run in runs for part in run if part != "fit")
    medians = {
        name: {part: median(run.get(part, 0.0) for run in runs) for part in parts}
        for name, runs in columns.items()
    }
    order = sorted(parts, key=lambda part: -medians["paper"][part])
    rows = [[part, *(f"{medians[name][part]:.2f} s" for name in columns)] for part in order]
    by = overheads(sections)
    rows += [["**all that is not `fit`**", *(f"**{median(by[name].values()):.2f} s**" for name in columns)]]
    by_model = [[m, f"{by['paper'][m]:.1f} s", f"{by['share'][m]:.1%}"] for m in by["share"]]
    before = f"""Medians over the runs, as many at once as there are cores. The parts come from what papermill
        writes into the notebook, from `metrics.json`, and from the job's process. *paper* is a run on all
        images with {sections["3"]["epochs"]} epochs, measured once; what is not `fit` is the same for any
        number of epochs."""
    between = (
        "The share of a whole paper run, with as many epochs as the landed runs have, each as long as here:"
    )
    after = f"""The largest share is {max(by["share"].values()):.1%}; the largest part at the paper's scale
        is *{order[0]}*."""
    tables = (_table(["part", *columns], rows), between, _table(["model", "not `fit`", "share"], by_model))
    return _section("3. What is not `fit`", before, *tables, after)


def _product(repetitions):
    """GFLOP/s of a matrix product, in whichever library is the faster."""
    return max(median(r[name] for r in repetitions) for name in repetitions[0])


def _reached(sections):
    """The share of a matrix product's rate that a step reaches, by model; where section 1 was measured."""
    if not {"1", "4"} <= sections.keys():
        return {}
    rates, models = _rates(sections, PROJECT), sections["4"]["models"]
    product, cores = _product(sections["4"]["rates"]["one thread"]), sections["1"]["machine"]["cores"]
    return {m: models[m]["step"] * rates[m] / cores / (product * 1e9) for m in models if m in rates}


def floor(sections):
    """Section 4."""
    section = sections["4"]
    best = {threads: _product(found) for threads, found in section["rates"].items()}
    reached = _reached(sections)
    rows = []
    for model, m in section["models"].items():
        lowest = m["step"] * m["batch_size"] / (best["one thread"] * 1e9)
        row = [model, m["batch_size"], f"{m['forward'] / 1e6:.2f}", f"{m['step'] / 1e6:.2f}"]
        row.append(f"{1e3 * lowest:.2f} ms")
        if model in reached:
            row += [f"{1e3 * lowest / reached[model]:.2f} ms", f"{reached[model]:.0%}"]
        rows.append(row)
    header = ["model", "batch", "MFLOP forward, an image", "MFLOP a step, an image", "floor of a step"]
    header += ["measured", "floor / measured"] if reached else []
    before = """Two operations a multiply-add. A step is the forward pass, the gradients of the weights that
        train, and those of each layer's input where something below it trains: a little under three forward
        passes. The floor is that over the rate of a single-precision matrix product, 2048x2048, on one
        thread. A measured step is one of the processes of section 1, while the other cores run others."""
    after = f"""The matrix product reaches {best["one thread"]:.0f} GFLOP/s on one thread and
        {best["all threads"]:.0f} on all."""
    if reached:
        low, high = (f(reached, key=reached.get) for f in (min, max))
        after += f" Of the rate of a matrix product, a step reaches {reached[low]:.0%} ({low}) to "
        after += f"{reached[high]:.0%} ({high})."
    return _section("4. The floor", before, _table(header, rows), after)


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


def grown(section):
    """The points of each growth: dict of what grows to {x: [seconds, ...]}."""
    points = {
        what: {int(x): [r[what][x]["seconds"] for r in section["runs"]] for x in section["runs"][0][what]}
        for what in ("images", "epochs")
    }
    for what in ("models", "seeds"):
        found = {key.split()[1]: values for key, values in section.items() if key.startswith(f"{what} ")}
        points[what] = {int(x): values for x, values in found.items()}
    points["seeds"] = {1: points["models"][1]} | points["seeds"]
    return points


def growth(sections):
    """Section 5."""
    section = sections["5"]
    units = {
        "images": (1000, "1,000 images"),
        "epochs": (1, "epoch"),
        "models": (1, "model"),
        "seeds": (1, "seed"),
    }
    rows, bent = [], []
    for what, points in grown(section).items():
        slope, intercept, stops = line(points)
        count, unit = units[what]
        shown = ", ".join(f"{x:,}: {median(points[x]):.1f} s" for x in sorted(points))
        until = "everywhere" if stops is None else f"not at {stops:,}"
        rows.append([what, shown, f"{slope * count:.2f} s per {unit}", f"{intercept:.1f} s", until])
        bent += [what] if stops is not None else []
    last = max(section["runs"][0]["images"], key=int)
    memory = median(r["images"][last]["memory"] for r in section["runs"])
    before = f"""*Images* (of training; of validation at most 10,000) and *epochs* (on the fewest images):
        wall time of a run of model 1, as many at once as there are cores. *Models* and *seeds*: wall time of
        the engine on that many tiny runs. Everything once. Slopes by least squares; a point is on the line
        where the line is within {LINEAR:.0%} of it."""
    after = f"Not on one line: {', '.join(bent)}." if bent else "All four grow along a line."
    after += f""" A run on {int(last):,} images holds {memory / 1024:.2f} GB at its peak, its kernel and the
        process that started it added."""
    return _section(
        "5. Growth",
        before,
        _table(["what grows", "wall time", "slope", "at zero", "on the line"], rows),
        after,
    )


def again(sections):
    """Section 6."""
    names = {
        "nothing": "nothing",
        "touched": "the date of a params file: nothing trains",
        "edited": "a params file: its model trains, and the report is made again",
    }
    times = {way: median(sections["6"][way]) for way in names}
    rows = [[names[way], f"{seconds:.1f} s"] for way, seconds in times.items()]
    before = "The engine's whole call on the sample suite, where everything was up to date but for one thing."
    after = f"""A call with nothing to do takes {times["nothing"]:.1f} s, after a touch
        {times["touched"]:.1f} s, after an edit {times["edited"]:.1f} s."""
    return _section("6. A second call", before, _table(["what had changed", "wall time"], rows), after)


def tried(sections):
    """Section 7."""
    rates = {}
    for way, repetitions in sections["7"]["rates"].items():
        rates[way] = {model: median(r[model] for r in repetitions) for model in repetitions[0]}
    ours, *others = rates
    rows = [[way, *(f"{rates[way][m] / rates[ours][m]:.2f}" for m in rates[ours])] for way in others]
    own = ", ".join(f"{model} {rate:,.0f}" for model, rate in rates[ours].items())
    before = f"""Images a second in `fit`, as in section 1 but on {sections["7"]["images"]:,} images, with one
        of the project's settings taken back, over those with all of them ({own}): below 1 is slower."""
    return _section("7. What each setting brings", before, _table(["without", *rates[ours]], rows))


def step(sections):
    """Section 8."""
    runs = sections["8"]["runs"]
    found = {}
    for model in runs[0]["models"]:  # of one profile, so that the parts add up: the one of middle length
        profiles = sorted((run["models"][model] for run in runs), key=lambda p: p["seconds"] / p["images"])
        found[model] = profiles[len(profiles) // 2]
    parts = list(dict.fromkeys(part for p in found.values() for part in p["groups"]))
    parts.sort(
        key=lambda part: (
            part == "between ops",
            -sum(p["groups"].get(part, 0) / p["images"] for p in found.values()),
        )
    )
    rows = []
    for part in (*parts, "**a step**"):
        row = [part]
        for p in found.values():
            seconds = p["groups"].get(part, 0.0) if part in parts else p["seconds"]
            row.append(f"{1e6 * seconds / p['images']:.1f} ({seconds / p['seconds']:.0%})")
        rows.append(row)
    product = median(run["product"] for run in runs)
    rates = []
    for part in next(iter(found.values()))["operations"]:
        row = [part]
        for p in found.values():
            flops, seconds = p["operations"][part] * p["images"], p["groups"].get(part, 0.0)
            row.append(
                f"{flops / seconds / 1e9:.0f} ({flops / seconds / 1e9 / product:.0%})" if flops else ""
            )
        rates.append(row)
    slower = median(p["seconds"] / p["timed"] for run in runs for p in run["models"].values())
    before = """Microseconds an image of training, and their share of a step: an epoch of the sample in the
        paper's batches, one thread, a process a core at once. TensorFlow's profiler notes when each operation
        began and ended; a convolution's bias and ReLU are in it where TensorFlow has fused them, *between
        ops* is what is left, and what the threads that make the batches do while an operation runs is in
        that operation's time."""
    between = f"""GFLOP/s, from the operations that section 4 counts, and the share of what the matrix product
        of section 4 reaches beside the others, {product:.0f} GFLOP/s:"""
    after = f"Under the profiler an epoch takes {slower:.2f} times as long as the one before it, without."
    tables = (_table(["µs an image", *found], rows), between, _table(["GFLOP/s", *found], rates))
    return _section("8. What a step is made of", before, *tables, after)


def one_thread(sections):
    """Section 9: dict of model to median seconds of `fit`, plain Keras' and the notebook's, and the ratio."""
    seconds = {way: median(found) for way, found in sections["9"]["seconds"].items()}
    models = dict.fromkeys(way.split()[0] for way in seconds)
    pairs = {model: (seconds[f"{model} plain"], seconds[f"{model} notebook"]) for model in models}
    return {model: (plain, ours, plain / ours) for model, (plain, ours) in pairs.items()}


def alternating(sections):
    """Section 9."""
    section = sections["9"]
    rows = []
    for model, (plain, ours, ratio) in one_thread(sections).items():
        each = [
            p / n for p, n in zip(*(section["seconds"][f"{model} {how}"] for how in ("plain", "notebook")))
        ]
        between = f"{min(each):.2f} to {max(each):.2f}"
        rows.append([model, f"{plain:.1f} s", f"{ours:.1f} s", f"{ratio:.2f}", between])
    header = ["model", "plain Keras", "the notebook", "ratio", "of each pair"]
    before = f"""Seconds of `fit`, validation included: {section["epochs"]} epochs on the sample in batches of
        100, one thread, one process at a time, the two in turn. Plain Keras is `fit` on arrays, with Keras'
        own layers and defaults; the notebook is run by papermill as the engine does, and its seconds are
        those of its `metrics.json`."""
    return _section("9. On one thread", before, _table(header, rows))


def gpu(sections):
    """Section gpu."""
    section = sections["gpu"]
    rates = {
        way: {model: median(found["rates"]) for model, found in models.items()}
        for way, models in section["ways"].items()
    }
    rivals = {
        "Keras' defaults": rates["keras"],
        "PyTorch": _best(rates["pytorch contiguous"], rates["pytorch channels_last"]),
        "PyTorch compiled": _best(rates["pytorch compiled"], rates["pytorch compiled, CUDA graphs"]),
    }
    names = {
        "project": "this project",
        "project, batches sent": "batches sent",
        "keras": "Keras' defaults",
        "pytorch contiguous": "PyTorch contiguous",
        "pytorch channels_last": "PyTorch channels last",
        "pytorch compiled": "`torch.compile`",
        "pytorch compiled, CUDA graphs": "`torch.compile`, CUDA graphs",
    }
    ours = rates["project"]
    ratios = {name: {m: ours[m] / rival[m] for m in ours} for name, rival in rivals.items()}
    rows = [
        [m, *(f"{rates[way][m]:,.0f}" for way in names), *(f"{r[m]:.2f}" for r in ratios.values())]
        for m in ours
    ]
    header = ["model", *names.values(), *(f"ratio to {name}" for name in ratios)]
    backend = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}[section["backend"]]
    before = f"""Images a second in `fit` on one {section["machine"]["gpu"]}, batches as in the paper, on
        {section["images"]:,} images: the embedded sample, repeated. Keras computes with {backend}. An epoch
        is counted whole, with its shuffling, a validation on 1,000 images and the best weights kept; the
        first of each repetition is left out. Each framework is one process that goes through its columns
        {section["repeats"]} times. The project's images and PyTorch's lie on the GPU. *Batches sent* is the
        project if it sent them one by one; Keras' defaults do, `fit` on arrays. PyTorch has the fused Adam.
        Single precision, with TF32 in matrix products and convolutions: the default in JAX, in PyTorch set
        for the products. `torch.compile` has the contiguous format; with CUDA graphs it is
        `mode="reduce-overhead"`. The ratios are to the better of PyTorch's formats, and of its two ways
        to compile."""
    errors = [error for found in section["precision"].values() for error in found.values()]
    first = {
        way: f"{min(seconds):.0f} to {max(seconds):.0f} s"
        for way, models in section["ways"].items()
        if (seconds := [found["first_epoch"] for found in models.values()])
    }
    spread = max(
        max(found["rates"]) / min(found["rates"]) - 1
        for models in section["ways"].values()
        for found in models.values()
    )
    said = "; ".join(
        f"{min(r.values()):.2f} to {max(r.values()):.2f} times as fast as {name}"
        for name, r in ratios.items()
    )
    after = f"""The project trains {said}. The very first epoch, which compiles, takes {first["project"]} in
        the project, {first["pytorch compiled"]} with `torch.compile` and, after that,
        {first["pytorch compiled, CUDA graphs"]} with CUDA graphs. Products and convolutions are off by
        {min(errors):.0e} to {max(errors):.0e}, relatively, in both. Repetitions of one figure differ by up
        to {spread:.0%}."""
    if "1" in sections:
        times = {m: ours[m] / rate for m, rate in _rates(sections, PROJECT).items() if m in ours}
        cores = sections["1"]["machine"]["cores"]
        after += f""" Against section 1's {cores} cores it is {min(times.values()):.0f} to
            {max(times.values()):.0f} times as fast."""
    return _section("On a GPU", before, _table(header, rows), after)


def targets(sections):
    """The issue's targets with what was measured: a list of (target, value as text, met or not)."""
    found = []

    def each(what, ratios, least, shown="{:.2f}"):
        """A target that the lowest of several models has to reach."""
        lowest = min(ratios, key=ratios.get)
        value = f"{shown.format(ratios[lowest])} ({lowest})"
        found.append((f"{', '.join(ratios)}: {what}", value, ratios[lowest] >= least))

    if "1" in sections:
        names = {"Keras": "Keras with its defaults", ONE_A_CORE: "PyTorch with a process a core"}
        for rival, name in names.items():
            target = f"at least {TARGETS['rate']} times as fast in `fit` as {name}"
            each(target, ratios(sections)[rival], TARGETS["rate"])
    if "2" in sections:
        times = _suite(sections)
        for rival, least in TARGETS["suite"].items():
            name = {"pytorch": "PyTorch's", "keras": "Keras'"}[rival]
            target = f"sample: at least {least} times as fast as {name} scripts one after another"
            ratio = times[rival] / times["project"]
            found.append((target, f"{ratio:.2f}", ratio >= least))
    if "3" in sections:
        minutes = paper_suite(sections["3"], cores=2)[0]["project"] / 60
        target = f"paper, estimated: all eight models in less than {TARGETS['paper']:.0f} min on 2 cores"
        found.append((target, f"{minutes:.0f} min", minutes < TARGETS["paper"]))
    if "9" in sections:
        target = f"plain Keras' `fit` on one thread takes at least {TARGETS['one thread']} times as long"
        each(target, {m: ratio for m, (*_, ratio) in one_thread(sections).items()}, TARGETS["one thread"])
    if reached := {m: share for m, share in _reached(sections).items() if m in FLOOR_MODELS}:
        target = f"a step reaches at least {TARGETS['floor']:.0%} of the rate of a matrix product"
        each(target, reached, TARGETS["floor"], "{:.0%}")
    by = overheads(sections)
    if "3" in sections:
        worst = max(by["share"].values())
        target = f"less than {TARGETS['share']:.0%} of any paper run is not `fit`"
        found.append((target, f"{worst:.1%}", worst < TARGETS["share"]))
    if "2" in sections:
        worst = max(by["sample"].values())
        target = f"less than {TARGETS['sample']} s of any run on the sample is not `fit`"
        found.append((target, f"{worst:.1f} s", worst < TARGETS["sample"]))
    if "6" in sections:
        for way, name in (("nothing", "nothing to do"), ("touched", "one params file touched")):
            seconds = median(sections["6"][way])
            target = f"a second call takes less than {TARGETS['again']:.0f} s: {name}"
            found.append((target, f"{seconds:.1f} s", seconds < TARGETS["again"]))
    if "3" in sections:
        models = sections["3"]["runs"]["project"][0]["models"].values()
        memory = max(run["memory"] for run in models) / 1024
        target = f"a paper run holds less than {TARGETS['memory']} GB"
        found.append((target, f"{memory:.2f} GB", memory < TARGETS["memory"]))
        data = max(run["parts"]["data"] for run in models)
        target = f"all 70,000 images are ready in less than {TARGETS['data']:.0f} s"
        found.append((target, f"{data:.2f} s", data < TARGETS["data"]))
    return found


MAKERS = dict(zip("123456789", (throughput, suite, shares, floor, growth, again, tried, step, alternating)))
MAKERS["gpu"] = gpu

if __name__ == "__main__":
    path = Path(
        sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "reports" / "bench.json"
    )
    path.with_suffix(".md").write_text(markdown(json.loads(path.read_text())))
