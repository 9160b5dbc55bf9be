"""Searches, fits and predicts. The one function whose image holds the learners."""
