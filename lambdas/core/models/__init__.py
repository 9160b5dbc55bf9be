"""The learners, their tuning and combination, and the artefact. Importing this package imports no learner library."""
