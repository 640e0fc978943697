"""python -m studies post-protocol: the blog post's protocol, rebuilt and taken apart."""

import argparse

from studies.commands.run import add_places, places_of


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "post-protocol",
        help="train and test as the blog post of 2019 did, and see what it left out of sight",
        description="Two independent draws for training and test, epoch chosen on the test draw. "
        "The page is made by `python -m studies pages post_protocol.md`.",
    )
    add_places(parser)
    parser.add_argument("--draws", type=at_least_one, default=2, help="pairs of draws (2)")
    parser.add_argument("--epochs", type=at_least_one, default=40, help="the post had 300 (40)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (auto)")
    parser.set_defaults(run=run)


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed is 1 or more")
    return int(text)


def run(options: argparse.Namespace) -> None:
    import numpy as np

    from studies.data import all_images, digest_with_sets
    from studies.post_protocol.protocol import do, planned

    places = places_of(options)
    images, data = all_images(places.work, planned(0, options.epochs).params(places.archive))
    table = images.with_name("post_protocol.csv")
    digest = digest_with_sets(images, data, np.full(len(data.labels), "all"), table)
    for draw in range(options.draws):
        one = planned(draw, options.epochs)
        print(f"post-protocol {one.name}: {do(one, data, digest, options.device, places)}")
