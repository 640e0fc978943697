"""How long ONNX Runtime takes for a network, several files in turn."""

import statistics
import time
from collections.abc import Mapping

import numpy as np

from harmonic.deploy.onnx_predictor import OnnxPredictor


def milliseconds(
    predictors: Mapping[str, OnnxPredictor], batch: int, rounds: int
) -> dict[str, float]:
    """Median wall time of one call for a batch of images, by name.

    The networks take turns within each round, and who is first changes with the round, so that
    what else the machine does hits all alike.
    """
    random = np.random.default_rng(0)
    inputs = {
        name: random.standard_normal((batch, 3, size, size), dtype=np.float32)
        for name, size in ((n, one.description.image_size) for n, one in predictors.items())
    }
    seconds: dict[str, list[float]] = {name: [] for name in predictors}
    for round_number in range(rounds + 1):
        for name in list(predictors)[:: 1 if round_number % 2 else -1]:
            started = time.perf_counter()
            predictors[name].run(inputs[name])
            if round_number:  # the first warms up
                seconds[name].append(time.perf_counter() - started)
    return {name: round(1000 * statistics.median(each), 3) for name, each in seconds.items()}
