"""Measure training on a GPU, this project on JAX against PyTorch: section gpu of reports/bench.json.

`python benchmarks/gpu.py --json FILE` runs where the GPU is and needs no TensorFlow there: JAX and PyTorch
for CUDA, and requirements.txt without it. `python benchmarks/gpu.py --merge FILE` then puts its figures into
reports/bench.json and makes bench.md again, on any machine. `KERAS_BACKEND` names another backend than JAX.

Each way of training is a process of its own, again and again. The data is the embedded sample ten times over:
as many images as the paper's, so that an epoch is as long.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import page
import watch

HERE = Path(__file__).resolve().parent
MODELS = ("model_1", "model_4", "model_5", "model_8")
IMAGES = 60_000  # of an epoch, as many as the paper trains on
WAYS = {  # options of keras_script.py and of pytorch_script.py
    "project": ["--how", "project"],
    "project, batches sent": ["--how", "project", "--sent"],
    "keras": [],
    "pytorch contiguous": ["--memory-format", "contiguous"],
    "pytorch channels_last": ["--memory-format", "channels_last"],
    "pytorch compiled": ["--compile", "default"],
    "pytorch compiled, CUDA graphs": ["--compile", "reduce-overhead"],
}


def measure(options):
    """All ways, round after round; what they found goes into the file after each."""
    names = ("keras", "torch", "numpy", os.environ["KERAS_BACKEND"])
    where, start, ways = watch.machine(os.getloadavg()[0], *dict.fromkeys(names)), time.perf_counter(), {}
    if options.device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        found = subprocess.check_output(query, encoding="utf-8").splitlines()[0]
        where |= dict(zip(("gpu", "driver"), found.split(", ")))
    for number in range(options.repeats):
        for way, extra in WAYS.items():
            script = HERE / f"{'pytorch' if way.startswith('pytorch') else 'keras'}_script.py"
            command = [sys.executable, script, *MODELS, "--suite", "sample", "--val-limit", "1000", *extra]
            command += ["--limit", options.images, "--epochs", options.epochs]
            command += ["--device", options.device] if way.startswith("pytorch") else []
            env = os.environ | {"PYTHONPATH": str(HERE.parent)}
            (done,) = watch.together([list(map(str, command))], env, HERE)
            for model, rate in watch.rates([done], options.images).items():
                entry = ways.setdefault(way, {}).setdefault(model, {"rates": []})
                entry["rates"].append(rate)
                entry.setdefault("first_epoch", watch.first_epoch(done.lines, model))
                print(f"round {number + 1}  {way}, {model}: {rate:,.0f} images a second", flush=True)
        about = {"date": time.strftime("%Y-%m-%d %H:%M"), "machine": where, "quick": options.images < IMAGES}
        about |= {"took": round(time.perf_counter() - start), "repeats": number + 1, "images": options.images}
        about |= {"epochs": options.epochs, "backend": os.environ["KERAS_BACKEND"], "ways": ways}
        options.json.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def merge(path, into):
    """Put a file of `measure` into bench.json, and make bench.md from that."""
    results = json.loads(into.read_text(encoding="utf-8"))
    results["sections"]["gpu"] = json.loads(path.read_text(encoding="utf-8"))
    into.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page.write(into)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="written (default: gpu.json)")
    parser.add_argument("--merge", type=Path, help="put this file into reports/bench.json, measure nothing")
    parser.add_argument("--epochs", type=int, default=3, help="of each repetition; the first is left out")
    parser.add_argument("--repeats", type=int, default=3, help="of each way (default: 3)")
    parser.add_argument("--images", type=int, default=IMAGES, help="an epoch's; fewer to try the script")
    parser.add_argument("--device", default="cuda", help="PyTorch's (default: cuda)")
    options = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "jax")
    if options.merge:
        merge(options.merge, HERE.parent / "reports" / "bench.json")
    else:
        measure(options)
