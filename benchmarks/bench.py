"""Measure the project against plain Keras and PyTorch on this machine: reports/bench.json and bench.md.

A section measures its ways in turn, then each again: what drifts on the machine hits all of them. bench.json
gets every repetition; a section that is not asked for stays. `--page` writes bench.md from it alone.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jinja2
import pandas as pd
import yaml

from fmnist_keras.workflow.execute import KERNEL_ENVIRONMENT

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
COPIED = ("Snakefile", "fmnist_keras", "notebooks", "params", "profiles")
CORES = len(os.sched_getaffinity(0))
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
MALLOC = {name: value for name, value in KERNEL_ENVIRONMENT.items() if name.startswith("MALLOC_")}
PROJECT, FORMATS = "this project", ("contiguous", "channels_last")
CPU_TIME = ("settings",)  # sections whose ways are measured at once
EIGHT = [f"model_{number}" for number in range(1, 9)]


class Bench:
    """Hold what all sections share: the options, and a copy of the repository to work in."""

    def __init__(self, options, folder):
        self.quick, self.torch, self.repeats = options.quick, options.torch.resolve(), options.repeats
        self.folder, self.root = folder, folder / "copy"
        for part in COPIED:
            source, to = ROOT / part, self.root / part
            to.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, to)
        if self.quick:
            self.write_suite("sample", epochs=2)

    def models(self, *models):
        """Return the models, two small ones if the bench is only tried."""
        return ("model_4", "model_8") if self.quick else models

    def write_suite(self, name, **values):
        """Write a suite into the copy: on the sample if nothing else is said, tiny if the bench is tried."""
        values = {"data": "sample", "protocol": "paper", "restore_epoch": None} | values
        values |= {"data": "sample", "limit": 200, "batch_size": 100} if self.quick else {}
        (self.root / "params" / "suites" / f"{name}.yaml").write_text(yaml.safe_dump(values), "utf-8")

    def call(self, *arguments, at_once=1, threads=None, torch=False, **env):
        """Run Python `at_once` times at the same time; return the texts printed.

        `threads` None leaves every framework its default; `torch` puts PyTorch on the path.
        """
        unset = {*THREADS, *KERNEL_ENVIRONMENT, "REPORTS_DIR", "KERAS_BACKEND"}
        clean = {name: value for name, value in os.environ.items() if name not in unset}
        paths = [str(self.root), *([str(self.torch)] if torch else [])]
        clean |= {"PYTHONPATH": os.pathsep.join(paths), "CUDA_VISIBLE_DEVICES": "-1"}
        clean |= {"TF_CPP_MIN_LOG_LEVEL": "3"} | ({name: str(threads) for name in THREADS} if threads else {})
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
        command = [sys.executable, *map(str, arguments)]
        made = [subprocess.Popen(command, env=clean | env, cwd=self.root, **pipes) for _ in range(at_once)]
        texts = [process.communicate()[0] for process in made]
        for process, text in zip(made, texts):
            if process.returncode:
                last = "\n".join(text.splitlines()[-15:])
                sys.exit(f"error: {' '.join(command)} exited with {process.returncode}:\n{last}")
        return texts

    def rates(self, *command, of="rate", **how):
        """Return a script's images a second by model, added up over the processes."""
        found = pd.DataFrame([json.loads(text.splitlines()[-1]) for text in self.call(*command, **how)])
        return found.map(lambda one: one[of]).sum().to_dict()

    def engine(self, suite, *config):
        """Run the engine as the Makefile does; return the seconds."""
        config = [f"suite={suite}", f"models={' '.join(self.models(*EIGHT))}", *config]
        start = time.perf_counter()
        command = ("-m", "snakemake", "--cores", "all", "--config", *config)
        self.call(*command, REPORTS_DIR=str(self.folder / "reports"))
        return time.perf_counter() - start


def throughput(bench):
    """Return the ways to train four models on a part of the images of suite paper, in images a second."""
    images = 500 if bench.quick else 5_000
    common = [*bench.models("model_1", "model_4", "model_5", "model_8"), "--val-limit", 100]
    common += ["--suite", "sample" if bench.quick else "paper", "--epochs", 2, "--limit", images]
    one = {"threads": 1, "at_once": CORES}
    project = [HERE / "keras_script.py", *common, "--how", "project"]
    ways = {
        PROJECT: lambda: bench.rates(*project, **one, **MALLOC),
        "Keras": lambda: bench.rates(HERE / "keras_script.py", *common),
    }
    for layout in FORMATS:
        command = [HERE / "pytorch_script.py", *common, "--memory-format", layout]
        ways[f"PyTorch {layout}"] = lambda c=command: bench.rates(*c, torch=True)
        ways[f"PyTorch {layout}, one a core"] = lambda c=command: bench.rates(*c, torch=True, **one)
    return ways


def suite(bench):
    """Return the ways to train all eight models on the sample, in seconds."""

    def scripts(framework, *options):  # one after another, each with all threads and of its own
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=bench.folder) as encoders:
            for model in bench.models(*EIGHT):
                command = [HERE / f"{framework}_script.py", model, "--encoders", encoders, *options]
                bench.call(*command, torch=True)
        return {"all eight": time.perf_counter() - start}

    def project():
        shutil.rmtree(bench.folder / "reports", ignore_errors=True)
        return {"all eight": bench.engine("sample")}

    return {
        PROJECT: project,
        "Keras": lambda: scripts("keras"),
        "PyTorch": lambda: scripts("pytorch", "--memory-format", FORMATS[1]),
    }


def second_call(bench):
    """Return ways to call the engine again after a suite is finished, in seconds."""
    path = bench.root / "params" / "model_8.yaml"
    text = path.read_text(encoding="utf-8")
    edits = (text.replace("learning_rate: 0.001", f"learning_rate: 0.001{n}") for n in range(1, 1000))
    bench.engine("sample")

    def edited():
        path.write_text(next(edits), encoding="utf-8")
        return {"seconds": bench.engine("sample")}

    return {"nothing to do": lambda: {"seconds": bench.engine("sample")}, "one params file edited": edited}


def growth(bench):
    """Return runs of model 1 on more and more images, one epoch each: wall seconds."""

    def run(images):
        bench.write_suite(f"n_{images}", data="full", limit=images, epochs=1, models={})
        start = time.perf_counter()
        command = ("-m", "fmnist_keras", "run", "model_1", "--suite", f"n_{images}")
        bench.call(*command, threads=1, REPORTS_DIR=str(bench.folder / "growth"))
        return {"seconds": time.perf_counter() - start}

    counts = (100, 200) if bench.quick else (5_000, 10_000, 20_000, 40_000, 60_000)
    return {f"{images:,} images": lambda n=images: run(n) for images in counts}


def memory(bench):
    """Return a run of model 1 on all images, one epoch: the most that one of its processes holds, in MB."""
    bench.write_suite("memory", data="full", epochs=1, models={})
    command = (sys.executable, "-m", "fmnist_keras", "run", "model_1", "--suite", "memory")
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"

    def run():
        (text,) = bench.call(
            "-c", code, *command, threads=1, REPORTS_DIR=str(bench.folder / "memory"), **MALLOC
        )
        return {"MB": float(text.splitlines()[-1])}

    return {"model_1": run}


def settings(bench):
    """Return ways to train with one of the project's settings taken back, in images a second of CPU time.

    Seconds of the clock would need an idle machine for differences as small as these. All ways train at once:
    anything else that the machine does hits all alike.
    """
    images = 500 if bench.quick else 6_000
    command = [HERE / "keras_script.py", *bench.models("model_1", "model_4"), "--how", "project"]
    command += ["--val-limit", 100, "--epochs", 2, "--limit", images]
    one = {"threads": 1, "of": "cpu"}
    return {
        PROJECT: lambda: bench.rates(*command, **one, **MALLOC),
        "Keras' own Dropout": lambda: bench.rates(*command, "--keras-layers", **one, **MALLOC),
        "one step at a time": lambda: bench.rates(*command, "--steps", 1, **one, **MALLOC),
        "malloc returns freed memory": lambda: bench.rates(*command, **one),
        "the pipeline of batches tunes itself": lambda: bench.rates(*command, "--autotune", **one, **MALLOC),
        "without oneDNN": lambda: bench.rates(*command, **one, **MALLOC, TF_ENABLE_ONEDNN_OPTS="0"),
    }


def one_thread(bench):
    """Return plain Keras' ten epochs on one thread and the notebook's, in seconds of `fit`."""
    epochs, models = 2 if bench.quick else 10, bench.models("model_1", "model_5")
    bench.write_suite("one_thread", epochs=epochs, patience=epochs, batch_size=100)

    def plain():
        (text,) = bench.call(HERE / "keras_script.py", *models, "--suite", "one_thread", threads=1)
        return {model: found["fit"] for model, found in json.loads(text.splitlines()[-1]).items()}

    def notebook():
        reports, found = bench.folder / "one", {}
        for model in models:
            command = ("-m", "fmnist_keras", "run", model, "--suite", "one_thread")
            bench.call(*command, threads=1, REPORTS_DIR=str(reports))
            path = reports / "one_thread" / model / "seed_0" / "metrics.json"
            found[model] = json.loads(path.read_text(encoding="utf-8"))["seconds"]["fit"]
        return found

    return {PROJECT: notebook, "Keras": plain}


SECTIONS = {
    "throughput": throughput,
    "suite": suite,
    "second_call": second_call,
    "growth": growth,
    "memory": memory,
    "settings": settings,
    "one_thread": one_thread,
}


def measure(bench, section):
    """Return a section's repetitions: dict of way to a list of dict of row to number."""
    ways = SECTIONS[section](bench)
    found = {name: [] for name in ways}
    with ThreadPoolExecutor(len(ways) if section in CPU_TIME else 1) as pool:
        for number in range(bench.repeats):
            for name, rows in zip(ways, pool.map(lambda way: way(), ways.values())):
                found[name].append(rows)
                print(f"  round {number + 1}: {name}: {rows}", flush=True)
    return found


def machine():
    """Return where and with what a section is measured, in words."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("model name", 1)[1].split(":", 1)[1]
    versions = ""
    for name in ("keras", "tensorflow", "torch", "numpy"):
        with contextlib.suppress(PackageNotFoundError):  # a section of the project alone needs no PyTorch
            versions += f", {name} {version(name)}"
    load = f"load average {os.getloadavg()[0]:.1f} before it began"
    return f"{cpu.splitlines()[0].strip()}, {CORES} cores; Python {sys.version.split()[0]}{versions}; {load}"


def medians(section):
    """Return the medians of a section: a DataFrame, its rows by its ways."""
    return pd.DataFrame({way: pd.DataFrame(found).median() for way, found in section["ways"].items()})


def ratios(section):
    """Return how many times as fast as each other way the project is: rows by ways."""
    frame = medians(section)
    ours = frame.pop(PROJECT)
    return frame.rdiv(ours, axis=0) if section["unit"] == "images/s" else frame.div(ours, axis=0)


def write_page(path):
    """Write bench.md beside a bench.json."""
    sections = json.loads(path.read_text(encoding="utf-8"))["sections"]
    files = jinja2.FileSystemLoader(HERE)
    environment = jinja2.Environment(loader=files, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.globals |= {"medians": medians, "ratios": ratios, "format": format}
    text = environment.get_template("bench.md.j2").render(sections=sections, names=SECTIONS)
    path.with_suffix(".md").write_text(text.strip() + "\n", encoding="utf-8")


def main():
    """Measure the sections asked for, then write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sections", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement (default: 3)")
    parser.add_argument("--quick", action="store_true", help="tiny, to try the bench")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("--torch", type=Path, default=ROOT / ".venv" / "torch", help="folder of PyTorch")
    parser.add_argument("--json", type=Path, default=ROOT / "reports" / "bench.json")
    options = parser.parse_args()
    sys.path.append(str(options.torch))  # for its version alone
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(options, Path(folder))
        for name in () if options.page else options.sections:
            print(f"section {name}", flush=True)
            about = {"date": time.strftime("%Y-%m-%d %H:%M"), "machine": machine(), "quick": bench.quick}
            about["unit"] = "images/s" if name in ("throughput", "settings") else "s"
            ways = measure(bench, name)
            held = json.loads(options.json.read_text(encoding="utf-8")) if options.json.is_file() else {}
            sections = held.get("sections", {}) | {name: about | {"ways": ways}}
            options.json.write_text(json.dumps({"sections": sections}, indent=1) + "\n", encoding="utf-8")
    write_page(options.json)


if __name__ == "__main__":
    main()
