"""Exact tests of two kinds of network on the same lesions, and from how few nothing can follow.

If both kinds are alike, a lesion's answers might as well have come from the other one. Exchanging
them for any set of lesions gives differences as probable as the one seen, and p is the share of
those that are as large. Only lesions that the two answer differently matter: with n of them there
are 2^n differences in pairs of opposite sign, so p is 2 / 2^n at the least.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from harmonic.data.classes import CLASSES
from harmonic.evaluation.answers import lesion_means, lesion_sums
from harmonic.evaluation.bootstrap import in_parts
from harmonic.evaluation.weighted import STATISTICS, Statistic, sensitivity_of

SAME = 1e-12
"""Differences closer than this are the same, but for the order of sums."""

EXCHANGES = 2000
"""Drawn for the exact test where there are more; so up to 11 lesions that differ, all are tried."""

FEWER_EXCHANGES = 500
"""For rows of a table that are no verdict: the test takes longer than the bootstrap."""

OF_RIGHT_ANSWERS = [
    STATISTICS[name] for name in ("balanced_accuracy", "accuracy", "weighted_recall")
]
OF_ANSWERS = [STATISTICS[name] for name in ("macro_f1", "weighted_precision", "weighted_f1", "mcc")]
"""Statistics that only count right answers, and those that only look at the answers."""
OF_ONE_CLASS = {sensitivity_of(label): label for label in range(len(CLASSES))}
"""Statistics that only count right answers to the images of one class."""


def fewest_differing(alpha: float) -> int:
    """The least number n of lesions answered differently with 2 / 2^n <= alpha: 6 for 0.05."""
    number = 1
    while 2 * 0.5**number > alpha * (1 + 1e-9):  # 1 - 0.95 is a little more or less than 0.05
        number += 1
    return number


def differing_lesions(
    labels: NDArray[np.int64],
    lesions: Sequence[str] | NDArray,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    statistic: Statistic | None = None,
) -> list[str]:
    """The lesions that the two kinds, probabilities (S, n, 7), answer differently, by id.

    For a share of right answers, those right more often in one kind, of the class alone where it
    is of one; for other figures of the answers, those with another answer; for all else, those with
    other probabilities.
    """
    ids = np.asarray(lesions).astype(str)

    def facts(p: NDArray[np.float64]) -> NDArray[np.float64]:
        if statistic in OF_RIGHT_ANSWERS or statistic in OF_ONE_CLASS:
            counted = labels == OF_ONE_CLASS.get(statistic, labels)
            found = (counted & (p.argmax(axis=2) == labels)).sum(axis=0)[:, None]
        elif statistic in OF_ANSWERS:
            found = np.eye(p.shape[2])[p.argmax(axis=2)].sum(axis=0)
        else:
            found = np.moveaxis(p, 0, 1).reshape(len(ids), -1)
        return lesion_sums(ids, found)[0]

    apart: list[str] = np.unique(ids)[(facts(first) != facts(second)).any(axis=1)].tolist()
    return apart


def exchange_test(
    labels: NDArray[np.int64],
    lesions: Sequence[str] | NDArray,
    pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    statistic: Statistic,
    apart: Sequence[str],
    *,
    seed: int,
    exchanges: int = EXCHANGES,
) -> float:
    """p of the mean difference under exchange of the two kinds' answers, lesion by lesion.

    The answers of all seeds and photographs of a lesion are exchanged together, those of the
    lesions `apart` alone, as nothing changes with the others. All exchanges are tried where there
    are at most `exchanges`, else so many of them, drawn with `seed`, and the one that was seen.
    """
    if len(apart) == 0:
        return 1.0
    free = len(apart) - 1  # exchanging all lesions only turns the sign: the last one may stay
    if 2**free <= exchanges:
        drawn = (np.arange(2**free)[:, None] >> np.arange(free)) & 1
    else:
        random = np.random.default_rng([seed, 2])  # neither stream of the bootstrap
        drawn = random.integers(2, size=(exchanges + 1, free))
        drawn[0] = 0
    known = np.tile(labels, 2)
    place = {name: number for number, name in enumerate(apart[:-1])}
    columns = np.array([place.get(name, free) for name in np.asarray(lesions).astype(str).tolist()])
    means = []
    for some in in_parts(drawn.astype(np.float64)):
        stays = 1.0 - np.concatenate([some, np.zeros((len(some), 1))], axis=1)
        taken = stays[:, columns]
        of_first = np.concatenate([taken, 1 - taken], axis=1)
        found = [
            statistic(known, both, 1 - of_first) - statistic(known, both, of_first)
            for both in (np.concatenate(pair) for pair in pairs)
        ]
        means.append(np.mean(found, axis=0))
    sizes = np.abs(np.concatenate(means))
    return float((sizes >= sizes[0] - SAME).mean())


def only_one_right(
    labels: ArrayLike, lesions: Sequence[str] | NDArray, first: ArrayLike, second: ArrayLike
) -> tuple[int, int, float]:
    """McNemar's exact test, a lesion a case: right by the first alone, by the second alone, p.

    A lesion is answered by the highest mean probability over its images. p is two-sided, and 1
    where the answers agree everywhere.
    """
    _, place = np.unique(np.asarray(lesions).astype(str), return_index=True)
    of_lesions = np.asarray(labels)[place]
    one, other = (
        lesion_means(lesions, np.asarray(rows)).argmax(axis=1) == of_lesions
        for rows in (first, second)
    )
    first_alone, second_alone = int((one & ~other).sum()), int((other & ~one).sum())
    cases = first_alone + second_alone
    p = float(stats.binomtest(first_alone, cases).pvalue) if cases else 1.0
    return first_alone, second_alone, p
