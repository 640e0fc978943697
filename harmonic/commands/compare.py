"""python -m harmonic compare: what differs between runs, and how surely."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


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
        help="folder of a run, folder of many (results/runs/small), DVC experiment or revision; "
        "or a pattern of folders or experiments ('cnn-*')",
    )
    parser.add_argument("--by", help="group by these parameters, e.g. model,train.level")
    parser.add_argument("--reference", metavar="ARM", help="the arm to hold others against (cnn)")
    parser.add_argument("--only", metavar="TEXT", help="runs of this study or data")
    parser.add_argument("--arms", help="runs of these arms, in this order, comma between")
    parser.add_argument("--metrics", help="names of figures, comma between; verdict: first")
    parser.add_argument("--truth", type=Path, help="CSV (image, lesion_id, dx) for bare folders")
    parser.add_argument("--resamples", type=int, default=2000, help="of the bootstrap (2000)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write it there")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="also draw it there")
    parser.add_argument("--force", action="store_true", help="replace what is there already")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from harmonic.errors import printable
    from harmonic.evaluation.arms import checked_grouping
    from harmonic.evaluation.bootstrap import check_resamples
    from harmonic.evaluation.comparison import compare, shared_metrics
    from harmonic.evaluation.comparison_text import comparison_text
    from harmonic.evaluation.run_files import files_read
    from harmonic.evaluation.run_places import matching, places
    from harmonic.evaluation.runs import read_runs
    from harmonic.files import check_outputs, write_bytes, write_text

    check_resamples("--resamples", options.resamples)
    names = [one for name in options.runs for one in matching(name)]
    check_outputs(
        [("--markdown", options.markdown), ("--plot", options.plot)],
        used=files_read(names, options.truth),
        force=options.force,
    )
    if options.plot is not None and options.plot.suffix != ".svg":
        raise ValueError(f"--plot {options.plot}: must end in .svg")

    by = options.by.split(",") if options.by else ()
    wanted = chosen(places(names), options)
    known = read_runs(wanted, options.truth, answers=False)
    metrics = shared_metrics(known, options.metrics.split(",") if options.metrics else None)
    checked_grouping(known, by, options.reference)
    runs = read_runs(wanted, options.truth)
    sections = compare(
        runs, by=by, reference=options.reference, metrics=metrics, resamples=options.resamples
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


def chosen(
    places: Sequence[tuple[str, Mapping[str, Any]]], options: argparse.Namespace
) -> list[str]:
    """Those whose run.json has the study or data --only, and the arms --arms in their order."""
    found = list(places)
    if options.only is not None:
        found = [one for one in found if options.only in (one[1].get("study"), one[1].get("data"))]
        if not found:
            raise ValueError(f"--only {options.only}: the study or data of no run")
    if options.arms is None:
        return [place for place, _ in found]
    wanted = options.arms.split(",")
    there = {str(record["arm"]) for _, record in found if "arm" in record}
    if missing := [arm for arm in wanted if arm not in there]:
        known = ", ".join(sorted(there)) or "none"
        raise ValueError(f"--arms {', '.join(missing)}: no run of it; there are: {known}")
    return [place for arm in wanted for place, record in found if str(record.get("arm")) == arm]
