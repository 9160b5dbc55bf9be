"""The evidence report: one page a run, made of recorded numbers alone. Imports neither numpy nor an AWS library."""
