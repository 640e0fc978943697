"""python -m studies leak: what photographs of one lesion on both sides of a split add."""

import argparse

from studies.commands.run import add_places, places_of


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "leak",
        help="train with and without other photographs of the test lesions",
        description="Both arms answer the same test images after training on as many images of "
        "each class and as many lesions, from the same seeds. The page is made by "
        "`python -m studies pages leak.md`.",
    )
    add_places(parser)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each arm (3)")
    parser.add_argument("--epochs", type=int, default=15, help="passes over the training set (15)")
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage (16)")
    parser.add_argument("--image-size", type=int, default=64, help="pixels (64)")
    parser.add_argument("--design-seed", type=int, default=0, help="of the draw of the sets (0)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from studies.data import all_images, digest_with_sets, overridden
    from studies.leak.design import leak_design
    from studies.leak.trial import ARMS, do, planned

    places = places_of(options)
    overrides = {
        "source": "archive",
        "remove_hair.method": "none",
        "evaluate.views": 1,
        "train.network": "small",
        "train.width": options.width,
        "epochs": options.epochs,
        "image_size": options.image_size,
    }
    params = overridden(overrides | {"archive": str(places.archive)})
    images, data = all_images(places.work, params)
    design = leak_design(data.groups, data.labels, seed=options.design_seed)
    table = images.with_name(f"leak-{options.design_seed}.csv")
    digest = digest_with_sets(images, data, design.sets(len(data.labels)), table)
    for seed in range(options.seeds):
        for arm in ARMS:
            one = planned(arm, seed, overrides, options.design_seed)
            print(f"leak {one.name}: {do(one, data, design, digest, places)}", flush=True)
