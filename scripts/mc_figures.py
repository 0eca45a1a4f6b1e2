"""docs/theory_vs_simulation.png: the sampler's overlaps beside the replica solution.

    for a in 0.5 1 2 3 4 6; do
      replicadnn mc-simulate --L 1 --N 100 --alpha $a --sweeps 6000 --seed 5 --json > R_$a.json
    done
    for L in 2 3; do
      python scripts/mc_study.py theory --L $L --alpha 20 --N 10,20,40 --samples 4 --output L$L.json
    done
    python scripts/mc_figures.py R_*.json --deep L2.json L3.json --output FILE.png

(About ten minutes on one core.)  Left: one layer, hard constraint, overlap with the teacher.
Middle and right: overlap of two replicas from one planted state, mean over the last half of the
run; open markers have not relaxed and are upper bounds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from replicadnn.plot.style import judged_points, save_figure, sequence, style
from replicadnn.theory.solve import solve


def read(path: str) -> Any:
    """One JSON document."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def perceptron(upper: Any, lower: Any, runs: list[Any]) -> None:
    """R(alpha) of one layer, and its difference from the solution."""
    runs = sorted(runs, key=lambda r: r["params"]["alpha"])
    alpha = np.array([r["params"]["alpha"] for r in runs])
    R, error, bound = (
        np.array([r[name][0] for r in runs], float) for name in ("R", "R_err", "R_bound")
    )
    grid = np.linspace(0.02, 1.05 * alpha.max(), 150)
    curve = np.array([s.Q_ea[0] for s in solve(grid, 1)])
    exact = np.array([s.Q_ea[0] for s in solve(alpha, 1)])
    N = runs[0]["params"]["N"]
    upper.plot(grid, curve, color="black", label="replica solution")
    look = {"color": "C0", "marker": "o", "side": "upper"}
    judged_points(upper, alpha, R, error, bound=bound, label=f"$N = {N}$", **look)
    upper.set(ylabel=r"overlap with the teacher  $R$", ylim=(0, 1.03))
    upper.legend(loc="lower right")
    upper.set_title(r"(a) $L = 1$, $\beta = \infty$", loc="left")
    lower.axhline(0.0, color="black")
    judged_points(lower, alpha, R - exact, error, bound=bound - exact, length=0.001, **look)
    lower.set(ylabel="measured $R$ - solution")
    lower.set_title("(d) difference", loc="left")
    for ax in (upper, lower):
        ax.set(xlabel=r"$\alpha$", xlim=(0, grid[-1]))
    for a, value, e in zip(alpha, R - exact, error, strict=True):
        print(f"L = 1, alpha = {a:g}: R - solution = {value:+.4f} +- {e:.4f}")


def deep(ax: Any, study: Any, name: str) -> None:
    """q(l) or Q(l) of all widths beside the solution."""
    theory = np.array(study["q_ea"][1:-1] if name == "q" else study["Q_ea"])
    layers = np.arange(1, len(theory) + 1)
    ax.plot(layers, theory, color="black", marker="_", markersize=16, label="replica solution")
    runs = study["runs"]
    for k, (run, (colour, marker)) in enumerate(zip(runs, sequence(len(runs)), strict=True)):
        value, error, bound = (
            np.array(run[key], float) for key in (name, f"{name}_err", f"{name}_bound")
        )
        judged_points(
            ax, layers + 0.08 * (k - 0.5 * (len(runs) - 1)), value, error, bound=bound,
            side="upper", color=colour, marker=marker, label=f"$N = {run['params']['N']}$",
        )  # fmt: skip
    what = "neurons  $q(l)$" if name == "q" else "couplings  $Q(l)$"
    ax.set(xlabel=r"layer  $l$", ylabel=f"overlap of {what}", ylim=(0.4, 1.02))
    ax.set_xlim(0.5, len(study["Q_ea"]) + 0.5)
    ax.set_xticks(np.arange(1, len(study["Q_ea"]) + 1))


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("perceptron", nargs="+", help="JSON of mc-simulate --L 1")
    parser.add_argument("--deep", nargs=2, required=True, help="JSON of mc_study.py theory")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()
    studies = [read(path) for path in options.deep]
    with style():
        figure = Figure(figsize=(10.5, 6.2), layout="constrained")
        grid = figure.subplots(2, 3)
        perceptron(grid[0][0], grid[1][0], [read(path) for path in options.perceptron])
        for column, study in enumerate(studies, start=1):
            p = study["runs"][0]["params"]
            for row, name in enumerate("qQ"):
                ax = grid[row][column]
                deep(ax, study, name)
                letter = "abcdef"[3 * row + column]
                title = rf"({letter}) $L = {p['L']}$, $\alpha = {p['alpha']:g}$, "
                ax.set_title(title + rf"$\beta = {p['beta']:g}$", loc="left")
        grid[0][1].legend(loc="lower right")
        p = studies[0]["runs"][0]["params"]
        figure.suptitle(
            "teacher-student, gap sampler, planted start.  (b, c, e, f): two replicas, mean over "
            f"sweeps {p['sweeps'] // 2} to {p['sweeps']}"
        )
    print(save_figure(figure, options.output, overwrite=True))


if __name__ == "__main__":
    main()
