"""How a deployed model really does: outcomes of what it published, live performance, drift, and the live gate."""
