"""Figure 6 of Zoph & Le (2016), read off the paper's vector drawing to about 0.05.

How much lower the average perplexity of the top k unique models is that policy gradient has found
than that of random search, against the number of models run. The drawing runs to 20,800 models,
though the text allows 15,000; it is clipped near 800, where no point could be read.
"""

from __future__ import annotations

from collections.abc import Mapping

NUM_MODELS = 15_000  # of the paper's searches, as section 4.2 says

_FROM_1200 = tuple(range(1200, 20_801, 400))
_FROM_START = (0, 400, *_FROM_1200)


def _curve(models: tuple[int, ...], values: str) -> tuple[tuple[int, float], ...]:
    return tuple(zip(models, map(float, values.split()), strict=True))


# By k: points of models run and improvement in perplexity.
FIGURE_6: Mapping[int, tuple[tuple[int, float], ...]] = {
    1: _curve(
        _FROM_START,
        "-3.03 -0.18 -0.1 0.42 0.28 1.5 1.16 1.39 2.73 5.29 5.54 3.5 4.17 4.32 3.8 3.84 4.85 "
        "4.44 3.76 6.91 4.7 4.13 3.36 3.78 6.82 6.87 6.38 5.98 6.55 6.94 6.65 7.37 7.7 7.39 "
        "7.66 7.1 8.45 8.28 8.2 8.2 9.74 9.75 9.04 10.0 8.76 8.44 9.28 10.05 9.02 9.49 9.8 "
        "9.69",
    ),
    5: _curve(
        _FROM_START,
        "1.07 7.92 7.39 9.02 9.05 10.29 10.17 10.79 11.55 12.34 11.65 12.08 12.11 12.37 12.01 "
        "12.19 13.06 12.78 12.69 14.08 12.82 13.13 12.52 12.9 14.63 14.37 14.57 14.35 14.62 "
        "14.91 15.19 15.35 16.38 16.96 16.44 16.4 17.59 17.41 17.56 17.41 18.72 18.91 18.19 "
        "18.53 18.31 18.07 18.4 18.79 18.53 18.85 18.66 18.84",
    ),
    15: _curve(
        _FROM_1200,
        "9.7 20.11 21.62 23.23 23.24 23.83 24.92 24.97 24.54 25.16 25.07 25.21 25.22 25.47 "
        "26.03 25.78 25.94 26.34 26.05 26.29 26.03 26.33 27.0 27.09 27.56 27.37 27.56 27.64 "
        "27.81 27.84 28.58 29.66 29.15 29.47 30.51 30.75 31.02 31.03 31.81 31.92 31.89 31.89 "
        "31.95 31.82 32.03 32.25 32.25 32.39 32.3 35.56",
    ),
}
