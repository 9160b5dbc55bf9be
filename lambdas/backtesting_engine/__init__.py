"""Plans walk-forward folds, judges out-of-sample predictions, and settles what was recommended."""
