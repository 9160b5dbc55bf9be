"""How numbers are written: always with their unit, never with more digits than they carry."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

Write = Callable[[float], str]

SPACE = "\u00a0"
"""A number and its unit stay on one line."""
MINUS = "\u2212"
UNKNOWN = "not measured"


def percent(value: float) -> str:
    r"""Write a share or a return.

    Examples
    --------
    >>> percent(0.62512), percent(-0.034), percent(1.0), percent(-0.00042)
    ('62.5\xa0%', '−3.4\xa0%', '100\xa0%', '0.0\xa0%')
    """
    hundred = value * 100
    digits = 0 if abs(hundred) >= 1000 or hundred == 100 else 1
    return f"{_signed(f'{hundred:,.{digits}f}') if round(hundred, digits) else '0.0'}{SPACE}%"


def probability(value: float) -> str:
    r"""Write a probability: one that is not 1 is never written as 100 %.

    Examples
    --------
    >>> probability(0.99998), probability(0.577), probability(1.0)
    ('> 99.9\xa0%', '57.7\xa0%', '100\xa0%')
    """
    return f"> 99.9{SPACE}%" if 0.9995 <= value < 1.0 else percent(value)


def points(value: float) -> str:
    r"""Write a difference of two percentages, with its sign.

    Examples
    --------
    >>> points(0.043), points(-0.0012), points(0.0)
    ('+4.3\xa0pts', '−0.1\xa0pts', '0.0\xa0pts')
    """
    hundred = value * 100
    text = f"{hundred:+,.1f}" if round(hundred, 1) else "0.0"
    return f"{_signed(text)}{SPACE}pts"


def ratio(value: float) -> str:
    """Write a ratio without a unit: Sharpe, beta.

    Examples
    --------
    >>> ratio(1.3649), ratio(-0.5), ratio(-0.001)
    ('1.36', '−0.50', '0.00')
    """
    return _signed(f"{value:.2f}" if round(value, 2) else "0.00")


def correlation(value: float) -> str:
    """Write a rank IC or a correlation: three decimals, because the second is where they live.

    Examples
    --------
    >>> correlation(0.0421), correlation(-0.2)
    ('0.042', '−0.200')
    """
    return _signed(f"{value:.3f}" if round(value, 3) else "0.000")


def p_value(value: float) -> str:
    """Write a p-value: one that was drawn is never 0.

    Examples
    --------
    >>> p_value(0.0421), p_value(0.0002)
    ('0.042', '< 0.001')
    """
    return f"{value:.3f}" if value >= 0.0005 else "< 0.001"


def count(value: float) -> str:
    """Write how many.

    Examples
    --------
    >>> count(18234), count(3.0), count(6.5)
    ('18,234', '3', '7')
    """
    return f"{math.floor(value + 0.5):,}"


def sessions(value: float) -> str:
    """Write a number of trading days."""
    return f"{count(value)}{SPACE}session{'' if value == 1 else 's'}"


def percentile(value: float) -> str:
    """Write a place among others, 0 to 100.

    Examples
    --------
    >>> percentile(86.607), percentile(100.0), percentile(1.2), percentile(22.4), percentile(11.0), percentile(99.8)
    ('87th', '100th', '1st', '22nd', '11th', '99th')
    """
    # Better than all others alone is the 100th.
    whole = 99 if 99.0 <= value < 100.0 else math.floor(value + 0.5)
    ending = "th" if 10 <= whole % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(whole % 10, "th")
    return f"{whole}{ending}"


def score(value: float) -> str:
    """Write a score of 0 to 100."""
    return f"{value:.1f}"


def seconds(value: float) -> str:
    r"""Write a duration.

    Examples
    --------
    >>> seconds(0.42), seconds(59.7), seconds(75), seconds(3720)
    ('0.4\xa0s', '1\xa0min 0\xa0s', '1\xa0min 15\xa0s', '1\xa0h 2\xa0min')
    """
    if value < 10:
        return f"{value:.1f}{SPACE}s"
    whole = round(value)
    if whole < 60:
        return f"{whole}{SPACE}s"
    if whole < 3600:
        return f"{whole // 60}{SPACE}min {whole % 60}{SPACE}s"
    return f"{whole // 3600}{SPACE}h {whole % 3600 // 60}{SPACE}min"


def dollars(value: float) -> str:
    r"""Write a cost.

    Examples
    --------
    >>> dollars(0.00123), dollars(0.4567), dollars(12.3)
    ('0.0012\xa0USD', '0.457\xa0USD', '12.30\xa0USD')
    """
    digits = 2 if value >= 1 else 3 if value >= 0.01 else 4
    return f"{value:,.{digits}f}{SPACE}USD"


def megabytes(value: float) -> str:
    r"""Write a number of bytes.

    Examples
    --------
    >>> megabytes(255_400_000), megabytes(1_500), megabytes(0)
    ('255.4\xa0MB', '< 0.1\xa0MB', '0.0\xa0MB')
    """
    mega = value / 1e6
    return f"< 0.1{SPACE}MB" if 0 < mega < 0.05 else f"{mega:,.1f}{SPACE}MB"


def short(written: str) -> str:
    """Drop decimals that say nothing, of a number that a person chose.

    Examples
    --------
    >>> short("60.0 %"), short("+2.0 pts"), short("1.00"), short("62.5 %"), short("0.050")
    ('60 %', '+2 pts', '1', '62.5 %', '0.05')
    """
    return re.sub(r"(\d)\.0+(?!\d)|(\.\d*[1-9])0+(?!\d)", r"\1\2", written)


def told(sentence: str) -> str:
    r"""Write the numbers in a sentence that was recorded as plain text as the page writes its own.

    Examples
    --------
    >>> told("It returned -3.3 points, +8.7% a year, from 2017-01-03.")
    'It returned −3.3 points, +8.7\xa0% a year, from 2017-01-03.'
    """
    return re.sub(r"(?<=\d)%", f"{SPACE}%", re.sub(r"(?<![\w-])-(?=\d)", MINUS, sentence))


def known(value: float | None, write: Write, otherwise: str = UNKNOWN) -> str:
    """Write a number, or that it could not be measured."""
    return otherwise if value is None or not math.isfinite(value) else write(value)


def _signed(text: str) -> str:
    return text.replace("-", MINUS)
