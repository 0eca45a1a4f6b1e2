"""The figures of `mc_study.py dilute`: order by layer of diluted networks beside both closures.

Networks of one place, one alpha (or one alpha c / N of one alpha, `--crossover`), share one panel
with all overlaps; else there is one panel an overlap, over alpha or over alpha c / N.  Panels over
1 / c follow where a straight line to 1 / c -> 0 exists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from dilute_fits import Run, panels, series, straight_line
from dilute_study import CLOSURES, solutions
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from replicadnn.montecarlo.measure.overlaps import matching_floor
from replicadnn.plot import canvas
from replicadnn.plot.naming import Facts, tell_apart
from replicadnn.plot.style import judged_points, line_of, save_figure, sequence, style

#: Points of a line of theory against alpha.
POINTS = 41
#: Shift of the markers of neighbouring groups, in parts of the axis.
DODGE = 0.02
FORMS = {
    "gauge": "overlaps whatever the signs of the neurons",
    "matched": "fully connected: matched neurons",
    "rms": "$r$: root of the mean square over neurons",
}
STATE = "filled: planted and random start {}; open: equilibrium lies between their bounds"
#: Draws of unrelated networks, and their name.
DRAWS = 24
UNRELATED = "fully connected, unrelated to the teacher"
Number = Callable[[Run], float]
Looks = dict[Any, dict[str, Any]]
Panel = tuple[str, int]


def number(run: Run, name: str, layer: int, key: str) -> float:
    """An entry of the document, nan for null."""
    found = run[name][key][layer - 1]
    return math.nan if found is None else float(found)


def markers(ax: Axes, runs: list[Run], panel: Panel, x: Number, **look: Any) -> None:
    """Filled where the starts have met, else open: two bounds joined, or one with an arrow."""
    at = np.array([x(run) for run in runs])
    letter, layer = panel
    value, err, upper, lower = (
        np.array([number(run, letter, layer, key) for run in runs])
        for key in ("value", "err", "upper", "lower")
    )
    for place, run in zip(at, runs, strict=True):
        if run["form"] == "matched":
            left = unrelated(run["L"], run["N"], run["alpha"], run["beta"])[letter][layer - 1]
            ax.plot(place, left, marker="_", color=look["color"], markersize=9.0, label=UNRELATED)
    both = np.isfinite(upper) & np.isfinite(lower)
    ax.vlines(at[both], lower[both], upper[both], color=look["color"], linewidth=0.8)
    unknown, bare = np.full_like(value, np.nan), {"capsize": 0}
    judged_points(ax, at, value, err, **look)
    judged_points(ax, at, unknown, err, raw=np.where(both, upper, np.nan), **look | bare)
    judged_points(ax, at, unknown, err, raw=np.where(both, lower, np.nan), **look | bare)
    alone = np.where(both, np.nan, upper), np.where(both, np.nan, lower)
    for bound, side in zip(alone, ("upper", "lower"), strict=True):
        judged_points(ax, at, unknown, err, bound=bound, side=side, **look)


@cache
def unrelated(L: int, N: int, alpha: float, beta: float) -> dict[str, Any]:
    """Mean of `matching_floor` over `DRAWS`: what liquid layers of full connection keep."""
    drawn = [
        matching_floor(L, N, round(alpha * N), beta, np.random.default_rng(seed))
        for seed in range(DRAWS)
    ]
    mean = np.mean(drawn, axis=0)
    return {"R": mean[:L], "r": mean[L:]}


def shifted(x: Number, k: int, count: int, span: tuple[float, float], log: bool) -> Number:
    """``x`` moved for group k of ``count``, so that bars at one place stay apart."""
    shift = DODGE * (k - 0.5 * (count - 1))
    low, high = span
    if log:
        return lambda run: x(run) * (high / low) ** shift
    return lambda run: x(run) + (high - low) * shift


def against_alpha(panel: Panel, runs: list[Run], looks: Looks, ax: Axes) -> None:
    """Lines of both closures, markers by (c, N, form), over alpha."""
    letter, layer = panel
    alphas = [run["alpha"] for run in runs]
    low, high = min(alphas), max(alphas)
    pad = 0.08 * (high - low)
    grid = np.linspace(max(0.1, low - pad), high + pad, POINTS).tolist()
    lines = solutions(runs[0]["L"], runs[0]["beta"], grid)
    for k, name in enumerate(CLOSURES):
        ax.plot(grid, lines[name][letter][:, layer - 1], color="black", ls=line_of(k))
    groups = grouped(runs, looks)
    for k, (key, members) in enumerate(groups.items()):
        x = shifted(lambda run: run["alpha"], k, len(groups), (grid[0], grid[-1]), False)
        markers(ax, members, panel, x, **looks[key])
    ax.set(xlabel=r"patterns per coupling  $\alpha$", xlim=(grid[0], grid[-1]))
    name_overlap(ax, panel)


def against_loops(panel: Panel, runs: list[Run], looks: Looks, ax: Axes) -> None:
    """Markers by (c, form) over alpha c / N, and both closures, whose N >> c is at the left.

    Dotted, where the exact theory says R(1) = 0: what the form rms leaves of a melted first layer,
    R(1) = (2 / (pi c))^1/2, the mean of |x| for x of variance 1 / c, the overlap of the couplings
    of one perceptron that fixes the sign of its neuron.
    """
    L, beta, alpha = (runs[0][name] for name in ("L", "beta", "alpha"))
    lines = solutions(L, beta, [alpha])
    weights = [run["alpha"] * run["c"] / run["N"] for run in runs]
    span = (0.6 * min(weights), 1.6 * max(weights))
    horizontal(ax, lines, panel, "black")
    for k, (key, mine) in enumerate(grouped(runs, looks).items()):
        x = shifted(lambda r: r["alpha"] * r["c"] / r["N"], k, len(looks), span, True)
        markers(ax, sorted(mine, key=x), panel, x, **looks[key])
        if panel == ("R", 1) and melted(mine, lines):
            left = math.sqrt(2.0 / (math.pi * mine[0]["c"]))
            ax.axhline(left, color=looks[key]["color"], ls=":", label=MELTED)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set(xlabel=r"weight of loops  $\alpha c / N$", xlim=span)
    name_overlap(ax, panel)


MELTED = r"$(2/\pi c)^{1/2}$: left by a melted layer"


def melted(runs: list[Run], lines: Any) -> bool:
    """Is layer 1 liquid in the exact theory, and were these networks measured in the form rms?"""
    return lines["exact"]["R"][0, 0] == 0.0 and all(run["form"] == "rms" for run in runs)


def by_overlap(runs: list[Run], looks: Looks, ax: Axes) -> None:
    """Networks at one place: every overlap side by side, the closures as short lines."""
    L, beta, alpha = (runs[0][name] for name in ("L", "beta", "alpha"))
    lines = solutions(L, beta, [alpha])
    groups = grouped(runs, looks)
    shown = panels(L)
    for place, (letter, layer) in enumerate(shown):
        for k, name in enumerate(CLOSURES):
            value = lines[name][letter][0, layer - 1]
            ax.plot([place - 0.4, place + 0.4], [value] * 2, color="black", ls=line_of(k))
        for k, (key, members) in enumerate(groups.items()):
            x = place + 0.6 * ((k + 1) / (len(groups) + 1) - 0.5)
            markers(ax, members, (letter, layer), lambda _, x=x: x, **looks[key])
    ax.set_xticks(range(len(shown)), [f"${letter}({layer})$" for letter, layer in shown])
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("couplings $R(l)$, hidden neurons $r(l)$")
    ax.set_ylabel("overlap with the teacher")


def horizontal(ax: Axes, lines: Any, panel: Panel, colour: Any) -> None:
    """Both closures at one alpha."""
    for k, name in enumerate(CLOSURES):
        value = lines[name][panel[0]][0, panel[1] - 1]
        ax.axhline(value, color=colour, ls=line_of(k))


def against_c(panel: Panel, runs: list[Run], looks: Looks, ax: Axes) -> None:
    """Networks of one alpha and N / c over 1 / c, both closures, and the straight line."""
    found = straight_line(runs, *panel)
    widest = 1.15 * max(1.0 / run["c"] for run in runs)
    alpha = runs[0]["alpha"]
    horizontal(ax, solutions(runs[0]["L"], runs[0]["beta"], [alpha]), panel, "black")
    for key, members in grouped(runs, looks).items():
        markers(ax, members, panel, lambda run: 1.0 / run["c"], **looks[key])
    ends = np.array([0.0, 1.0 / min(found["c"])])
    ax.plot(ends, found["value"] + found["slope"] * ends, color="0.4", ls="--")
    ax.errorbar([0.0], [found["value"]], [found["err"]], capsize=2, clip_on=False, color="0.4",
                marker="*")  # fmt: skip
    ax.set(xlabel="$1/c$", xlim=(0.0, widest))
    name_overlap(ax, panel)


def name_overlap(ax: Axes, panel: Panel) -> None:
    """The label of the overlap."""
    what = "couplings" if panel[0] == "R" else "neurons"
    ax.set_ylabel(rf"overlap of {what}  ${panel[0]}({panel[1]})$")


def size(run: Run, loops: bool) -> tuple[Any, ...]:
    """What a marker stands for; over loops N is told by the place."""
    return (run["c"], run["form"]) if loops else (run["c"], run["form"], run["N"])


def grouped(runs: list[Run], looks: Looks) -> dict[Any, list[Run]]:
    """The runs by what their markers stand for."""
    loops = len(next(iter(looks))) == 2
    found: dict[Any, list[Run]] = {key: [] for key in looks}
    for run in runs:
        found[size(run, loops)].append(run)
    return {key: members for key, members in found.items() if members}


def size_name(key: tuple[Any, ...], runs: Iterable[Run]) -> str:
    """c, and N, from the least to the largest."""
    widths = sorted({run["N"] for run in runs})
    if widths == [key[0]]:
        return f"$c = N = {key[0]}$"
    width = f"$N = {widths[0]}$" if len(widths) == 1 else f"$N = {widths[0]}$ to ${widths[-1]}$"
    return f"$c = {key[0]}$, {width}"


def handle(label: str, **look: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], label=label, **{"linestyle": "none"} | look)


def looks_of(keys: list[Any]) -> Looks:
    """Colour and marker by key."""
    return {
        key: {"color": colour, "marker": marker}
        for key, (colour, marker) in zip(keys, sequence(len(keys)), strict=True)
    }


def single_place(runs: list[Run], loops: bool) -> bool:
    """Do all networks of a block stand at one alpha c / N (else one alpha)?"""
    place = {run["c"] / run["N"] if loops else round(run["alpha"], 1) for run in runs}
    return len(place) == 1


def tiles(runs: list[Run], looks: Looks, loops: bool) -> list[tuple[Run, Any]]:
    """Panels of one block: a run that says what it is of, and what draws it."""
    shown = panels(runs[0]["L"])
    over = against_loops if loops else against_alpha
    if single_place(runs, loops):
        found: list[tuple[Run, Any]] = [(runs[0], partial(by_overlap, runs, looks))]
    else:
        found = [(runs[0], partial(over, panel, runs, looks)) for panel in shown]
    for members in series(runs).values():
        lines = [panel for panel in shown if "value" in straight_line(members, *panel)]
        found += [(members[0], partial(against_c, panel, members, looks)) for panel in lines]
    return found


def facts(run: Run, loops: bool) -> Facts:
    """What the networks of a panel share."""
    found: Facts = {"scenario": "teacher-student", "L": run["L"], "beta": run["beta"]}
    return found | {"graph": run["graph"]} | ({"alpha": round(run["alpha"], 1)} if loops else {})


def about(runs: list[Run]) -> list[str]:
    """Length and number of the runs, which overlaps, and what open markers mean."""
    spans = []
    for name in ("sweeps", "samples"):
        low, high = min(run[name] for run in runs), max(run[name] for run in runs)
        spans.append(f"{low} {name}" if low == high else f"{low} to {high} {name}")
    judged = all(run["form"] != "rms" for run in runs)
    forms = "; ".join(FORMS[form] for form in sorted({run["form"] for run in runs}))
    state = STATE.format("have relaxed and agree" if judged else "agree")
    return [f"{spans[0]}, {spans[1]} a point; {forms}", state]


def draw(runs: list[Run], *, loops: bool = False) -> Figure:
    """The figure: panels of each (L, beta), with ``loops`` of each (L, beta, alpha)."""
    blocks: dict[Any, list[Run]] = {}
    for run in runs:
        place = round(run["alpha"], 1) if loops else 0.0
        blocks.setdefault((run["L"], run["beta"], place), []).append(run)
    looks = looks_of(sorted({size(run, loops) for run in runs}))
    order = sorted(blocks, key=lambda key: (not single_place(blocks[key], loops), key))
    parts = [tile for key in order for tile in tiles(blocks[key], looks, loops)]
    names = tell_apart([facts(run, loops) for run, _ in parts], "runs", refuse=False)
    differing = [name for name in names.differing if name != "graph"]
    with style():
        figure, axes = canvas.panels(len(parts), canvas.TWO_COLUMNS, height=0.9, columns=3)
        for place, (ax, (_, draw_one)) in enumerate(zip(axes, parts, strict=True)):
            draw_one(ax)
            low, high = ax.get_ylim()
            ax.set_ylim(min(0.0, low), max(high + 0.03 * (high - low), 0.3))
            ax.set_title(f"({'abcdefghijklmnopqrstuvwxyz'[place]}) {names.label(place, differing)}",
                         loc="left")  # fmt: skip
        entries = [
            handle(f"closure {name}", color="black", linestyle=line_of(k))
            for k, name in enumerate(CLOSURES)
        ]
        entries += [
            handle(size_name(key, members), **looks[key])
            for key, members in grouped(runs, looks).items()
        ]
        shown = {line.get_label() for ax in axes for line in ax.lines}
        if MELTED in shown:
            entries.append(handle(MELTED, color="0.35", linestyle=":"))
        if UNRELATED in shown:
            entries.append(handle(UNRELATED, color="0.35", marker="_", markersize=9.0))
        canvas.figure_legend(figure, entries)
        canvas.entitle(figure, names.title(), about(runs))
    return figure


def save(runs: list[Run], path: str, *, loops: bool = False) -> Path:
    """Write `draw` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(draw(runs, loops=loops), path, overwrite=True)
