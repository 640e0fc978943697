"""Kaggle's table from the two of the ISIC 2018 challenge, task 3.

The ground truth has one column per class, the other table says which images show one lesion. Age,
sex and localization are not published here and stay missing.
"""

from harmonic.data.classes import CLASSES
from harmonic.data.metadata import COLUMNS, parse_table
from harmonic.data.sources.members import Member
from harmonic.errors import InputError

TRUTH = "ISIC2018_Task3_Training_GroundTruth.csv"
LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"

DX_TYPES = {
    "histopathology": "histo",
    "serial imaging showing no change": "follow_up",
    "single image expert consensus": "consensus",
    "confocal microscopy with consensus dermoscopy": "confocal",
}


def join_tables(truth_file: Member, lesions_file: Member) -> bytes:
    """One row per image, sorted by image_id; raises InputError where the tables do not fit."""
    classes = [name.upper() for name in CLASSES]
    wanted = ["image", "lesion_id", "diagnosis_confirm_type"]
    truth_name, lesions_name = truth_file.name, lesions_file.name
    truth = parse_table(truth_file.read(), truth_name, ("image", *classes))
    lesions = parse_table(lesions_file.read(), lesions_name, wanted)[wanted]
    for name, table in ((truth_name, truth), (lesions_name, lesions)):
        if (twice := table.image[table.image.duplicated()]).any():
            raise InputError(f"{name}: {twice.iloc[0]} has two rows")
    chosen = truth[classes].isin(["1", "1.0"])
    if (wrong := chosen.sum(axis=1) != 1).any():
        raise InputError(
            f"{truth_name}: {truth.image[wrong].iloc[0]} has not exactly one class of 1.0"
        )
    if alone := sorted(set(truth.image) ^ set(lesions.image)):
        raise InputError(
            f"{truth_name} and {lesions_name}: {alone[0]} is in one of them only"
            + (f" (and {len(alone) - 1} more)" if len(alone) > 1 else "")
        )
    table = truth[["image"]].assign(dx=chosen.idxmax(axis=1).str.lower()).merge(lesions, on="image")
    how = table.diagnosis_confirm_type
    table = table.rename(columns={"image": "image_id"}).assign(
        dx_type=how.map(DX_TYPES).fillna(how), age="", sex="unknown", localization="unknown"
    )
    table = table[list(COLUMNS)].sort_values("image_id", ignore_index=True)
    return table.to_csv(index=False, lineterminator="\n").encode()
