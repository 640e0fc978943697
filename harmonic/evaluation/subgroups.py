"""The same figures for parts of the test set: by sex, age, body site, and how the truth is known.

A difference between two subgroups may come from their diagnoses rather than from the people, as
each has its own mix of classes; the number of classes stands beside every figure.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers, check_columns
from harmonic.evaluation.bootstrap import resampled_weights, with_interval
from harmonic.evaluation.weighted import STATISTICS, sensitivity_of

FEWEST = 20
"""Images below which no figure is given."""

AGE_BANDS = ((0, 29), (30, 44), (45, 59), (60, 74), (75, 120))
"""Years, both ends included."""

COLUMNS = ("sex", "age", "localization", "dx_type")
"""Columns of data/index.csv; nothing of them is seen by the network."""


def subgroup_table(
    index: pd.DataFrame, answers: Answers, *, resamples: int, seed: int
) -> pd.DataFrame:
    """A row for each value of each of COLUMNS among the test images, in a fixed order.

    Columns: column, value, images, lesions, classes (how many of the seven it holds),
    balanced_accuracy, melanomas (images), melanoma_sensitivity; both figures with `_low` and
    `_high` (95 %, over lesions of the subgroup), under the balanced rule. NaN where there are fewer
    than FEWEST images, of melanoma for the sensitivity.

    index: rows of data/index.csv of the images that are answered, with COLUMNS; InputError where
    one is missing, or a row. resamples, seed: of the bootstrap.
    """
    labels, lesions = answers.labels, answers.lesions
    check_columns(index, COLUMNS, "index")
    if len(index) != len(labels):
        raise InputError(f"index: {len(index)} rows; {len(labels)} images have a label")
    rows = []
    for column in COLUMNS:
        values = age_bands(index.age) if column == "age" else index[column].fillna("").to_numpy(str)
        values = np.where(values == "", "unknown", values)
        for value in np.unique(values):
            mine = values == value
            row = {
                "column": column,
                "value": value,
                "images": int(mine.sum()),
                "lesions": len(np.unique(lesions[mine])),
                "classes": len(np.unique(labels[mine])),
            }
            of_group = (labels[mine], lesions[mine], answers.balanced[mine])
            rows.append(row | _figures(*of_group, resamples, seed))
    return pd.DataFrame(rows)


def age_bands(ages: pd.Series) -> NDArray[np.str_]:
    """The band of AGE_BANDS of each age in years; "" where it is not known."""
    years = pd.to_numeric(ages, errors="coerce").to_numpy(dtype=np.float64)
    bands = np.full(len(years), "", dtype="<U7")
    for low, high in AGE_BANDS:
        bands[(years >= low) & (years < high + 1)] = f"{low}–{high}" if high < 120 else f"{low}+"
    return bands


def _figures(
    labels: NDArray[np.int64],
    lesions: NDArray[np.str_],
    probabilities: NDArray[np.float64],
    resamples: int,
    seed: int,
) -> dict[str, float]:
    melanoma = CLASSES.index("mel")
    melanomas = int((labels == melanoma).sum())
    accuracy = sensitivity = np.full(2, np.nan)
    if len(labels) >= FEWEST:
        drawn = resampled_weights(labels, lesions, resamples=resamples, seed=seed)
        weights = np.concatenate([np.ones((1, len(labels))), drawn])
        accuracy = STATISTICS["balanced_accuracy"](labels, probabilities, weights)
        if melanomas >= FEWEST:
            sensitivity = sensitivity_of(melanoma)(labels, probabilities, weights)
    return {
        **with_interval("balanced_accuracy", accuracy),
        "melanomas": melanomas,
        **with_interval("melanoma_sensitivity", sensitivity),
    }
