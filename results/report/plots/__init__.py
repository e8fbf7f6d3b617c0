"""Plots, drawn from tables as SVG."""
