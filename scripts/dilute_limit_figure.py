"""The figure of `mc_study.py dilute --limit`: networks less their loops over 1/c, N >> c >> 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dilute_figure import Panel, handle, horizontal, name_overlap
from dilute_fits import LAW, Run, estimate, less_loops, limit, line, panels, places
from dilute_study import CLOSURES, solutions
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from replicadnn.errors import InputError
from replicadnn.plot import canvas
from replicadnn.plot.naming import tell_apart
from replicadnn.plot.style import judged_points, line_of, save_figure, sequence, style

LIMIT = {"color": "0.25", "marker": "*", "markersize": 7.0}
#: Shift of the networks of one c with another N, in units of 1/c.
DODGE = 0.03


def shown(runs: list[Run]) -> list[tuple[Panel, list[Run]]]:
    """Panels, one an overlap that has a limit in the form of its `LAW`: by place, R before r."""
    found = {
        (*place, k): (panel, members)
        for (*place, form), members in places(runs).items()
        for k, panel in enumerate(panels(place[0]))
        if form == LAW[panel[0]] and "value" in limit(members, *panel)
    }
    return [found[key] for key in sorted(found)]


def ratio(run: Run) -> float:
    """N / c, what a marker stands for."""
    return float(run["N"] / run["c"])


def against_c(ax: Axes, panel: Panel, runs: list[Run], ratios: list[float]) -> None:
    """Markers, the line a + b / c (of a mean square its root), its end, both closures."""
    letter, layer = panel
    found = limit(runs, letter, layer)
    horizontal(ax, solutions(runs[0]["L"], runs[0]["beta"], [runs[0]["alpha"]]), panel, "black")
    for k, (value, (colour, marker)) in enumerate(zip(ratios, sequence(len(ratios)), strict=True)):
        known = [run for run in runs if ratio(run) == value and estimate(run, letter, layer)]
        if known:
            x = np.array([(1.0 + DODGE * (k - 0.5 * (len(ratios) - 1))) / r["c"] for r in known])
            y, error = np.array([less_loops(run, letter, layer, found) for run in known]).T
            met = [run[letter]["value"][layer - 1] is not None for run in known]
            judged_points(
                ax, x, np.where(met, y, np.nan), error, raw=y, color=colour, marker=marker
            )
    ends = np.linspace(0.0, 1.0 / min(found["c"]), 64)
    ax.plot(ends, line(found, ends), color=LIMIT["color"], ls="--")
    down = min(found["err"], found["value"]) if found["squared"] else found["err"]
    ax.errorbar([0.0], [found["value"]], [[down], [found["err"]]], capsize=3, clip_on=False,
                zorder=5, **LIMIT)  # fmt: skip
    ax.set(xlabel="$1/c$", xlim=(0.0, 1.15 / min(found["c"])))
    ax.set_ylim(min(0.0, ax.get_ylim()[0]), ax.get_ylim()[1])
    name_overlap(ax, panel)


def draw(runs: list[Run]) -> Figure:
    """One panel an overlap.

    Raises
    ------
    InputError
        No overlap of these runs has a limit.
    """
    parts = shown(runs)
    if not parts:
        raise InputError("limit", None, "3 c and 2 N / c of one (L, beta, alpha) that have met")
    ratios = sorted({ratio(run) for _, members in parts for run in members})
    facts = [
        {"scenario": "teacher-student", "graph": "regular", "beta": members[0]["beta"],
         "L": members[0]["L"], "alpha": round(members[0]["alpha"], 1)}
        for _, members in parts
    ]  # fmt: skip
    names = tell_apart(facts, "runs", refuse=False)
    with style():
        figure, axes = canvas.panels(len(parts), canvas.TWO_COLUMNS, height=0.9, columns=3)
        for k, (ax, (panel, members)) in enumerate(zip(axes, parts, strict=True)):
            against_c(ax, panel, members, ratios)
            label = names.label(k, list(names.differing))
            ax.set_title(f"({'abcdefghijkl'[k]}) {label}", loc="left")
        entries = [
            handle(f"closure {name}", color="black", linestyle=line_of(k))
            for k, name in enumerate(CLOSURES)
        ]
        entries += [
            handle(f"$N = {value:g}\\,c$", color=colour, marker=marker)
            for value, (colour, marker) in zip(ratios, sequence(len(ratios)), strict=True)
        ]
        entries.append(handle(r"$N \gg c \gg 1$", **LIMIT))
        canvas.figure_legend(figure, entries)
        canvas.entitle(figure, names.title(), [
            r"fit $a + b/c + d\,\alpha c/N$, shown without the loops $d\,\alpha c/N$ (dashed)",
            "filled: planted and random start agree; open: middle of the two, from their bounds",
        ])  # fmt: skip
    return figure


def save(runs: list[Run], path: str) -> Path:
    """Write `draw` to ``path`` (.png, .pdf or .svg)."""
    return save_figure(draw(runs), path, overwrite=True)
