"""Extrapolations of `mc_study.py dilute`: straight lines in 1/c, and the limit N >> c >> 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Run = dict[str, Any]

#: Connectivities that a line in 1/c needs, and data sets that two bounds need.
FEWEST = 3
#: Bounds closer than this are an estimate (the distance at which two starts agree).
CLOSEST = 0.03
#: The form in which an overlap without order falls as 1 / c: of couplings "gauge" ("rms" keeps
#: (2 / (pi c))^1/2), of neurons the mean square of "rms" ("gauge" keeps 0.51 c^-1/2).
LAW = {"R": "gauge", "r": "rms"}


def estimate(run: Run, letter: str, layer: int) -> tuple[float, float] | None:
    """Value and error of an overlap, None where it is not known.

    Where the starts have not met but both are bounds, of three data sets or more and less than
    0.03 apart, the middle of the starts, and half their difference plus the standard
    errors of both (half the distance of the bounds, where the planted start is the larger one).
    """
    if not run[letter]:
        return None
    value, err, upper, lower = (
        run[letter][key][layer - 1] for key in ("value", "err", "upper", "lower")
    )
    if value is not None:
        return value, err
    if upper is None or lower is None or run["samples"] < FEWEST:
        return None
    if not abs(upper - lower) < CLOSEST:
        return None
    sides = [run[letter][start] for start in ("planted", "random")]
    (above, below), errors = ([side[key][layer - 1] for side in sides] for key in ("value", "err"))
    return 0.5 * (above + below), 0.5 * abs(above - below) + sum(errors)


def straight_line(runs: list[Run], letter: str, layer: int) -> dict[str, Any]:
    """Weighted least squares value = a + b / c over the networks whose starts have met.

    {"c", "value": a, "err", "chi2", "dof"}, the error from the errors of the points alone, or
    {"c", "none": why not}.
    """
    known = [run for run in runs if run[letter]["value"][layer - 1] is not None]
    c = sorted({run["c"] for run in known})
    if len(c) < FEWEST:
        tried = sorted({run["c"] for run in runs})
        return {"c": c, "none": f"{len(c)} of {len(tried)} c have relaxed, {FEWEST} are needed"}
    x = np.array([1.0 / run["c"] for run in known])
    y, error = (np.array([run[letter][k][layer - 1] for run in known]) for k in ("value", "err"))
    design = np.stack([np.ones_like(x), x], axis=1) / error[:, None]
    covariance = np.linalg.inv(design.T @ design)
    a, b = covariance @ design.T @ (y / error)
    chi2 = float((((y - a - b * x) / error) ** 2).sum())
    return {"c": c, "value": float(a), "slope": float(b), "err": float(np.sqrt(covariance[0, 0])),
            "chi2": chi2, "dof": len(y) - 2}  # fmt: skip


def limit(runs: list[Run], letter: str, layer: int) -> dict[str, Any]:
    """N >> c >> 1: weighted least squares y = a + b / c + d alpha c / N over every `estimate`.

    Networks of one (L, beta, alpha, form).  y is the overlap; of r and q in the form rms its
    square, the mean square that was measured; the value is a^1/2 (0 for a < 0), its upper bound the
    root of a + 2 errors (no limit where that is below 0).  The error holds a term in 1 / c^2: it is
    the error of a in a fit with one or, if that is larger, that of the fit without and the change
    of a between the two in quadrature; errors of fits times max(1, chi^2 / dof)^1/2.

    {"c", "value", "err", "upper", "a", "slope": b, "loops": d, "chi2", "dof", "squared"} or
    {"c", "none": why not}.
    """
    known = [run for run in runs if estimate(run, letter, layer)]
    c = sorted({run["c"] for run in known})
    weights = {round(run["alpha"] * run["c"] / run["N"], 9) for run in known}
    if len(c) < FEWEST or len(weights) < 2 or len(known) < 4:
        return {"c": c, "none": "3 c, 2 weights of loops alpha c / N and 4 networks are needed"}
    (a, b, d), err, chi2 = _plane(known, letter, layer)
    bent, bent_err, _ = _plane(known, letter, layer, curved=True)
    err = max(math.hypot(err, bent[0] - a), bent_err)
    value, upper = a, a + 2.0 * err
    if _squared(known[0], letter):
        if upper < 0.0:
            return {"c": c, "none": f"the mean square goes to {a:.3f}, two errors below 0"}
        value, upper = math.sqrt(max(a, 0.0)), math.sqrt(upper)
        err = 0.5 * (upper - value)
    return {"c": c, "value": value, "err": err, "upper": upper, "a": a, "slope": b, "loops": d,
            "chi2": chi2, "dof": len(known) - 3, "squared": _squared(known[0], letter)}  # fmt: skip


def less_loops(run: Run, letter: str, layer: int, found: dict[str, Any]) -> tuple[float, float]:
    """`estimate` of a network with d alpha c / N of its `limit` taken off, for figures."""
    known = estimate(run, letter, layer)
    if known is None:
        raise ValueError("a network without an estimate")
    y, error = known
    loops = found["loops"] * run["alpha"] * run["c"] / run["N"]
    if not _squared(run, letter):
        return y - loops, error
    square = max(y**2 - loops, 0.0)
    return math.sqrt(square), math.sqrt(square + 2.0 * y * error) - math.sqrt(square)


def line(found: dict[str, Any], x: Any) -> Any:
    """The overlap of a `limit` at 1 / c = x: a + b x or its root."""
    y = found["a"] + found["slope"] * x
    return np.sqrt(np.maximum(y, 0.0)) if found["squared"] else y


def _squared(run: Run, letter: str) -> bool:
    return bool(run["form"] == "rms" and letter in "rq")


def _plane(
    known: list[Run], letter: str, layer: int, curved: bool = False
) -> tuple[list[float], float, float]:
    """(a, b, d) and with ``curved`` that of 1 / c^2, the error of a and chi^2 of `limit`."""
    y, error = np.array([estimate(run, letter, layer) for run in known], float).T
    if _squared(known[0], letter):
        y, error = y**2, 2.0 * y * error
    design = np.array([[1.0, 1.0 / r["c"], r["alpha"] * r["c"] / r["N"]] for r in known])
    if curved:
        design = np.column_stack([design, design[:, 1] ** 2])
    design /= error[:, None]
    found, *_ = np.linalg.lstsq(design, y / error)
    chi2 = float(((y / error - design @ found) ** 2).sum())
    scale = math.sqrt(max(1.0, chi2 / max(len(known) - design.shape[1], 1)))
    return found.tolist(), scale * math.sqrt(np.linalg.inv(design.T @ design)[0, 0]), chi2


def places(runs: list[Run]) -> dict[tuple[Any, ...], list[Run]]:
    """Diluted networks by (L, beta, alpha to one digit, form)."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda r: (r["L"], r["alpha"], r["c"], r["N"])):
        if run["c"] < run["N"]:
            key = (run["L"], run["beta"], round(run["alpha"], 1), run["form"])
            groups.setdefault(key, []).append(run)
    return groups


def limits(runs: list[Run]) -> list[dict[str, Any]]:
    """`limit` of every place, overlap and layer, in the form of its `LAW`."""
    return [
        {"L": L, "beta": beta, "alpha": alpha, "form": form, "overlap": letter, "layer": layer}
        | limit(members, letter, layer)
        for (L, beta, alpha, form), members in places(runs).items()
        for letter, layer in panels(L)
        if form == LAW[letter]
    ]  # fmt: skip


def series(runs: list[Run]) -> dict[tuple[Any, ...], list[Run]]:
    """Networks that differ in c alone: by (L, beta, alpha to one digit, N / c, form)."""
    out: dict[tuple[Any, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda r: (r["L"], r["alpha"], r["c"])):
        key = (run["L"], run["beta"], round(run["alpha"], 1), run["N"] / run["c"], run["form"])
        out.setdefault(key, []).append(run)
    return out


def panels(L: int) -> list[tuple[str, int]]:
    """Overlap and layer of every panel of a figure: couplings, then hidden neurons."""
    return [("R", l) for l in range(1, L + 1)] + [("r", l) for l in range(1, L)]


def extrapolations(runs: list[Run]) -> list[dict[str, Any]]:
    """`straight_line` of every series, overlap and layer."""
    out = []
    for (L, beta, alpha, ratio, form), members in series(runs).items():
        for letter, layer in panels(L):
            out.append({
                "L": L, "beta": beta, "alpha": alpha, "ratio": ratio, "form": form,
                "overlap": letter, "layer": layer, **straight_line(members, letter, layer),
            })  # fmt: skip
    return out
