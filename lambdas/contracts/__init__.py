"""Pydantic models of every event, result and stored record: the public API of the steps."""
