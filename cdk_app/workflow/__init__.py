"""The two state machines, a stage a fragment. Events and results are the contracts of `lambdas.contracts`."""
