"""Answers into figures: metrics with intervals, decision rules, comparisons, plots."""
