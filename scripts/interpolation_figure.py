"""docs/interpolation.png: fits through noisy numbers on a circle, and their risk against n.

    python scripts/interpolation_figure.py --n 10:320:6:log --samples 40 --output interpolation.png

Left: polygon and spiky kernel through the same 16 patterns.  Right: median risk over data sets.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from replicadnn.curves import interpolation
from replicadnn.curves.interpolating import Fit, Kernel, signal
from replicadnn.plot.canvas import figure_legend, panels
from replicadnn.plot.style import line_of, save_figure, sequence, style
from replicadnn.ranges import expand

#: What is drawn: label, order, height of the spike, ridge.
FITS = (
    ("cubic spline", 4, 0.0, 0.0),
    ("polygon", 2, 0.0, 0.0),
    ("polygon kernel with a spike of 3", 2, 3.0, 0.0),
    ("ridge 3, not through the patterns", 2, 0.0, 3.0),
)
SIGMA2 = 0.25


def main() -> None:
    """Draw both panels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", default="10:320:6:log")
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--output", default="interpolation.png")
    parser.add_argument("--overwrite", action="store_true")
    asked = parser.parse_args()
    sizes = [round(one) for one in expand(asked.n)]
    with style():
        figure, (left, right) = panels(2)
        rng = np.random.default_rng(1)
        x = np.sort(rng.random(16))
        y = signal(x) + np.sqrt(SIGMA2) * rng.standard_normal(x.size)
        grid = np.sort(np.concatenate([np.linspace(0.0, 1.0, 801), x, x - 4e-3, x + 4e-3]))
        grid = grid[(grid >= 0.0) & (grid <= 1.0)]
        left.plot(grid, signal(grid), color="0.6", linewidth=3.0)
        looks = list(sequence(len(FITS)))
        for place, (_, order, height, ridge) in enumerate(FITS[1:3], start=1):
            fit = Fit.of(Kernel(order, height, 1.0 / x.size**2), x, y, ridge)
            left.plot(grid, fit(grid), color=looks[place][0], linestyle=line_of(place))
        left.plot(x, y, "o", color="k", markersize=3.5)
        left.set_xlabel("$x$")
        left.set_ylabel("grey: signal; dots: patterns")
        for place, (label, order, height, ridge) in enumerate(FITS):
            reach = [n for n in sizes if order == 2 or n <= 160]
            found = interpolation(
                reach, order=order, height=height, ridge=ridge, sigma2=SIGMA2,
                samples=asked.samples,
            )  # fmt: skip
            right.plot(
                found.n, found.median, color=looks[place][0], marker=looks[place][1],
                linestyle=line_of(place), label=label,
            )  # fmt: skip
        right.axhline(2.0 * SIGMA2 / 3.0, color="0.6", linewidth=0.8)
        right.set_xscale("log")
        right.set_yscale("log")
        right.set_xlabel("patterns  $n$")
        right.set_ylabel("excess risk, median")
        for letter, ax in zip("ab", (left, right), strict=True):
            ax.set_title(f"({letter})", loc="left")
        figure_legend(figure, list(right.lines[: len(FITS)]))
    save_figure(figure, Path(asked.output), overwrite=asked.overwrite)


if __name__ == "__main__":
    main()
