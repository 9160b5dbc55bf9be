"""A year in the life of a deployment: weekly and daily runs, in process, on a market that is replayed day by day."""
