"""How long `make run` will take on this machine, measured by a little of each costly part.

    python -m reproduction.forecast

Silent where the sample has been run here already, and for other sources, whose download decides.
"""

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.harness.exact import compute_exactly, device_of
from stages.harness.params import Params, load_params
from stages.harness.pipeline import outputs, read_pipeline

ANSWERS = 40
"""Network answers for each image of test and validation set: 8 views in `evaluate`, as many in
`report`, one after each of ten epochs and for each of ten variants in `compress`."""


def forecast(params: Params) -> float:
    """Seconds that all stages take together."""
    compute_exactly("train", params)
    began = time.perf_counter()
    import numpy as np
    import torch
    from joblib import cpu_count

    from harmonic.data.arrays import LabelledImages
    from harmonic.images.hair import remove_hair
    from harmonic.learning.batches import channel_statistics, predict_logits
    from harmonic.learning.device import choose_device
    from harmonic.learning.learner import make_learner
    from harmonic.learning.processes import alone
    from harmonic.learning.randomness import generator
    from harmonic.nn.networks import build_network
    from harmonic.sample.phantom import draw_phantom
    from stages.training import conv_of, network_options, recipe_of

    start_up = time.perf_counter() - began
    images = params.download.images
    learned = round(images * (1 - params.split.val - params.split.test))
    steps = params.find_lr.steps + params.epochs * math.ceil(learned / params.batch_size)

    drawn, draw = timed(lambda: draw_phantom("nv", *map(np.random.default_rng, (0, 1))))
    _, clean = timed(lambda: remove_hair(drawn.image, params.remove_hair.method))
    count = 8 * params.batch_size
    side = params.image_size
    pixels = np.random.default_rng(0).integers(256, size=(count, side, side, 3), dtype=np.uint8)
    names, labels = np.arange(count).astype(str), np.arange(count) % 7
    data = LabelledImages(names, pixels, labels, names, np.full(count, "train"))
    device, statistics = choose_device(device_of(params)), channel_statistics(pixels)
    torch.manual_seed(0)
    model = build_network(params.train.network, conv=conv_of(params), **network_options(params))
    learner = make_learner(model, data, statistics, recipe_of(params), alone(device))
    batches = iter(learner.data.epoch(generator(0)))
    _, step = timed(lambda: float(learner.step(next(batches), 1e-6)))
    _, answer = timed(lambda: predict_logits(model, pixels, statistics, device, view_count=1))
    return (
        images * (draw + clean) / cpu_count()
        + steps * step
        + ANSWERS * (images - learned) * answer / count
        + start_up * len(read_pipeline())
    )


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What a work gives, and its seconds: the median of three, after one that warms up."""
    work()
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - began)
    return found, sorted(seconds)[1]


def main() -> int:
    params = load_params(Path("params.yaml"))
    made = [Path(path) for stage in read_pipeline().values() for path in outputs(stage)]
    if params.source != "sample" or all(path.exists() for path in made):
        return 0
    seconds = forecast(params)
    minutes = max(1, round(seconds / 60))
    print(f"The whole takes about {minutes} min here, by what a little of it took just now.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
