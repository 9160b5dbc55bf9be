"""How fast the engine is beside its peers: in one run, on one machine, results equal before times are compared."""
