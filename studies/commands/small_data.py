"""python -m studies small-data: harmonic and plain convolutions with 5 to 80 images a class."""

import argparse
from pathlib import Path

from studies.commands.run import add_places, numbers, places_of


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "small-data",
        help="5 to 80 images a class: search rate and decay, then run every arm",
        description="Without --gem the splits are drawn by lesion; with it they are GEM's, tested "
        "as published and without the images of lesions seen in training. `search` comes before "
        "`run`. The page is made by `python -m studies pages small_data.md`.",
    )
    parser.add_argument("what", choices=["search", "run"])
    add_places(parser)
    parser.add_argument("--gem", type=Path, help="folder of GEM's split files")
    parser.add_argument("--preset", choices=["small", "full"], default="small")
    parser.add_argument("--arms", help="comma-separated; all without")
    parser.add_argument("--k", type=numbers, default=[80], help="images a class (80)")
    parser.add_argument("--seeds", type=numbers, default=[0, 1, 2], help="0,1,2")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from harmonic.data.arrays import data_digest
    from harmonic.data.metadata import read_index
    from harmonic.errors import InputError
    from studies.data import all_images, overridden
    from studies.small_data.arms import ARMS
    from studies.small_data.splits import drawn, published
    from studies.small_data.tasks import PRESETS, do, run_tasks, search_tasks

    arms = options.arms.split(",") if options.arms else list(ARMS)
    for arm in arms:
        if arm not in ARMS:
            raise InputError(f"--arms {arm} is unknown; there are {', '.join(ARMS)}")
    places, size = places_of(options), PRESETS[options.preset].image_size
    base = {"source": "archive", "archive": str(places.archive), "image_size": size}
    images, data = all_images(places.work, overridden(base))
    index = read_index(images.with_name("index.csv"))
    splits = [
        published(index, options.gem, number) if options.gem else drawn(index, number)
        for number in range(3)
    ]
    if options.what == "search":
        tasks = list(search_tasks(options.preset, arms, splits))
    else:
        sizes = (options.seeds, options.k)
        tasks = list(run_tasks(options.preset, arms, splits, *sizes, data.labels, options.runs))
    digest = data_digest(images, images.with_name("split.csv"))
    for number, task in enumerate(tasks, start=1):
        print(f"[{number}/{len(tasks)}] {task.run.study} {task.run.name}: ", end="", flush=True)
        print(do(task, data, digest, places))
