"""From probabilities to a verdict's numbers: recommendations, the tranche portfolio, metrics and evidence."""
