"""Plots of a run as bytes: SVG of drawings, PNG of photographs. Same input, same bytes."""
