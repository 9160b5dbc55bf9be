"""Lambda handler of `fundamental-data-enrichment`."""

from __future__ import annotations

from lambdas.fundamental_data_enrichment.building import build
from lambdas.fundamental_data_enrichment.collecting import collect
from lambdas.runtime.step import engine_handler

handler = engine_handler(collect, build)
