"""The seven diagnoses of HAM10000, in the column order of the ISIC 2018 task 3 scorer."""

CLASSES = ("mel", "nv", "bcc", "akiec", "bkl", "df", "vasc")
"""Class n of every label array, probability column and network output is CLASSES[n]."""

CLASS_NAMES = {
    "mel": "melanoma",
    "nv": "melanocytic nevus",
    "bcc": "basal cell carcinoma",
    "akiec": "actinic keratosis / Bowen's disease",
    "bkl": "benign keratosis",
    "df": "dermatofibroma",
    "vasc": "vascular lesion",
}
