"""`python -m fmnist_keras`: what the Makefile and the Snakefile call; `--help` lists the commands."""

import argparse
import gc
import os
import sys

from . import data, params, runs
from ._sources import is_fashion_mnist
from .workflow import execute, experiments, files, progress, signals

RUN = "its name (the run finished last), suite/model, suite/model/seed_0, or the folder of its run"
OWN_PICTURES = (
    "A picture of 28x28 is taken as it is; a larger one is cut out, made light on black and fitted "
    "to 28 pixels, as Fashion-MNIST's are: the data that this model knows may need other pictures."
)


def main(arguments=None):
    """Parse the command line and do what it says; errors are one sentence and exit status 1."""
    progress.fall_back_to_plain_characters()
    options = _parser().parse_args(arguments)
    execute.settle_home()
    os.environ.update(execute.kernel_environment())  # before TensorFlow is imported, which talks
    try:
        options.command(options)
    except (data.DataError, params.ParamsError, runs.RunError, execute.JobFailed) as error:
        sys.exit(f"error: {error}")
    except OSError as error:  # it names the file or folder that is not as it should be
        sys.exit(f"error: {execute.disk_full(error) or error}")


def _parser():
    what = "Commands that the Makefile and the Snakefile call."  # python -OO leaves no docstring
    parser = argparse.ArgumentParser(prog="python -m fmnist_keras", description=what)
    commands = parser.add_subparsers(required=True)

    def add(command, text):
        one = commands.add_parser(command.__name__.strip("_"), help=text)
        one.set_defaults(command=command)
        return one

    add(_data, "find or fetch Fashion-MNIST and verify it")
    run = add(_run, "train and evaluate one model of a suite")
    run.add_argument("run", help="a run's file, *.yaml, as the engine writes it; or the name of a model")
    run.add_argument("--suite", default="sample")
    run.add_argument("--seed", type=int, default=0)
    study = add(_study, "make the page of a study")
    study.add_argument("name")
    study.add_argument("--suite", default="sample")
    report = add(_report, "make the report of a suite")
    report.add_argument("suite")
    for job in (run, study, report):
        job.add_argument("--parent", type=int, help="a process to end with, when it is the parent")
    predict = add(_predict, "classify photographs with a trained classifier")
    predict.add_argument("model", help=RUN + "; or an exported .keras file")
    predict.add_argument("pictures", nargs="+", metavar="picture", help="PNG, JPEG, WebP, GIF, BMP or TIFF")
    export = add(_export, "export a trained model to another format, with a model card")
    export.add_argument("model", help=RUN)
    export.add_argument("--format", choices=("keras", "saved_model", "onnx"), default="keras")
    collect = add(_collect, "put the runs of other people's folders into one suite, and make its page")
    collect.add_argument("suite", help="a new name, or one that was collected before")
    collect.add_argument(
        "folders", nargs="+", metavar="folder", help="a checkout, or a folder with runs in it"
    )
    pack = add(_pack, "write a zip of a suite's pages, and of what they link")
    pack.add_argument("suite")
    for one in (export, pack):
        one.add_argument("--out", default="exports", help="a folder (default: exports)")
    claims = add(_claims, "test the paper's claims on the runs of a suite")
    claims.add_argument("suite", nargs="?", default="paper")
    add(_readme, "write Table III and the studies' answers into README.md, from reports/paper")
    return parser


def _data(options):
    source, arrays = data.find("full")
    print(f"Fashion-MNIST from {source}")
    for name, array in arrays.items():
        print(f"  {name}  {array.shape}  SHA-256 {data.SHA256['full'][name][:16]}...  verified")


def _run(options):
    signals.end_cleanly(options.parent)
    if options.run.endswith(".yaml"):
        execute.run_model(files.load(options.run))
    else:
        execute.run_model(experiments.resolve(options.run, options.suite, options.seed))


def _study(options):
    signals.end_cleanly(options.parent)
    execute.make_study(options.name, options.suite)


def _report(options):
    signals.end_cleanly(options.parent)
    execute.make_report(options.suite)


def _predict(options):
    params.check_backend()
    progress.import_keras()
    import numpy as np

    from .tools import photos, predict

    left_out, images = [], {}
    model = runs.find(options.model, say=left_out.append)
    about = predict.data_of(model)
    own = about["sha256"] and not is_fashion_mnist(about["sha256"])
    for picture in options.pictures:
        try:
            images[picture] = photos.to_image(picture, not own)
        except (ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
    if images:
        answers = predict.answer(np.stack([*images.values()]), model)
        for picture, image, probabilities, mirrored in zip(images, *answers):
            said = f", {predict.MIRRORED}" if mirrored else ""
            print(f"{picture}: {about['class_names'][probabilities.argmax()]}{said}")
            print(predict.in_characters(image[..., 0], probabilities, about["class_names"]))
    _say(OWN_PICTURES if own else "")
    _say("".join(left_out))
    if wrong := len(set(options.pictures)) - len(images):
        sys.exit(f"error: {wrong} of {len(options.pictures)} pictures could not be read")


def _export(options):
    params.check_backend()
    progress.import_keras()
    from .tools import export

    left_out = []
    folder = runs.find(options.model, say=left_out.append)
    path, difference = export.export(folder, options.format, options.out)
    print(f"{path}: differs from its original by {difference:.1e} on {export.PARITY_IMAGES} images")
    _say("".join(left_out))


def _collect(options):
    progress.import_keras()
    from .report import attempts
    from .tools import collect

    count, left_out = collect.collect(options.suite, options.folders, attempts.run_page)
    print(f"{attempts.suite_page(options.suite)}: {count} runs collected")
    for reason in left_out:
        _say(f"left out: {reason}")


def _pack(options):
    from .tools import pack

    path, files, dead = pack.pack(options.suite, options.out)
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    print(f"{path}: {files} files, {size}; {dead} links to other files became text")


def _claims(options):
    from .report import claims, suite

    experiments.check_claims()
    verdicts = claims.of_suite(options.suite)
    for row in verdicts[verdicts.get("decides", [])].itertuples():
        print(f"{row.claim:4} {row.verdict:16} {row.statement}; {row.part}: {row.found}")
    _say(runs.left_out([f"{name}: {reason}" for name, reason in suite.left_out(options.suite)]))


def _say(sentence):
    """Print a sentence below the results, to the stream that programs which read these do not read."""
    if sentence:
        print(sentence, file=sys.stderr)


def _readme(options):
    from .report import readme

    readme.write()


if __name__ == "__main__":
    gc.set_threshold(500_000)  # TensorFlow's import makes as many objects, which stay: see `execute`
    main()
    gc.freeze()  # or all of them would be looked through once more at the end
