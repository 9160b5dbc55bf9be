"""Judges a candidate against the market, its risk limits and the champion."""
