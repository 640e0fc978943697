"""A trained network outside the pipeline: export, small files, answers for single images.

`inputs`, `predictor` and `answers` need no torch, pandas or scikit-learn.
"""

import os

# ONNX Runtime else keeps an id of the machine in the home folder and looks its makers' server up.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
