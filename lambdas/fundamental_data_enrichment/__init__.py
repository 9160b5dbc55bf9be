"""Collects market data and fundamentals, and builds the feature set that everything later rests on."""
