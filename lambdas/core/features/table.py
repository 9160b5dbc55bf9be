"""The table of all features in docs/features.md, from the registry: `python -m lambdas.core.features.table PAGE`."""

from __future__ import annotations

import sys
from pathlib import Path

from lambdas.core.features.feature import FAMILIES, RANK_SUFFIX, Feature
from lambdas.core.features.registry import FEATURES

BEGIN, END = "<!-- features:begin -->", "<!-- features:end -->"


def feature_tables() -> str:
    """Markdown: how many features and columns there are, and a table of each family."""
    columns = sum(len(feature.columns) for feature in FEATURES)
    parts = [f"{len(FEATURES)} features in {columns} columns."]
    for family in FAMILIES:
        members = [feature for feature in FEATURES if feature.family == family]
        parts += [f"### {family.capitalize()}: {len(members)}", "\n".join([*_HEAD, *map(_row, members)])]
    return "\n\n".join(parts)


def rendered(page: str) -> str:
    """Page with the tables between its two markers replaced.

    Raises
    ------
    ValueError
        If the markers do not stand there once each, in their order.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"the page must hold {BEGIN} and, after it, {END} once each")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    return f"{before}{BEGIN}\n{feature_tables()}\n{END}{after}"


_HEAD = (
    "| name | definition | unit | lookback | source | needs | columns |",
    "| --- | --- | --- | ---: | --- | --- | --- |",
)


def _row(feature: Feature) -> str:
    needs = ", ".join(f"`{need}`" for need in feature.needs) or "prices"
    shape = {(True, False): "same for all", (False, True): f"value, `{RANK_SUFFIX}`", (False, False): "value"}
    cells = (
        f"`{feature.name}`",
        feature.definition,
        feature.unit,
        str(feature.lookback),
        feature.source,
        needs,
        shape[feature.market_wide, feature.ranked],
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    """Write the tables into the page that is named."""
    page = Path(sys.argv[1])
    page.write_text(rendered(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
