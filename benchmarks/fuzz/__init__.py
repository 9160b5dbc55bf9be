"""Hostile inputs, many of them: contracts and readers answer with their own errors, write nothing, stay in memory.

`python -m benchmarks.fuzz` runs it; the targets are in `targets`, the coverage-guided half in `guided`.
"""
