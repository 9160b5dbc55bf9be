"""Lambda handler of `ensemble-model-engine`."""

from __future__ import annotations

from lambdas.ensemble_model_engine.candidate import fit_candidate, recommend
from lambdas.ensemble_model_engine.folds import fit_fold, tune
from lambdas.runtime.step import engine_handler

handler = engine_handler(tune, fit_fold, fit_candidate, recommend)
