"""`python -m fmnist_keras`: what the Makefile and the Snakefile call.

data                          find or fetch Fashion-MNIST and verify it
run MODEL --suite S --seed K  one model: its notebook, its page, its folder
report SUITE                  the report notebook of a suite, and its page
export MODEL --format F       a trained model in another format, with a model card
claims SUITE                  the paper's claims, judged again, and written to claims.json
readme                        cuadro III in README.md, from the runs in reports/paper
badges                        badges to Colab and Binder in README.md, once it is published
"""

import argparse
import sys

from . import badges, data, jobs, params, runs, safety

MARKS = ("<!-- cuadro III: make readme -->", "<!-- end -->")


def readme():
    """Write cuadro III, from the runs in `reports/paper`, between its two marks in README.md."""
    from . import report, tables

    path = runs.ROOT / "README.md"
    before, rest = path.read_text().split(MARKS[0])
    table = tables.readme_table(report.by_model("paper", "classifier"))
    path.write_text(f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{rest.split(MARKS[1])[1]}")


def main(arguments=None):
    """Parse the command line and do what it says; errors are one sentence and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m fmnist_keras", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("data", help="find or fetch Fashion-MNIST and verify it")
    one = commands.add_parser("run", help="train and evaluate one model of a suite")
    one.add_argument("model")
    one.add_argument("--suite", default="sample")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--parent", type=int, help="a process to end with, when it is the parent")
    away = commands.add_parser("export", help="a trained model in another format, with a model card")
    away.add_argument("model")
    away.add_argument("--format", choices=("keras", "saved_model", "onnx"), default="keras")
    away.add_argument("--suite", help="the first of paper, sample and scratch that has its weights")
    away.add_argument("--seed", type=int, default=0)
    away.add_argument("--out", default="exports", help="a folder (default: exports)")
    judged = commands.add_parser("claims", help="the paper's claims, judged by the runs of a suite")
    judged.add_argument("suite", nargs="?", default="paper")
    commands.add_parser("readme", help="cuadro III in README.md, from reports/paper")
    public = commands.add_parser("badges", help="badges to Colab and Binder, in README.md and the notebooks")
    public.add_argument("--repository", help="owner/name on GitHub (default: the git remote origin)")
    whole = commands.add_parser("report", help="make the report of a suite")
    whole.add_argument("suite")
    whole.add_argument("--parent", type=int, help="a process to end with, when it is the parent")
    given = parser.parse_args(arguments)
    try:
        if given.command == "data":
            source, arrays = data.find("full")
            print(f"Fashion-MNIST from {source}")
            for name, array in arrays.items():
                print(f"  {name}  {array.shape}  SHA-256 {data.SHA256['full'][name][:16]}…  verified")
        elif given.command == "run":
            safety.end_cleanly(given.parent)
            jobs.run(given.model, given.suite, given.seed)
        elif given.command == "claims":
            from . import report

            for row in report.judge(given.suite):
                print(f"{row['claim']:4} {row['verdict']:21} {row['statement']}: {row['number']}")
        elif given.command == "export":
            params.check_backend()
            from . import export, inference

            folder = inference.find_run(given.model, given.suite, given.seed)
            path, difference = export.export(folder, given.format, given.out)
            print(f"{path}: differs from its original by {difference:.1e} on {export.PARITY_IMAGES} images")
        elif given.command == "readme":
            readme()
        elif given.command == "badges":
            badges.write(badges.repository(given.repository))
        else:
            safety.end_cleanly(given.parent)
            jobs.report(given.suite)
    except (data.DataError, params.ParamsError, runs.RunError, badges.NoAddress, jobs.JobFailed) as error:
        sys.exit(f"error: {error}")
    except OSError as error:  # it names the file or folder that is not as it should be
        sys.exit(f"error: {safety.disk_full(error) or error}")


if __name__ == "__main__":
    main()
