"""What `amts simulate` found, kept as numbers, and as the tables and the picture of docs/simulation.md."""
