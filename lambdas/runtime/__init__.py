"""What every handler shares: logger, metrics and tracer, the stores of one invocation, the step decorator."""
