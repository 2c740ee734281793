"""What a training step is made of: the time of each of its operations, as TensorFlow's profiler notes them.

`python profile_step.py model_1 model_5` trains each on the embedded sample for three epochs, on one thread as
the engine does: one to warm up, one timed, and one profiled. It prints a table a model; `--ops 30` adds the
longest operations, `--keras` profiles the same models of Keras' own layers, and `--json` is for bench.py.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import fmnist_keras as fk
from fmnist_keras.workflow import experiments
from fmnist_keras.workflow.execute import KERNEL_ENVIRONMENT

ONE_THREAD = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1")
ONE_THREAD["OPENBLAS_NUM_THREADS"] = "1"  # for the matrix product of NumPy
BETWEEN, PIPELINE = "between ops", "input pipeline"
DROPOUT = "dropout, with ReLU and pooling where they are one loop"

# What an operation is counted as: the first pattern that its name, `scope/of/layers/op:Type`, holds.
GROUPS = {
    DROPOUT: r"/dropout[_\d]*/|:PartitionedCall$",  # of all layers ours alone call what XLA compiled
    "convolution, gradient of weights": r":\w*Conv2DBackpropFilter",
    "convolution, gradient of input": r"gradient_tape/.*:\w*Conv2D",
    "convolution, forward": r":\w*Conv2D",  # of a transposed one it is another's gradient of the input
    "matrix product": r":\w*MatMul",
    "max pooling": r":\w*MaxPool",
    "optimizer": r"/(adam|sgd)(_\d+)?/",
    PIPELINE: r":IteratorGetNext\w*$",
    "ReLU, bias, loss, the rest": r":\w+$",
}
WORK = {  # which of floor.py's operations are computed in a group
    "convolution, forward": [("convolution", "forward")],
    "convolution, gradient of weights": [("convolution", "weights")],
    "convolution, gradient of input": [("convolution", "input")],
    "matrix product": [("dense", way) for way in ("forward", "weights", "input")],
}


def group(op):
    """The group of an operation, from its name and type, or itself if it is none."""
    return next((name for name, pattern in GROUPS.items() if re.search(pattern, op, re.IGNORECASE)), op)


def is_op(name):
    """Is this event of the profiler's the run of an operation, as `scope/Relu:Relu`?"""
    return re.search(r"(?<!:):\w+$", name) is not None


def attribute(events, begin, end):
    """Give each moment between two to what ran then, so that all parts add up to the whole.

    Operations come first (of two that overlap the one that began first), then the threads that make the
    batches, and what is left was between operations. What a thread that makes batches did on the same core
    while an operation ran is in that operation's time.

    Args:
        events: list of (thread's name, event's name, begin, end).
        begin: of the whole, in any unit.
        end: of the whole.

    Returns:
        Counter of operation, `PIPELINE` and `BETWEEN` to time.
    """
    ops = [(b, e, name) for thread, name, b, e in events if is_op(name) and not thread.startswith("tf_data")]
    batches = [(b, e, PIPELINE) for thread, _, b, e in events if thread.startswith("tf_data")]
    found, until, gaps = Counter(), begin, []
    for b, e, name in [*sorted(ops), (end, end, BETWEEN)]:
        b, e = max(b, until), min(e, end)
        if b > until:
            gaps.append((until, b))
        if e > b:
            found[name] += e - b
        until = max(until, e)
    found[BETWEEN] = sum(e - b for b, e in gaps)
    batches = _merged(batches)
    for gap_begin, gap_end in gaps:
        for b, e in batches:
            shared = max(0, min(e, gap_end) - max(b, gap_begin))
            found[PIPELINE] += shared
            found[BETWEEN] -= shared
    return found


def _merged(intervals):
    """Intervals that do not overlap, which cover what these do."""
    merged = []
    for b, e, _ in sorted(intervals):
        if merged and b <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(e, merged[-1][1]))
        else:
            merged.append((b, e))
    return merged


def trace(work):
    """Run `work()` under the profiler: its events in picoseconds, see `attribute`."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(host_tracer_level=2))
        try:
            work()
        finally:
            tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    events = []
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                start = line.timestamp_ns * 1000 + event.offset_ps
                events.append((line.name, _name(plane, event), start, start + event.duration_ps))
    return events


def _name(plane, event):
    """What an event is called; of an asynchronous operation, as XLA's are, only its attributes say it."""
    name = plane.event_metadata[event.metadata_id].name
    if name != "ExecutorState::ProcessAsync::Start":
        return name
    said = {plane.stat_metadata[s.metadata_id].name: s for s in event.stats}
    name, kind = (
        s.str_value or plane.stat_metadata[s.ref_value].name for s in (said["name"], said["kernel_type"])
    )
    return f"{name}:{kind}"


def profile(name, images, own_layers):
    """Profile one model of the paper.

    Returns:
        dict: "images" and their "seconds" in `fit`'s steps, from the first one's start to the last one's
        end; "ops", seconds by operation; "timed", seconds of an epoch without the profiler.
    """
    import keras_script
    from floor import operations

    kind, params = experiments.for_run(name, "paper", seed=0)
    fk.training.seed_everything(0)
    dataset = fk.data.load("sample")
    x_train, labels = dataset.x_train[:images], dataset.y_train[:images]
    model = keras_script.build(params, None)
    if own_layers:
        model = keras_script.of_keras_own_layers(model)
    keras_script.compile_as_notebook(model, params)
    targets = x_train if kind == "autoencoder" else labels
    batches = fk.training.batches(x_train, targets, params["batch_size"], shuffle=True)

    def epoch():
        start = time.perf_counter()
        model.fit(batches, verbose=0, shuffle=False)
        return time.perf_counter() - start

    epoch()
    timed = epoch()
    events = trace(epoch)
    steps = [(b, e) for _, event, b, e in events if re.search("Execute: .*step_on_iterator", event)]
    begin, end = min(b for b, _ in steps), max(e for _, e in steps)
    return {
        "images": images,
        "batch_size": params["batch_size"],
        "timed": timed,
        "seconds": (end - begin) / 1e12,
        "ops": {op: t / 1e12 for op, t in attribute(events, begin, end).items()},
        "operations": {name: sum(operations(model)[kind] for kind in kinds) for name, kinds in WORK.items()},
    }


def by_group(ops):
    """Counter of group to seconds, from seconds by operation."""
    found = Counter()
    for op, seconds in ops.items():
        found[group(op)] += seconds
    return found


def table(name, found, product):
    """A model's groups as text: µs an image, share, and GFLOP/s where there is arithmetic."""
    images, groups = found["images"], by_group(found["ops"])
    lines = [f"{name}: µs an image, share of the step, GFLOP/s (a matrix product: {product:.0f})"]
    for part in (*GROUPS, BETWEEN):
        seconds = groups[part]
        flops = found["operations"].get(part)
        rate = f"{flops * images / seconds / 1e9:8.1f}" if flops and seconds else ""
        lines.append(f"  {part:34} {1e6 * seconds / images:8.1f} {seconds / found['seconds']:7.1%} {rate}")
    whole, timed = (1e6 * found[key] / images for key in ("seconds", "timed"))
    lines.append(f"  {'a step':34} {whole:8.1f}  100.0%  (an epoch without the profiler: {timed:.1f})")
    return "\n".join(lines)


def main():
    """Profile the models named on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--images", type=int, default=6000, help="of the sample's (default: all 6,000)")
    parser.add_argument("--keras", action="store_true", help="Keras' own layers in place of the project's")
    parser.add_argument("--ops", type=int, default=0, help="show so many of the longest operations")
    parser.add_argument("--json", action="store_true", help="one line of JSON in place of the tables")
    given = parser.parse_args()
    environment = ONE_THREAD | KERNEL_ENVIRONMENT
    if not environment.keys() <= os.environ.keys():  # glibc reads its part when a process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], environment | os.environ)
    sys.argv[1:] = ["--how", "project"]  # for keras_script: not TensorFlow's own defaults
    found = {name: profile(name, given.images, given.keras) for name in given.models}
    import floor

    product = max(floor.rates().values())
    if given.json:
        for one in found.values():
            one["groups"] = by_group(one.pop("ops"))
        print(json.dumps({"product": product, "models": found}))
        return
    for name, one in found.items():
        print(table(name, one, product))
        for op in sorted(one["ops"], key=one["ops"].get, reverse=True)[: given.ops]:
            print(f"    {1e6 * one['ops'][op] / one['images']:8.1f}  {op}")


if __name__ == "__main__":
    main()
