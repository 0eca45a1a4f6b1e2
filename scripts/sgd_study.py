"""Studies of SGD: the distance from the start against ln t, and the sampler's networks under SGD.

    python scripts/sgd_study.py distance -o FILE.json --plot FILE.png
    python scripts/sgd_study.py meeting -o FILE.json --plot FILE.png
    python scripts/sgd_study.py distance --from FILE.json --plot FILE.png

``distance``: |w_t - w_0| of networks on the hidden manifold, true and random labels, several rates;
fits of a logarithm and of a power (docs/heat-bath.md, section 5).  ``meeting``: networks of one
size and data of one kind, sampled by the weights sampler at beta and trained by SGD with steep
neurons, from the teacher and from a random start (section 6).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from replicadnn.errors import ReplicaDNNError
from replicadnn.experiments.distance import Distances, distances
from replicadnn.experiments.meeting import (
    Descent,
    Dynamics,
    Measured,
    Sample,
    Sampling,
    centre,
    equal_error_beta,
    floors,
    follow,
)
from replicadnn.experiments.network import Network
from replicadnn.experiments.tasks import HiddenManifold
from replicadnn.montecarlo.measure import relaxation
from replicadnn.montecarlo.spec import Start
from replicadnn.plot.canvas import entitle, figure_legend, panels
from replicadnn.plot.style import save_figure, sequence, style

#: Ranges of t of the fits: all, after the first steps, before the fit of the labels.
RANGES = {"all": (1.0, math.inf), "t >= 10": (10.0, math.inf), "t <= 100": (1.0, 100.0)}
LABELS = ("true", "random")
#: Ends that the centre of a network is compared with.
ENDS = ("first", "last")
#: Largest tan(angle/2) of a rotation of the sampler, at every beta, so that times compare.
STEP = 1.0


# --- distance --------------------------------------------------------------------------------


def distance(options: argparse.Namespace) -> dict[str, Any]:
    """Curves of all labels and rates."""
    net, curves = Network((50, 200, 200, 1), "relu", 2.0), []
    for labels in LABELS:
        for eta in options.eta:
            found = distances(
                HiddenManifold(), net, options.n, (eta, options.B), options.steps,
                (options.runs, options.seed), random=labels == "random",
            )  # fmt: skip
            curves.append({"labels": labels, "eta": eta, "curves": found.as_dict()})
            print(f"{labels} labels, eta = {eta:g}: done", file=sys.stderr)
    told = {name: getattr(options, name) for name in ("n", "B", "steps", "runs", "seed")}
    return {"study": "distance", "options": told, "results": curves}


def print_distance(document: dict[str, Any]) -> None:
    """Fits of every curve."""
    print(f"{'labels':>7} {'eta':>5} {'range':>9} {'slope of ln t':>17} {'explained':>17} "
          f"{'exponent':>17} {'explained':>17} {'0 errors at':>12}")  # fmt: skip
    for one in document["results"]:
        found = Distances.of(one["curves"])
        for words, (low, high) in RANGES.items():
            cells = []
            for law in found.fit(low, high).values():
                for name in ("slope", "explained"):
                    cells.append(f"{law[name]:>8.3f} +- {law[f'{name}_error']:<5.3f}")
            print(f"{one['labels']:>7} {one['eta']:>5g} {words:>9} {' '.join(cells)} "
                  f"{found.memorised:>12g}")  # fmt: skip


def draw_distance(document: dict[str, Any], path: str, overwrite: bool) -> None:
    """Distance over its last value against ln t; distance against t, both in logarithms."""
    results, o = document["results"], document["options"]
    rates = sorted({one["eta"] for one in results})
    looks = dict(zip(rates, sequence(len(rates)), strict=True))
    with style():
        figure, axes = panels(2, None)
        for one in results:
            found, (colour, marker) = Distances.of(one["curves"]), looks[one["eta"]]
            mean, error = found.distance.mean(axis=0), relaxation.mean_error(found.distance)
            true = one["labels"] == "true"
            base: dict[str, Any] = {
                "color": colour, "marker": marker, "markersize": 4.0, "markeredgewidth": 0.7,
                "linestyle": "none", "capsize": 1.0,
                "markerfacecolor": colour if true else "white",
                "label": rf"{one['labels']} labels, $\eta = {one['eta']:g}$",
            }  # fmt: skip
            use = found.steps >= 10
            x, line = np.log(found.steps[use]), {"color": colour, "linewidth": 0.8}
            line |= {"linestyle": "-" if true else "--"}
            for ax, scale, of in ((axes[0], mean[-1], np.array), (axes[1], 1.0, np.log)):
                shown = slice(None, None, 2)
                ax.errorbar(found.steps[shown], mean[shown] / scale, error[shown] / scale, **base)
                slope, start = np.polyfit(x, of(mean[use] / scale), 1)
                fit = start + slope * x
                ax.plot(found.steps[use], fit if of is np.array else np.exp(fit), **line)
        for letter, ax, scale in zip("ab", axes, ("linear", "log"), strict=True):
            ax.set_xscale("log")
            ax.set_yscale(scale)
            ax.set_xlabel("steps  $t$")
            ax.set_title(f"({letter}) {'logarithm' if letter == 'a' else 'power'}", loc="left")
        axes[0].set_ylim(-0.25, 1.15)
        axes[0].set_ylabel(r"$|w_t - w_0|$  over its last value")
        axes[1].set_ylabel(r"distance  $|w_t - w_0|$")
        entitle(figure, [], [
            f"hidden manifold, relu, 2 hidden layers of 200, $n = {o['n']}$, $B = {o['B']}$, "
            f"{o['runs']} runs; lines: fits from $t = 10$ on"
        ])  # fmt: skip
        figure_legend(figure, axes[0].get_legend_handles_labels()[0])
    save_figure(figure, path, overwrite=overwrite)


# --- meeting ---------------------------------------------------------------------------------


def meeting(options: argparse.Namespace) -> dict[str, Any]:
    """SGD and, on the same data, the sampler at the labels' beta and at that of equal errors."""
    M, L = round(options.alpha * options.N), options.L
    order, chains, *data = np.random.SeedSequence(options.seed).spawn(options.samples + 2)
    both = {
        start: [Sample.draw(L, options.N, M, options.beta, start, one) for one in data]
        for start in Start
    }
    rows: list[dict[str, Any]] = []

    def look(told: dict[str, Any], make: Callable[[list[Sample]], Dynamics], time: int) -> float:
        """Rows of both starts; the mean share of wrong outputs."""
        wrong = []
        for start, samples in both.items():
            found = follow(samples, make(samples), (time, time))
            wrong.append(found.wrong.mean())
            rows.append(told | {"start": str(start)} | _row(found))
            print(f"{_words(told)}, {start} start: done", file=sys.stderr)
        return float(np.mean(wrong))

    betas, pilot = [options.beta], max(20, options.sweeps // 8)
    for eta in options.eta:
        make = partial(Descent, gain=options.gain, rate=(eta, options.B), seed=order)
        wrong = look({"kind": "sgd", "eta": eta}, make, options.steps)
        betas.append(equal_error_beta(both[Start.RANDOM], wrong, STEP, pilot))
    for beta in betas:
        sampling = partial(Sampling, beta=beta, step=STEP, seed=chains)
        look({"kind": "sampler", "beta": beta}, sampling, options.sweeps)
    R, r = floors(both[Start.PLANTED], options.seed)
    names = ("L", "N", "alpha", "beta", "gain", "B", "samples", "sweeps", "steps", "seed")
    return {
        "study": "meeting", "options": {name: getattr(options, name) for name in names},
        "results": rows, "floor": _pair("R", R) | _pair("r", r),
    }  # fmt: skip


def _words(row: dict[str, Any]) -> str:
    """What moves the couplings of a row."""
    if row["kind"] == "sampler":
        return f"sampler, beta = {row['beta']:.3g}"
    return f"SGD, eta = {row['eta']:g}"


def _pair(name: str, values: Any) -> dict[str, Any]:
    """Mean over samples and its error."""
    found = np.asarray(values, float)
    return {
        name: found.mean(axis=0).tolist(),
        f"{name}_error": np.asarray(relaxation.mean_error(found)).tolist(),
    }


def _row(found: Measured) -> dict[str, Any]:
    """What is compared, relaxed or not."""
    row: dict[str, Any] = {}
    for name in ("R", "r", "wrong", "test_error", "copies", "move"):
        row |= _pair(name, getattr(found, name))
    for name, curves in (("tau_J", found.C_J), ("tau_S", found.C_S)):
        value, error = relaxation.layer_times(found.times, curves)
        row |= {name: value.tolist(), f"{name}_error": error.tolist()}
        row[f"{name}_longest"] = float(found.times[-1])
        row |= _pair(f"last_{name[-1]}", curves[:, :, -1])
        row |= _pair(f"C_{name[-1]}", curves)
    seen = centre(found.times, found.C_J)
    row |= _pair("centre_first", seen.first) | _pair("centre_last", seen.last)
    return row | {"centre_at": seen.at, "times": found.times.tolist()}


def print_meeting(document: dict[str, Any]) -> None:
    """One block a run."""
    floor = document["floor"]
    R, r = (_list(floor[name], floor[f"{name}_error"]) for name in "Rr")
    print(f"unrelated networks match at R = {R}; r = {r}")
    for row in document["results"]:
        print(f"{_words(row)}, {row['start']} start: "
              f"wrong {row['wrong']:.4f} +- {row['wrong_error']:.4f}, test error "
              f"{row['test_error']:.4f} +- {row['test_error_error']:.4f}")  # fmt: skip
        for name in ("R", "r", "tau_J", "tau_S", "last_J", "last_S", "move", "copies"):
            print(f"  {name:>7} " + _list(row[name], row[f"{name}_error"]))
        ends = [row[f"centre_{end}"] for end in ENDS], [row[f"centre_{end}_error"] for end in ENDS]
        print(f"  C_J of the centre less the first, the last, t = {row['centre_at']}: "
              + _list(*ends))  # fmt: skip


def _list(values: Any, errors: Any = None) -> str:
    """Numbers of the layers, with errors."""
    bars = [math.nan] * len(values) if errors is None else errors
    words = []
    for value, bar in zip(values, bars, strict=True):
        shown = "-" if value is None or math.isnan(value) else f"{value:.4g}"
        words.append(shown if bar is None or math.isnan(bar) else f"{shown} +- {bar:.2g}")
    return ", ".join(words)


def draw_meeting(document: dict[str, Any], path: str, overwrite: bool) -> None:
    """Overlaps with the teacher and relaxation times by layer; how couplings are forgotten."""
    labels = {
        "R": "$R(l)$ above unrelated networks",
        "tau_J": r"$\tau_J(l)$",
        "tau_S": r"$\tau_S(l)$",
    }
    rows, o = document["results"], document["options"]
    kinds = list(dict.fromkeys(_words(row) for row in rows))
    looks = dict(zip(kinds, sequence(len(kinds)), strict=True))
    with style():
        figure, axes = panels(4, None)
        for ax, name in zip(axes, labels, strict=False):
            for row in rows:
                _layers(ax, row, name, looks[_words(row)], document["floor"])
            if name != "R":
                ax.set_yscale("log")
            ax.set_xticks(np.arange(1, o["L"] + (name != "tau_S")))
            ax.set_xlabel("layer  $l$")
            ax.set_ylabel(labels[name])
        axes[0].axhline(0.0, color="0.5", linestyle=":")
        for row in rows:
            if row["start"] == "random":
                _forgotten(axes[3], row, looks[_words(row)][0])
        for letter, ax in zip("abcd", axes, strict=True):
            ax.set_title(f"({letter})", loc="left")
        entitle(figure, [], [
            f"$L = {o['L']}$, $N = {o['N']}$, $\\alpha = {o['alpha']:g}$, labels of $\\beta = "
            f"{o['beta']:g}$, {o['samples']} samples; times in sweeps and in steps; (a) to (c) "
            "filled: from the teacher, open: random start, arrows: not reached; (d) random "
            "start, solid: first layer, dotted: last one, dashed: between"
        ])  # fmt: skip
        figure_legend(figure, axes[0].get_legend_handles_labels()[0])
    save_figure(figure, path, overwrite=overwrite)


def _forgotten(ax: Any, row: dict[str, Any], colour: Any) -> None:
    """C_J(l, t) of all layers."""
    curves, times = np.array(row["C_J"]), np.array(row["times"])
    for place, curve in enumerate(curves):
        line = "-" if place == 0 else ":" if place == len(curves) - 1 else "--"
        ax.plot(times[1:], curve[1:], line, color=colour, linewidth=0.9)
    ax.set_xscale("log")
    ax.axhline(relaxation.LEVEL, color="0.5", linewidth=0.5)
    ax.set_xlabel("time  $t$")
    ax.set_ylabel("$C_J(l, t)$")


def _layers(
    ax: Any, row: dict[str, Any], name: str, look: tuple[Any, str], floor: dict[str, Any]
) -> None:
    """One quantity of one run by layer; an arrow upwards where a time was not reached."""
    value, error = (np.array(row[key], float) for key in (name, f"{name}_error"))
    if name == "R":
        value, error = value - floor["R"], np.hypot(error, floor["R_error"])
    planted, (colour, marker) = row["start"] == "planted", look
    what = _words(row).replace("beta", r"$\beta$").replace("eta =", r"$\eta$ =")
    layers = np.arange(1, value.size + 1) + (0.06 if planted else -0.06)
    base: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4.0,
                            "markerfacecolor": colour if planted else "none"}  # fmt: skip
    ax.errorbar(layers, value, np.nan_to_num(error), linestyle="-" if planted else "--",
                linewidth=0.8, capsize=1.5, label=what if planted else "_open", **base)  # fmt: skip
    if name != "R":
        missing = np.isnan(value)
        longest = np.full(int(missing.sum()), row[f"{name}_longest"])
        ax.errorbar(layers[missing], longest, 0.3 * longest, lolims=True, linestyle="none",
                    linewidth=0.8, label="_bound", **base)  # fmt: skip


# --- the command -----------------------------------------------------------------------------


def numbers(text: str) -> list[float]:
    """A comma list."""
    return [float(one) for one in text.split(",")]


def arguments() -> argparse.Namespace:
    """What is asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    studies = parser.add_subparsers(dest="study", required=True)
    one = studies.add_parser("distance", help="|w_t - w_0| against ln t")
    one.add_argument("--eta", type=numbers, default=[0.02, 0.1, 0.3])
    one.add_argument("--n", type=int, default=2000)
    one.add_argument("--B", type=int, default=50)
    one.add_argument("--steps", type=int, default=4000)
    one.add_argument("--runs", type=int, default=4)
    two = studies.add_parser("meeting", help="sampler and SGD on the same networks")
    for name, value in (("L", 3), ("N", 10), ("B", 10), ("samples", 8), ("sweeps", 4000),
                        ("steps", 50_000)):  # fmt: skip
        two.add_argument(f"--{name}", type=int, default=value)
    two.add_argument("--alpha", type=float, default=20.0)
    two.add_argument("--beta", type=float, default=1.0)
    two.add_argument("--gain", type=float, default=5.0)
    two.add_argument("--eta", type=numbers, default=[0.4])
    for study in (one, two):
        study.add_argument("--seed", type=int, default=1)
        study.add_argument("-o", "--output", help="write the document (JSON)")
        study.add_argument("--from", dest="source", help="a document instead of a computation")
        study.add_argument("--plot", help="draw the figure")
        study.add_argument("--overwrite", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Compute or read, print, draw."""
    options = arguments()
    compute, show, draw = {
        "distance": (distance, print_distance, draw_distance),
        "meeting": (meeting, print_meeting, draw_meeting),
    }[options.study]
    if options.source is not None:
        document = json.loads(Path(options.source).read_text())
    else:
        document = compute(options)
    if options.output is not None:
        Path(options.output).write_text(json.dumps(document))
    show(document)
    if options.plot is not None:
        draw(document, options.plot, options.overwrite)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ReplicaDNNError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
