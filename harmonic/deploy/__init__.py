"""A trained network outside the pipeline: export, small files, answers for single images.

`inputs`, `predictor` and `answers` need no torch, pandas or scikit-learn.
"""
