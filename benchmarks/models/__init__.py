"""What the ensemble, its members and simple rules are worth on the same work, what features add, and what it costs."""
