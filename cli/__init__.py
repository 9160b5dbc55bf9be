"""The console script `amts`, and the local AWS it can start."""
