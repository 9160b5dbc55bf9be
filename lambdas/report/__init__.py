"""The evidence report: one page a run, made of recorded numbers alone. Imports neither numpy nor an AWS library."""

PAGE = "report.html"
"""Name of a run's page in its folder; the list of runs stands beside the folders."""
