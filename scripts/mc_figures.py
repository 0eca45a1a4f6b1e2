"""docs/theory_vs_simulation.png: the sampler's overlaps beside the replica solution.

    for a in 0.5 1 2 3 4 6; do
      replicadnn mc-simulate --L 1 --N 100 --alpha $a --sweeps 6000 --seed 5 --json > R_$a.json
    done
    python scripts/mc_figures.py R_*.json --deep data/mc_theory.json --alpha 20 --output FILE.png

Above: one layer, hard constraint, overlap with the teacher, and its difference from the solution.
Below, a pair of panels each study of ``--deep`` (documents of `mc_study.py theory`, or several of
them as "comparisons"): overlaps of two replicas from one planted state.  Filled markers have
relaxed; open ones have not, or nobody has judged (documents made before there were verdicts).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from replicadnn.plot.canvas import TWO_COLUMNS, entitle, figure_legend, panels
from replicadnn.plot.style import judged_points, line_of, save_figure, sequence, style
from replicadnn.theory.solve import solve

#: The same for one layer.
CLOSURES = ("averaged", "exact")
_NAMES = {"q": "neurons  $q(l)$", "Q": "couplings  $Q(l)$"}
_STATE = "filled: relaxed; open: not shown to have relaxed (arrow: a bound)"


def read(path: str) -> Any:
    """One JSON document."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def studies(documents: list[Any], alpha: float | None) -> list[Any]:
    """The studies of documents that are one or hold several; ``alpha``: of these only."""
    found = [one for document in documents for one in document.get("comparisons", [document])]
    return [one for one in found if alpha in (None, one["runs"][0]["params"]["alpha"])]


def judged(run: Any, name: str) -> dict[str, Any]:
    """Value, error, bound and what nobody judged of an overlap, for `judged_points`."""
    value, error = (np.array(run[key], float) for key in (name, f"{name}_err"))
    if f"{name}_bound" not in run:
        return {"value": np.full_like(value, np.nan), "error": error, "raw": value}
    return {"value": value, "error": error, "bound": np.array(run[f"{name}_bound"], float)}


def perceptron(axes: list[Axes], runs: list[Any]) -> None:
    """R(alpha) of one layer, and its difference from the solution."""
    runs = sorted(runs, key=lambda r: r["params"]["alpha"])
    alpha = np.array([r["params"]["alpha"] for r in runs])
    R, error, bound = (
        np.array([r[name][0] for r in runs], float) for name in ("R", "R_err", "R_bound")
    )
    grid = np.linspace(0.02, 1.05 * alpha.max(), 150)
    exact = np.array([s.Q_ea[0] for s in solve(alpha, 1)])
    axes[0].plot(grid, [s.Q_ea[0] for s in solve(grid, 1)], color="black")
    axes[1].axhline(0.0, color="black")
    look: dict[str, Any] = {"color": "0.35", "marker": "v", "side": "upper"}
    for ax, value, length in ((axes[0], 0.0, 0.05), (axes[1], exact, 0.001)):
        judged_points(ax, alpha, R - value, error, bound=bound - value, length=length, **look)
        ax.set(xlabel=r"patterns per coupling  $\alpha$", xlim=(0, grid[-1]))
    axes[0].set(ylabel="overlap with the teacher  $R$", ylim=(0, 1.03))
    axes[1].set_ylabel("$R$ - solution")
    for a, value, e in zip(alpha, R - exact, error, strict=True):
        print(f"L = 1, alpha = {a:g}: R - solution = {value:+.4f} +- {e:.4f}")


def deep(ax: Axes, study: Any, name: str, looks: dict[int, Any]) -> None:
    """q(l) or Q(l) of all widths beside the solutions of both closures."""
    p = study["runs"][0]["params"]
    for k, closure in enumerate(CLOSURES):
        solution = solve(p["alpha"], p["L"], beta=p["beta"], closure=closure)
        theory = solution.q_ea[1:-1] if name == "q" else solution.Q_ea
        layers = np.arange(1, len(theory) + 1)
        ax.hlines(theory, layers - 0.3, layers + 0.3, color="black", linestyle=line_of(k))
    for k, run in enumerate(study["runs"]):
        colour, marker = looks[run["params"]["N"]]
        judged_points(
            ax, layers + 0.14 * (k - 0.5 * (len(study["runs"]) - 1)), **judged(run, name),
            side="upper", color=colour, marker=marker,
        )  # fmt: skip
    ax.set(xlabel=r"layer  $l$", ylabel=f"overlap of {_NAMES[name]}", ylim=(0.4, 1.02))
    ax.set_xlim(0.5, len(theory) + 0.5)
    ax.set_xticks(layers)


def about(study: Any) -> str:
    """Which networks a panel is of."""
    p = study["runs"][0]["params"]
    return rf"$L = {p['L']}$, $\alpha = {p['alpha']:g}$, $\beta = {p['beta']:g}$"


def figure_of(runs: list[Any], pairs: list[Any]) -> Figure:
    """The whole figure."""
    with style():
        figure, axes = panels(2 + 2 * len(pairs), TWO_COLUMNS, height=0.6)
        perceptron(axes[:2], runs)
        widths = sorted({run["params"]["N"] for study in pairs for run in study["runs"]})
        looks = dict(zip(widths, sequence(len(widths)), strict=True))
        titles = [r"$L = 1$, $\beta = \infty$", r"$L = 1$, $\beta = \infty$: difference"]
        for k, study in enumerate(pairs):
            for ax, name in zip(axes[2 + 2 * k : 4 + 2 * k], _NAMES, strict=True):
                deep(ax, study, name, looks)
                titles.append(about(study))
        for letter, ax, title in zip("abcdefghij", axes, titles, strict=False):
            ax.set_title(f"({letter}) {title}", loc="left")
        line = [
            Line2D([], [], color="black", linestyle=line_of(k), label=f"closure {closure}")
            for k, closure in enumerate(CLOSURES)
        ]
        N = runs[0]["params"]["N"]
        points = [(N, "0.35", "v"), *((n, *look) for n, look in looks.items())]
        for n, colour, marker in points:
            look = {"color": colour, "marker": marker, "linestyle": "none"}
            line.append(Line2D([], [], label=f"$N = {n}$", **look))
        figure_legend(figure, line)
        words = ["teacher-student", "gap sampler", "planted start"]
        sweeps = sorted({study["runs"][0]["params"]["sweeps"] for study in pairs})
        span = " or ".join(map(str, sweeps))
        notes = [f"from (c) on: two replicas, mean over the second half of {span} sweeps"]
        entitle(figure, words, [*notes[: len(pairs)], _STATE])
    return figure


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("perceptron", nargs="+", help="JSON of mc-simulate --L 1")
    parser.add_argument("--deep", nargs="+", default=[], help="JSON of mc_study.py theory")
    parser.add_argument("--alpha", type=float, help="of these, the studies at this alpha")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()
    pairs = studies([read(path) for path in options.deep], options.alpha)
    figure = figure_of([read(path) for path in options.perceptron], pairs)
    print(save_figure(figure, options.output, overwrite=True))


if __name__ == "__main__":
    main()
