"""What is measured rather than tested: how often the gates err, and how fast the engine is beside its peers."""
