"""python -m harmonic compare: what differs between runs, and how surely."""

import argparse
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "compare",
        help="what differs between finished runs, with intervals and a verdict",
        description="Groups runs into arms, pairs them over seeds and lesions, and says what "
        "differs: means, paired differences with 95 % intervals, McNemar's test, a verdict.",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="folder of a run, folder of many (results/runs/small), DVC experiment or revision",
    )
    parser.add_argument("--by", help="group by these parameters, e.g. model,train.level")
    parser.add_argument("--reference", metavar="ARM", help="the arm to hold others against (cnn)")
    parser.add_argument("--only", metavar="TEXT", help="runs of this study or data")
    parser.add_argument("--arms", help="runs of these arms, in this order, comma between")
    parser.add_argument("--metrics", help="names in metrics.json, comma between; verdict: first")
    parser.add_argument("--truth", type=Path, help="CSV (image, lesion_id, dx) for bare folders")
    parser.add_argument("--resamples", type=int, default=2000, help="of the bootstrap (2000)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write it there")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="also draw it there")
    parser.add_argument("--force", action="store_true", help="replace what is there already")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from harmonic.errors import printable
    from harmonic.evaluation.run_files import files_read
    from harmonic.files import check_outputs, write_bytes, write_text

    check_outputs(
        [("--markdown", options.markdown), ("--plot", options.plot)],
        used=files_read(options.runs, options.truth),
        force=options.force,
    )
    if options.plot is not None and options.plot.suffix != ".svg":
        raise ValueError(f"--plot {options.plot}: must end in .svg")
    from harmonic.evaluation.bootstrap import check_resamples
    from harmonic.evaluation.comparison import compare, shared_metrics
    from harmonic.evaluation.comparison_text import comparison_text
    from harmonic.evaluation.runs import read_runs

    check_resamples("--resamples", options.resamples)
    runs = read_runs(options.runs, options.truth)
    if options.only is not None:
        runs = [one for one in runs if options.only in named(one.test_set)]
        if not runs:
            raise ValueError(f"--only {options.only}: the study or data of no run")
    if options.arms is not None:
        wanted = options.arms.split(",")
        there = {one.traits.get("arm") for one in runs}
        if missing := [arm for arm in wanted if arm not in there]:
            known = ", ".join(sorted(filter(None, there))) or "none"
            raise ValueError(f"--arms {', '.join(missing)}: no run of it; there are: {known}")
        runs = [one for arm in wanted for one in runs if one.traits.get("arm") == arm]
    metrics = shared_metrics(runs, options.metrics.split(",") if options.metrics else None)
    sections = compare(
        runs,
        by=options.by.split(",") if options.by else (),
        reference=options.reference,
        metrics=metrics,
        resamples=options.resamples,
    )
    lines = comparison_text(sections, metrics).splitlines()  # arms and runs are named from outside
    text = "".join(f"{printable(line)}\n" for line in lines)
    print(text, end="")
    if options.markdown is not None:
        write_text(options.markdown, text)
    if options.plot is not None:
        from harmonic.evaluation.plots.differences import comparison_plot

        section = max(sections, key=lambda one: sum(len(arm.runs) for arm in one.arms))
        arms = [(arm.name, arm.values(metrics[0])) for arm in section.arms]
        differences = [
            (pair.arm, found.value, None if found.too_few else found.interval, found.told)
            for pair in section.pairs
            if (found := pair.judged) is not None
        ]
        drawing = comparison_plot(section.test_set, metrics[0], arms, differences)
        write_bytes(options.plot, drawing)


def named(test_set: str) -> list[str]:
    """Study and data of "small, data 0123abc", as runs of a study name their test sets."""
    return [test_set, *test_set.split(", data ")]
