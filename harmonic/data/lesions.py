"""Which photographs show one lesion: the unit that a split must never divide."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

MANY_IMAGES = 24
"""Of one lesion; in HAM10000 none has more than six."""

# Pairs of photographs that show one lesion under two lesion ids, found with fastdup and confirmed
# by eye: Abhishek, Jain & Hamarneh, "Investigating the Quality of DermaMNIST and Fitzpatrick17k
# Dermatological Image Datasets" (2025), newly_discovered_duplicates. ISIC_00 stands before each.
KNOWN_PAIRS = (
    "33481-33421 33556-32634 29152-33173 29036-27027 27820-28209 27689-32647 30906-24879 "
    "33391-34186 25226-30074 26087-25664 24736-29748 24770-27811 27162-29061 24602-32283 "
    "29625-24629 30000-31392 24437-31299 33374-33417"
)


def known_pairs() -> list[tuple[str, str]]:
    """The 18 pairs of image ids of HAM10000 that show one lesion under two lesion ids."""
    pairs = [pair.split("-") for pair in KNOWN_PAIRS.split()]
    return [(f"ISIC_00{first}", f"ISIC_00{second}") for first, second in pairs]


def lesion_groups(
    image_ids: Sequence[str] | pd.Series,
    lesion_ids: Sequence[str] | pd.Series,
    same_lesion: Sequence[tuple[str, str]],
) -> np.ndarray:
    """Name of the lesion group of each image, shape (N,), dtype str.

    Images belong to one group if they share a lesion id, or if a chain of the pairs in
    `same_lesion` (image ids; pairs with an image that is not there are passed over) joins their
    lesions. A group is named after its first lesion id in alphabetical order.
    """
    lesions, lesion_of_image = np.unique(np.asarray(lesion_ids, dtype=str), return_inverse=True)
    lesion_of = dict(zip(image_ids, lesion_of_image, strict=True))
    links = [
        [lesion_of[image] for image in pair]
        for pair in same_lesion
        if lesion_of.keys() >= set(pair)
    ]
    rows, columns = np.array(links, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(lesions), len(lesions)))
    _, group_of_lesion = connected_components(graph, directed=False)
    # np.unique returned the lesions sorted, so the first of a group is its alphabetical first.
    _, first_lesion = np.unique(group_of_lesion, return_index=True)
    names: np.ndarray = lesions[first_lesion][group_of_lesion][lesion_of_image]
    return names


def doubtful_lesions(metadata: pd.DataFrame) -> list[str]:
    """What speaks against ids of lesions, a line each: several diagnoses, dozens of images."""
    lesions = metadata.groupby("lesion_id")
    findings = {
        "more than one diagnosis": lesions.dx.nunique() > 1,
        f"{MANY_IMAGES} images or more": lesions.size() >= MANY_IMAGES,
    }
    return [
        f"lesion {has.idxmax()} has {what} ({has.sum()} such lesions); is an id one lesion?"
        for what, has in findings.items()
        if has.any()
    ]
