"""The figures of `mc_study.py dilute`: order by layer of diluted networks beside both closures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from dilute_study import CLOSURES, FEWEST, Run, panels, series, solutions, straight_line
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from replicadnn.plot.style import judged_points, line_of, save_figure, sequence, style

#: Points of a line of theory against alpha.
POINTS = 41
#: Shift of the markers of neighbouring groups, in parts of the axis.
DODGE = 0.012
FORMS = {
    "gauge": "overlaps whatever the signs of the neurons",
    "matched": "fully connected: matched neurons",
    "rms": "$r$: root of the mean square over neurons",
}
Number = Callable[[Run], float]


def number(run: Run, name: str, layer: int, key: str) -> float:
    """An entry of the document, nan for null."""
    found = run[name][key][layer - 1]
    return math.nan if found is None else float(found)


def markers(ax: Axes, runs: list[Run], panel: tuple[str, int], x: Number, **look: Any) -> None:
    """Filled where the starts have met, else one open marker a bound."""
    at = np.array([x(run) for run in runs])
    letter, layer = panel
    value, err, upper, lower = (
        np.array([number(run, letter, layer, key) for run in runs])
        for key in ("value", "err", "upper", "lower")
    )
    look = {"markersize": 5, "elinewidth": 1.0} | look
    judged_points(ax, at, value, err, bound=upper, side="upper", **look)
    judged_points(ax, at, np.full_like(value, np.nan), err, bound=lower, side="lower", **look)


def shifted(x: Number, k: int, count: int, span: tuple[float, float], log: bool) -> Number:
    """``x`` moved for group k of ``count``, so that bars at one place stay apart."""
    shift = DODGE * (k - 0.5 * (count - 1))
    low, high = span
    if log:
        return lambda run: x(run) * (high / low) ** shift
    return lambda run: x(run) + (high - low) * shift


def against_alpha(axes: list[Axes], runs: list[Run], looks: dict[Any, Any]) -> None:
    """Lines of both closures, markers by (c, N / c, form), over alpha."""
    L, beta = runs[0]["L"], runs[0]["beta"]
    alphas = [run["alpha"] for run in runs]
    low, high = min(alphas), max(alphas)
    pad = 0.08 * (high - low) or 0.2 * high
    grid = np.linspace(max(0.1, low - pad), high + pad, POINTS).tolist()
    lines = solutions(L, beta, grid)
    for ax, (letter, layer) in zip(axes, panels(L), strict=True):
        for k, name in enumerate(CLOSURES):
            ax.plot(grid, lines[name][letter][:, layer - 1], color="black", ls=line_of(k))
        for k, (key, look) in enumerate(looks.items()):
            x = shifted(lambda run: run["alpha"], k, len(looks), (grid[0], grid[-1]), False)
            markers(ax, [r for r in runs if size(r) == key], (letter, layer), x, **look)
        ax.set(xlabel=r"patterns per coupling  $\alpha$", xlim=(grid[0], grid[-1]))


def against_loops(axes: list[Axes], runs: list[Run], looks: dict[Any, Any]) -> None:
    """Markers by (c, form) over alpha c / N; both closures, N >> c, at the left end."""
    L, beta, alpha = (runs[0][name] for name in ("L", "beta", "alpha"))
    lines = solutions(L, beta, [alpha])
    weights = [run["alpha"] * run["c"] / run["N"] for run in runs]
    span = (0.6 * min(weights), 1.6 * max(weights))
    for ax, panel in zip(axes, panels(L), strict=True):
        horizontal(ax, lines, panel, "black")
        for k, (key, look) in enumerate(looks.items()):
            mine = [run for run in runs if size(run) == key]
            x = shifted(lambda r: r["alpha"] * r["c"] / r["N"], k, len(looks), span, True)
            markers(ax, sorted(mine, key=x), panel, x, **look)
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set(xlabel=r"weight of loops  $\alpha c / N$", xlim=span)


def horizontal(ax: Axes, lines: Any, panel: tuple[str, int], colour: Any) -> None:
    """Both closures at one alpha."""
    for k, name in enumerate(CLOSURES):
        value = lines[name][panel[0]][0, panel[1] - 1]
        ax.axhline(value, color=colour, ls=line_of(k), linewidth=1.0)


def against_c(axes: list[Axes], runs: list[Run], groups: dict[Any, Any]) -> None:
    """Series over 1 / c, both closures of their alpha, and the straight line where there is one.

    Dotted, where the exact theory says R(1) = 0: what the form rms leaves of a melted first layer,
    R(1) = (2 / (pi c))^1/2, the mean of |x| for x of variance 1 / c, the overlap of the couplings
    of one perceptron that fixes the sign of its neuron.
    """
    L, beta = runs[0]["L"], runs[0]["beta"]
    widest = 1.15 * max(1.0 / run["c"] for run in runs)
    colours = {key[2]: look["color"] for key, (_, look) in groups.items()}  # by alpha
    lines = {
        members[0]["alpha"]: (solutions(L, beta, [members[0]["alpha"]]), colours[key[2]])
        for key, (members, _) in groups.items()
    }
    for ax, (letter, layer) in zip(axes, panels(L), strict=True):
        said = []
        for both, colour in lines.values():
            horizontal(ax, both, (letter, layer), colour if len(lines) > 1 else "black")
        if (letter, layer) == ("R", 1) and melted(runs, [both for both, _ in lines.values()]):
            c = np.linspace(0.0, widest, 60)
            ax.plot(c, np.sqrt(2.0 * c / math.pi), color="0.4", ls=":")
        for k, (members, look) in enumerate(groups.values()):
            x = shifted(lambda run: 1.0 / run["c"], k, len(groups), (0.0, widest), False)
            markers(ax, members, (letter, layer), x, **look)
            found = straight_line(members, letter, layer)
            if "value" in found:
                ends = np.array([0.0, 1.0 / min(found["c"])])
                ax.plot(ends, found["value"] + found["slope"] * ends, color=look["color"], ls="--")
                ax.errorbar([0.0], [found["value"]], [found["err"]], capsize=2, clip_on=False,
                            color=look["color"], marker="*")  # fmt: skip
                said.append(f"{found['value']:.3f} $\\pm$ {found['err']:.3f}")
        text = f"no extrapolation: fewer than {FEWEST} filled $c$" if not said else ", ".join(said)
        ax.set_title(text, loc="right", fontsize=7)
        ax.set(xlabel="$1/c$", xlim=(0.0, widest))


def melted(runs: list[Run], lines: list[Any]) -> bool:
    """Is layer 1 liquid in the exact theory at every alpha, and measured in the form rms?"""
    liquid = all(both["exact"]["R"][0, 0] == 0.0 for both in lines)
    return liquid and all(run["form"] == "rms" for run in runs)


def size(run: Run) -> tuple[Any, ...]:
    """What a marker against alpha or loops stands for."""
    return run["c"], run["form"]


def size_name(key: tuple[Any, ...], runs: Iterable[Run]) -> str:
    """c, and N where it is one."""
    widths = sorted({run["N"] for run in runs if size(run) == key})
    width = f"$N = {widths[0]}$" if len(widths) == 1 else f"$N = {widths[0]}$ to ${widths[-1]}$"
    return f"$c = {key[0]}$, {width}"


def handle(label: str, **look: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], label=label, **{"linestyle": "none"} | look)


def looks_of(keys: list[Any]) -> dict[Any, dict[str, Any]]:
    """Colour and marker by key."""
    return {
        key: {"color": colour, "marker": marker}
        for key, (colour, marker) in zip(keys, sequence(len(keys)), strict=True)
    }


def block(figure: Any, runs: list[Run], loops: bool) -> None:
    """One (L, beta), for loops also alpha: against alpha or loops above, against 1 / c below."""
    shown = panels(runs[0]["L"])
    looks = looks_of(sorted({size(run) for run in runs}))
    found = series(runs)
    groups = {key: (found[key], look) for key, look in looks_of(list(found)).items()}
    named = r"$N/c = {0[3]:g}$" if loops else r"$\alpha = {0[2]:g}$, $N/c = {0[3]:g}$"
    rows = [
        (
            against_loops if loops else against_alpha,
            looks,
            [handle(size_name(key, runs), **look) for key, look in looks.items()],
        ),
        (
            against_c,
            groups,
            [handle(named.format(key), **look) for key, (_, look) in groups.items()],
        ),
    ]
    if single_place(runs, loops):
        rows = rows[1:]
    grid = figure.subplots(len(rows), len(shown), squeeze=False, sharey="col")
    for k, (axes, (draw_row, by, entries)) in enumerate(zip(grid, rows, strict=True)):
        draw_row(list(axes), runs, by)
        if k == 0:
            entries = closure_handles() + entries
        if any(line.get_linestyle() == ":" for line in axes[0].lines):
            entries.append(handle(r"melted: $\sqrt{2/(\pi c)}$", color="0.4", linestyle=":"))
        axes[-1].legend(handles=entries, loc="upper left", bbox_to_anchor=(1.02, 1.0))
    for row in grid:
        for ax, (letter, layer) in zip(row, shown, strict=True):
            what = "couplings" if letter == "R" else "neurons"
            ax.set_ylabel(rf"overlap of {what}  ${letter}({layer})$")
            low, high = ax.get_ylim()
            ax.set_ylim(min(0.0, low) - 0.02, min(1.05, max(high, 0.3) + 0.03))
    figure.suptitle(headline(runs, loops), fontsize=9)


def single_place(runs: list[Run], loops: bool) -> bool:
    """Would all networks stand at one alpha c / N (one alpha), so that 1 / c alone says more?"""
    place = {run["c"] / run["N"] if loops else run["alpha"] for run in runs}
    return len(place) == 1


def closure_handles() -> list[Line2D]:
    """The lines of theory."""
    return [
        handle(f"closure {name}", color="black", linestyle=line_of(k))
        for k, name in enumerate(CLOSURES)
    ]


def headline(runs: list[Run], loops: bool) -> str:
    """What the networks of one block have in common."""
    beta = runs[0]["beta"]
    words = [f"$L = {runs[0]['L']}$", rf"$\beta = {beta:g}$"]
    if loops:
        words.insert(1, rf"$\alpha = {runs[0]['alpha']:g}$")
    sweeps = sorted({run["sweeps"] for run in runs})
    span = f"{sweeps[0]}" if len(sweeps) == 1 else f"{sweeps[0]} to {sweeps[-1]}"
    samples = sorted({run["samples"] for run in runs})
    count = f"{samples[0]}" if len(samples) == 1 else f"{samples[0]} to {samples[-1]}"
    forms = "; ".join(FORMS[form] for form in sorted({run["form"] for run in runs}))
    return ", ".join(words) + f";  {span} sweeps, {count} samples a point;  {forms}"


def draw(runs: list[Run], *, loops: bool = False) -> Figure:
    """The figure: one block each (L, beta), with ``loops`` each (L, beta, alpha)."""
    blocks: dict[Any, list[Run]] = {}
    for run in runs:
        key = (run["L"], run["beta"]) + ((round(run["alpha"], 1),) if loops else ())
        blocks.setdefault(key, []).append(run)
    widest = max(len(panels(key[0])) for key in blocks)
    heights = [1.0 + (not single_place(members, loops)) for _, members in sorted(blocks.items())]
    with style():
        size_inches = (2.5 * widest + 2.4, 2.8 * sum(heights) + 0.6)
        figure = Figure(figsize=size_inches, layout="constrained")
        parts = np.atleast_1d(figure.subfigures(len(blocks), 1, height_ratios=heights))
        for part, (_, members) in zip(parts, sorted(blocks.items()), strict=True):
            block(part, members, loops)
        kinds = sorted({str(run["graph"] or "fully connected") for run in runs})
        graphs = " and ".join(f"{kind} graphs" if kind == "regular" else kind for kind in kinds)
        judged = all(run["form"] != "rms" for run in runs)
        met = "planted and random start " + ("have relaxed and agree" if judged else "agree")
        figure.suptitle(
            f"teacher-student, {graphs}.  filled: {met}\nopen: they do not; arrow down: "
            "bound from the planted start, arrow up: from the random start; equilibrium lies "
            "between",
            fontsize=9,
        )
    return figure


def save(runs: list[Run], path: str, *, loops: bool = False) -> Path:
    """Write `draw` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(draw(runs, loops=loops), path, overwrite=True)
