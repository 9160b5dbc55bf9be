"""Lambda handler of `backtesting-engine`."""

from __future__ import annotations

from lambdas.backtesting_engine.calendar_day import calendar
from lambdas.backtesting_engine.evaluating import evaluate, plan
from lambdas.backtesting_engine.settling import settle
from lambdas.backtesting_engine.shadow import judge
from lambdas.runtime.step import engine_handler

handler = engine_handler(plan, evaluate, calendar, settle, judge)
