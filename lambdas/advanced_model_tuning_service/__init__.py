"""The coordinator: starts, plans and ends runs, and moves the champion. Needs no numeric library."""
