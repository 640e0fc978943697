"""predictions.csv against the scorer of the ISIC challenge itself.

The scorer needs pandas below 3, so it lives in an environment of its own:

    python3 -m venv /tmp/isic && /tmp/isic/bin/pip install isic-challenge-scoring "pandas<3"
    ISIC_SCORING_PYTHON=/tmp/isic/bin/python pytest tests/evaluation/test_isic_scorer.py
"""

import json
import os
import subprocess

import numpy as np
import pytest

from harmonic.data.classes import CLASSES
from harmonic.evaluation.metrics import headline_metrics, per_class_table
from harmonic.evaluation.predictions import HEADER, write_predictions

PYTHON = os.environ.get("ISIC_SCORING_PYTHON")

SCORE = """
import json, sys
from pathlib import Path
from isic_challenge_scoring.classification import ClassificationMetric, ClassificationScore
score = ClassificationScore.from_file(
    Path(sys.argv[1]), Path(sys.argv[2]), ClassificationMetric.BALANCED_ACCURACY
)
areas = {name: float(row["auc"]) for name, row in score.per_category.iterrows()}
print(json.dumps({"balanced_accuracy": float(score.overall), "auc": areas}))
"""


@pytest.mark.skipif(PYTHON is None, reason="needs ISIC_SCORING_PYTHON, an interpreter with it")
def test_the_official_scorer_gives_the_same_figures(drawn, tmp_path):
    ids = [f"ISIC_{number:07d}" for number in range(len(drawn.labels))]
    write_predictions(tmp_path / "predictions.csv", ids, drawn.balanced)
    truth = np.eye(len(CLASSES))[drawn.labels]
    lines = [
        ",".join([one, *(f"{x:.1f}" for x in row)]) for one, row in zip(ids, truth, strict=True)
    ]
    (tmp_path / "truth.csv").write_text("\n".join([",".join(HEADER), *lines]) + "\n")
    result = subprocess.run(
        [str(PYTHON), "-c", SCORE, str(tmp_path / "truth.csv"), str(tmp_path / "predictions.csv")],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(result.stdout.splitlines()[-1])
    expected = headline_metrics(drawn.labels, drawn.balanced, drawn.natural)
    assert found["balanced_accuracy"] == pytest.approx(expected["balanced_accuracy"], abs=1e-6)
    areas = per_class_table(drawn.labels, drawn.balanced).set_index("class").auc
    for name in CLASSES:
        assert found["auc"][name.upper()] == pytest.approx(areas[name], abs=1e-6), name
