"""The candidate against the market, against chance and against the champion."""
