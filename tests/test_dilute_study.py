"""Diluted networks beside both closures (`mc_study.py dilute`): what is a value, what a bound."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import dilute_fits
import dilute_limit_figure
import dilute_study
import mc_study
import numpy as np
import pytest
from dilute_figure import draw
from matplotlib.container import ErrorbarContainer

import replicadnn as rd

YES = np.array([True])


def one(x: float) -> np.ndarray:
    return np.array([x])


def pair(planted: tuple[float, ...], random: tuple[float, ...], **words: Any) -> dict[str, float]:
    above, below = (np.array(values)[:, None] for values in (planted, random))
    settled = words.pop("settled", YES)
    found = dilute_study.bracket(
        dilute_study._mean(above), dilute_study._mean(below), above - below, settled, **words
    )
    return {name: float(value[0]) for name, value in found.items()}


LOW = (0.498, 0.500, 0.502)  # error 0.00115


def shifted(*by: float) -> tuple[float, ...]:
    return tuple(x + d for x, d in zip(LOW, by, strict=True))


def test_two_starts_meet_where_they_are_closer_than_three_hundredths() -> None:
    """Mean difference 0.001 with error 0.001: 0.001 + 4.5 * 0.001 < 0.03, p = 0.4."""
    met = pair(shifted(0.001, -0.001, 0.003), LOW)
    assert met["value"] == pytest.approx(0.5005)
    assert met["err"] == pytest.approx(0.5 * (0.002 + 0.002 / 3**0.5) + 0.0005)
    assert math.isnan(met["upper"])
    assert math.isnan(met["lower"])


@pytest.mark.parametrize(
    "planted",
    [
        shifted(0.028, 0.030, 0.035),  # further apart than 0.03
        shifted(0.001, 0.001, 0.00101),  # p < 0.01: the same small difference in every data set
        shifted(-0.03, 0.0, 0.03),  # 4.5 errors of 0.017: too large to mean much
    ],
)
def test_two_starts_have_not_met(planted: tuple[float, ...]) -> None:
    apart = pair(planted, LOW)
    assert math.isnan(apart["value"])
    assert math.isnan(apart["err"])
    assert apart["lower"] == pytest.approx(0.5 - 2 * 0.002 / 3**0.5)
    assert apart["upper"] > np.mean(planted)
    assert math.isnan(pair(LOW, planted)["value"])  # nor the other way round


def test_two_data_sets_show_nothing() -> None:
    assert math.isnan(pair((0.5, 0.5001), (0.5, 0.5))["value"])
    assert math.isnan(pair((0.5,), (0.5,))["value"])


def test_a_start_that_has_not_relaxed_is_a_bound() -> None:
    near = shifted(0.001, -0.001, 0.003)
    assert math.isnan(pair(near, LOW, settled=~YES)["value"])
    assert pair(near, LOW, settled=~YES)["lower"] == pytest.approx(0.49769, abs=1e-5)
    assert math.isnan(pair(shifted(0.1, 0.1, 0.2), LOW, below_bounds=False)["lower"])


def test_the_error_of_a_value_is_not_halved_by_the_second_start() -> None:
    """Both starts are of the same data sets: 0.002 and 0.002 make 0.002."""
    side = np.array([0.5]), np.array([0.002])
    found = dilute_study.bracket(side, side, np.zeros((3, 1)), np.array([True]))
    assert found["err"] == pytest.approx([0.002])


def rms(c: int = 16, N: int = 128, samples: int = 3) -> dict[str, Any]:
    """Its one form."""
    (run,) = dilute_study.of_gpu(gpu(c, N, samples))
    return run


def gpu(c: int = 16, N: int = 128, samples: int = 3) -> dict[str, Any]:
    """A document of scripts/gpu_dilute.py with L = 2 whose last octave is t = 12, 16."""
    rows = []
    for t, r2, R in ((0, 1.0, 1.0), (4, 0.9, 0.9), (8, 0.8, 0.8), (12, 0.25, 0.5), (16, 0.25, 0.4)):
        row: dict[str, Any] = {"t": t}
        for start, shift in (("planted", 0.0), ("random", -0.2)):
            row[f"{start}.teacher.r"] = [[r2 + 0.09 * d] for d in range(samples)]
            row[f"{start}.teacher.R"] = [[R + shift, R + 0.001 * d] for d in range(samples)]
            row[f"{start}.pair.q"] = [[-1e-4]] * samples
            row[f"{start}.pair.Q"] = [[R, R]] * samples
        rows.append(row)
    params = {"L": 2, "N": N, "c": c, "beta": 3.0, "samples": samples, "replicas": 2, "seed": 1,
              "M": 12 * c, "alpha": 12.0}  # fmt: skip
    return {"params": params, "rows": rows}


def test_records_of_the_gpu_are_squares_of_r() -> None:
    """The root is taken last: [(0.25 + 0.34 + 0.43) / 3]^1/2, not the mean of roots."""
    run = rms()
    assert run["r"]["planted"]["value"] == pytest.approx([math.sqrt(0.34)])
    assert run["r"]["planted"]["err"] == pytest.approx(
        [math.sqrt(0.34 + 0.09 / 3**0.5) - math.sqrt(0.34)]
    )
    assert run["r"]["value"] == pytest.approx([math.sqrt(0.34)])
    assert run["q"]["value"] == [0.0]
    assert run["R"]["planted"]["value"] == pytest.approx([0.45, 0.451])
    assert run["R"]["value"] == [None, pytest.approx(0.451)]
    assert run["R"]["upper"] == [pytest.approx(0.45), None]
    assert run["R"]["lower"] == [pytest.approx(0.25), None]
    assert run["R"]["planted"]["relaxed"] is None
    assert (run["alpha"], run["graph"], run["sweeps"], run["form"]) == (12.0, "regular", 16, "rms")
    assert rms(16, 16)["graph"] is None


def test_a_record_weighs_the_time_since_the_one_before() -> None:
    document = gpu()
    del document["rows"][3]["planted.teacher.R"]
    document["rows"][3]["t"] = 9
    document["rows"][3]["planted.teacher.R"] = [[0.8, 0.8]] * 3
    (run,) = dilute_study.of_gpu(document)
    assert run["R"]["planted"]["value"][0] == pytest.approx((1 * 0.8 + 7 * 0.4) / 8)


def point(c: int, value: float | None, err: float = 0.01) -> dict[str, Any]:
    return {"c": c, "R": {"value": [value], "err": [None if value is None else err]}}


def test_a_straight_line_in_one_over_c_needs_three_relaxed_c() -> None:
    runs = [point(8, 0.5 + 2 / 8), point(16, 0.5 + 2 / 16), point(32, 0.5 + 2 / 32)]
    line = dilute_fits.straight_line(runs, "R", 1)
    assert (line["value"], line["slope"]) == pytest.approx((0.5, 2.0))
    assert (line["chi2"], line["dof"]) == (pytest.approx(0.0, abs=1e-20), 1)
    x = np.array([1 / 8, 1 / 16, 1 / 32])
    assert line["err"] == pytest.approx(
        0.01 * math.sqrt(1 / 3 + x.mean() ** 2 / ((x - x.mean()) ** 2).sum())
    )
    runs[1] = point(16, None)
    refused = dilute_fits.straight_line(runs, "R", 1)
    assert "value" not in refused
    assert refused["none"] == "2 of 3 c have relaxed, 3 are needed"
    twice = [*runs, point(8, 0.7)]
    assert "none" in dilute_fits.straight_line(twice, "R", 1)  # three points, two c


def test_the_line_follows_the_better_points() -> None:
    runs = [point(8, 0.7, 1e-4), point(16, 0.6, 1e-4), point(32, 0.9, 1.0)]
    assert dilute_fits.straight_line(runs, "R", 1)["value"] == pytest.approx(0.5, abs=1e-3)


def network(c: int, ratio: int, value: float, err: float = 0.01, **more: Any) -> dict[str, Any]:
    """alpha = 4; R(1) and r(1) of that value."""
    overlap = {"value": [value] * 2, "err": [err] * 2, "upper": [None] * 2, "lower": [None] * 2}
    run = {"L": 2, "beta": 3.0, "alpha": 4.0, "c": c, "N": ratio * c, "form": "gauge"}
    run |= {"samples": 3}
    return run | {"R": overlap, "r": overlap} | more


GRID = [(8, 16), (16, 16), (32, 16), (16, 32), (16, 8)]


def test_the_limit_is_that_of_c_and_of_loops() -> None:
    """R = 0.4 + 1.5 / c - 0.1 alpha c / N."""
    runs = [network(c, k, 0.4 + 1.5 / c - 0.1 * 4 / k) for c, k in GRID]
    found = dilute_fits.limit(runs, "R", 1)
    assert (found["value"], found["slope"], found["loops"]) == pytest.approx((0.4, 1.5, -0.1))
    assert (found["dof"], found["c"]) == (2, [8, 16, 32])
    design = np.array([[1.0, 1 / c, 4 / k, 1 / c**2] for c, k in GRID])
    assert found["err"] == pytest.approx(0.01 * np.linalg.inv(design.T @ design)[0, 0] ** 0.5)
    assert found["upper"] == pytest.approx(found["value"] + 2 * found["err"])


def test_a_limit_with_a_bad_fit_has_a_larger_error() -> None:
    """chi^2 per degree of freedom enters the error only where it is above 1.

    The scatter is one that no coefficient can take up, that of 1 / c^2 included.
    """
    columns = np.array([[1.0, 1 / c, 4 / k, 1 / c**2] for c, k in GRID])
    scatter = np.linalg.svd(columns.T)[2][-1]

    def runs(err: float) -> list[dict[str, Any]]:
        return [network(c, k, 0.4 + 0.01 * s, err) for (c, k), s in zip(GRID, scatter, strict=True)]

    tight, loose = (dilute_fits.limit(runs(err), "R", 1) for err in (1e-3, 2e-2))
    assert tight["chi2"] / tight["dof"] > 1.0 > loose["chi2"] / loose["dof"]
    scale = tight["chi2"] ** 0.5  # five networks, four coefficients
    assert tight["err"] == pytest.approx(loose["err"] / 20.0 * scale)


def test_the_change_by_a_term_in_one_over_c_squared_is_in_the_error() -> None:
    """R = 0.4 + 1.5 / c + 2 / c^2 has the limit 0.4 with that term and another without."""
    bent = [network(c, k, 0.4 + 1.5 / c + 2.0 / c**2, 1e-4) for c, k in GRID]
    flat = [network(c, k, 0.4 + 1.5 / c, 1e-4) for c, k in GRID]
    found = dilute_fits.limit(bent, "R", 1)
    assert abs(found["value"] - 0.4) > 1e-3
    assert found["err"] > abs(found["value"] - 0.4)
    design = np.array([[1.0, 1 / c, 4 / k, 1 / c**2] for c, k in GRID])
    bent_err = 1e-4 * np.linalg.inv(design.T @ design)[0, 0] ** 0.5
    assert dilute_fits.limit(flat, "R", 1)["err"] == pytest.approx(bent_err)
    assert bent_err > 1.9 * 1e-4 * np.linalg.inv(design[:, :3].T @ design[:, :3])[0, 0] ** 0.5


def test_a_mean_square_is_extrapolated_as_one() -> None:
    """r^2 = 0.09 + 2 / c; of R in that form, and of r in another, no square is taken."""
    runs = [network(c, k, (0.09 + 2.0 / c) ** 0.5, form="rms") for c, k in GRID]
    assert dilute_fits.limit(runs, "r", 1)["value"] == pytest.approx(0.3)
    assert dilute_fits.limit(runs, "R", 1)["value"] != pytest.approx(0.3, abs=1e-3)
    none = [network(c, k, (2.0 / c) ** 0.5, form="rms") for c, k in GRID]
    assert dilute_fits.limit(none, "r", 1)["value"] == pytest.approx(0.0, abs=1e-6)
    assert 0.0 < dilute_fits.limit(none, "r", 1)["upper"] < 0.3
    below = [network(c, k, (2.0 / c - 0.05) ** 0.5, 1e-4, form="rms") for c, k in GRID]
    assert "below 0" in dilute_fits.limit(below, "r", 1)["none"]


@pytest.mark.parametrize(
    "sizes", [[(8, 16), (16, 16), (32, 16)], [(8, 16), (16, 16), (16, 32), (8, 32)], GRID[1:3]]
)
def test_no_limit_from_one_weight_of_loops_or_two_connectivities(
    sizes: list[tuple[int, int]],
) -> None:
    runs = [network(c, k, 0.4) for c, k in sizes]
    assert "needed" in dilute_fits.limit(runs, "R", 1)["none"]


def test_limits_are_of_diluted_networks_of_one_place_and_form() -> None:
    runs = [network(c, k, 0.4) for c, k in GRID]
    others = [network(16, 1, 0.9), network(8, 16, 0.9, form="rms"), network(8, 16, 0.9, beta=2.0)]
    found = dilute_fits.limits([*runs, *others])
    values = [one.get("value") for one in found if one["overlap"] == "R" and one["layer"] == 1]
    assert values == [pytest.approx(0.4), None]
    forms = [(one["overlap"], one["form"]) for one in found if one["beta"] == 3.0]
    assert set(forms) == {("R", "gauge"), ("r", "rms")}


def test_forms_and_ratios_are_not_joined() -> None:
    runs = [rms(c, N) for c, N in ((8, 64), (16, 128), (16, 512))]
    runs.append(runs[1] | {"form": "gauge"})
    sizes = [[run["c"] for run in members] for members in dilute_fits.series(runs).values()]
    assert sorted(sizes) == [[8, 16], [16], [16]]


def options(*words: str) -> Any:
    import argparse

    parser = argparse.ArgumentParser()
    dilute_study.add_arguments(parser)
    return parser.parse_args(words)


def test_networks_that_are_run() -> None:
    found = dilute_study.networks(options("--c", "4,8", "--dense", "10", "--alpha", "1,2"))
    assert found == [(32, 4, 1.0), (32, 4, 2.0), (64, 8, 1.0), (64, 8, 2.0), (10, 10, 1.0),
                     (10, 10, 2.0)]  # fmt: skip
    found = dilute_study.networks(options("--c", "4", "--alpha", "3", "--crossover"))
    assert found == [(4, 4, 3.0), (8, 4, 3.0), (16, 4, 3.0), (32, 4, 3.0), (64, 4, 3.0)]
    with pytest.raises(rd.InputError, match="crossover"):
        dilute_study.networks(options("--c", "4,8", "--crossover"))
    with pytest.raises(rd.InputError, match="--dense"):
        dilute_study.networks(options())


@pytest.mark.usefixtures("compiled")
@pytest.mark.slow
def test_a_study_from_runs_to_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The document holds what the two runs say, and can be drawn again from the file."""
    out = tmp_path / "a.json"
    words = ["--alpha", "2", "--beta", "1", "--sweeps", "64", "--samples", "3"]
    assert mc_study.main(["dilute", "--c", "3", "--ratio", "4", "--dense", "4", *words,
                          "-o", str(out)]) == 0  # fmt: skip
    document = json.loads(out.read_text(encoding="utf-8"))
    diluted, dense = document["runs"]
    assert (diluted["N"], diluted["c"], diluted["form"]) == (12, 3, "gauge")
    assert (dense["N"], dense["c"], dense["form"]) == (4, 4, "matched")
    same = {"beta": 1.0, "sweeps": 64, "samples": 3, "replicas": 2, "seed": 1, "test_patterns": 0}
    planted, random = (
        rd.simulate(2.0, 2, N=12, connectivity=3, graph="regular", start=start, **same)  # type: ignore[arg-type]
        for start in ("planted", "random")
    )
    for letter, start, run in (("R", "planted", planted), ("Q", "planted", planted),
                               ("r", "random", random)):  # fmt: skip
        mine = diluted[letter][start]
        assert mine["value"] == pytest.approx(run.last_octave[f"{letter}_gauge"])
        verdicts = run.relaxed[f"{letter}_gauge"] == 1.0
        assert mine["relaxed"] == verdicts.tolist()
    assert diluted["Q"]["lower"] == [None, None]
    exact = rd.solve(2.0, 2, beta=1.0, closure="exact")
    assert document["theory"][0]["exact"]["R"] == pytest.approx(exact.Q_ea)
    assert mc_study.main(["dilute", "--from", str(out), "--plot", str(tmp_path / "b.png")]) == 0
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    assert "no extrapolation: " in capsys.readouterr().out
    bad = tmp_path / "bad.json"
    bad.write_text("{}", encoding="utf-8")
    for wrong in (
        ["--from", "none.json", "-o", "x"],
        ["--from", str(bad), "-o", "x"],
        ["--c", "4"],
    ):
        assert mc_study.main(["dilute", *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.usefixtures("compiled")
def test_both_starts_must_have_relaxed_by_their_own_verdicts() -> None:
    """The same run twice agrees with itself; its verdicts are put by hand."""
    run = rd.simulate(2.0, 2, N=12, connectivity=3, graph="regular", beta=1.0, sweeps=20, samples=3)
    yes, no = (
        replace(run, values=dict(run.values) | {"relaxed.R_gauge": np.full(2, verdict)})
        for verdict in (1.0, 0.0)
    )
    for planted, random, known in ((yes, yes, True), (yes, no, False), (no, yes, False)):
        found = dilute_study.of_sampler(planted, random, "")
        assert [value is not None for value in found["R"]["value"]] == [known, known]
        assert found["Q"] is None  # one replica
    mean = run.last_octave["R_gauge"]
    assert dilute_study.of_sampler(yes, yes, "")["R"]["value"] == pytest.approx(mean)


def test_the_figure_fills_what_has_met_and_opens_bounds() -> None:
    """One alpha c / N: one panel, R(1), R(2), r(1) at 0, 1, 2, c = 16 left of c = 32."""
    runs = [rms(c, 8 * c) for c in (16, 32)]
    figure = draw(runs, loops=True)
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.get_xticklabels()] == ["$R(1)$", "$R(2)$", "$r(1)$"]

    def points(place: int, face: bool) -> list[float]:
        found = [c.lines[0] for c in ax.containers if isinstance(c, ErrorbarContainer)]
        filled = [line for line in found if (line.get_markerfacecolor() != "none") is face]
        at = [(x, y) for line in filled for x, y in zip(*line.get_data(), strict=True)]
        return [float(y) for x, y in sorted(at) if round(x) == place]

    assert points(1, True) == pytest.approx([0.451] * 2)
    assert points(1, False) == []
    assert points(0, True) == []
    assert points(0, False) == pytest.approx([0.25, 0.45, 0.25, 0.45])
    joined = [path.vertices[:, 1] for group in ax.collections for path in group.get_paths()]
    assert [0.25, 0.45] in [pytest.approx(sorted(ends)) for ends in joined]
    short = [line for line in ax.lines if line.get_xdata()[:1] == pytest.approx([0.6])]
    averaged, exact = (line.get_ydata()[0] for line in short)
    assert averaged == pytest.approx(rd.solve(12.0, 2, beta=3.0).Q_ea[1])
    assert exact == pytest.approx(rd.solve(12.0, 2, beta=3.0, closure="exact").Q_ea[1])
    assert "$L = 2$" in figure.get_suptitle()
    assert r"$\alpha = 12$" in figure.get_suptitle()


def test_several_places_have_a_panel_an_overlap_and_a_line_where_there_is_one() -> None:
    """Over alpha c / N with N from c to 4 c; the straight line needs three c that have met."""
    runs = [rms(16, k * 16) for k in (1, 2, 4)]
    axes = draw(runs, loops=True).axes
    names = [f"overlap of {word}" for word in ("couplings  $R(1)$", "couplings  $R(2)$",
                                               "neurons  $r(1)$")]  # fmt: skip
    assert [ax.get_ylabel() for ax in axes] == names
    assert {ax.get_xlabel() for ax in axes} == {r"weight of loops  $\alpha c / N$"}
    axes = draw([rms(c, 8 * c) for c in (8, 16, 32)], loops=True).axes
    assert [ax.get_xlabel() for ax in axes[1:]] == ["$1/c$"] * (len(axes) - 1)
    assert names[1] in [ax.get_ylabel() for ax in axes[1:]]
    assert names[0] not in [ax.get_ylabel() for ax in axes[1:]]


def test_the_figure_of_the_limit_shows_networks_without_their_loops() -> None:
    """R = 0.4 + 1.5 / c - 0.1 alpha c / N: markers on the line, the star at 0.4; r has none."""
    runs = [network(c, k, 0.4 + 1.5 / c - 0.1 * 4 / k) for c, k in GRID]
    for run in runs:
        run["r"] = None
    figure = dilute_limit_figure.draw(runs)
    first, second = figure.axes
    assert first.get_ylabel() == "overlap of couplings  $R(1)$"
    assert second.get_ylabel() == "overlap of couplings  $R(2)$"
    bars = [c.lines[0] for c in first.containers if isinstance(c, ErrorbarContainer)]
    star = next(line for line in bars if line.get_marker() == "*")
    assert star.get_xydata()[0] == pytest.approx([0.0, 0.4])
    seen = sorted(
        (round(1 / x), y) for line in bars if line is not star for x, y in line.get_xydata()
    )
    assert [y for _, y in seen] == pytest.approx([0.4 + 1.5 / c for c in (32, 16, 16, 16, 8)][::-1])
    with pytest.raises(rd.InputError, match="limit"):
        dilute_limit_figure.draw(runs[:3])


def test_limits_are_shown_in_the_form_that_falls_as_one_over_c() -> None:
    """Couplings gauge-fixed, neurons as mean squares, whichever forms there are."""
    gauge = [network(c, k, 0.4) for c, k in GRID]
    rms = [network(c, k, 0.3, form="rms") for c, k in GRID]
    parts = dilute_limit_figure.shown([*rms, *gauge])
    assert [(panel, members[0]["form"]) for panel, members in parts] == [
        (("R", 1), "gauge"), (("R", 2), "gauge"), (("r", 1), "rms"),
    ]  # fmt: skip
    assert dilute_limit_figure.shown(gauge) == parts[:2]


def between(lower: float | None, upper: float | None, samples: int = 3) -> dict[str, Any]:
    """Starts a third of the distance of their bounds apart, an error a sixth of it."""
    known = lower is not None and upper is not None
    third = (upper - lower) / 3 if known else 0.0
    bounds: dict[str, Any] = {
        "value": [None], "err": [None], "upper": [upper], "lower": [lower],
        "planted": {"value": [upper and upper - third], "err": [third / 2]},
        "random": {"value": [lower and lower + third], "err": [third / 2]},
    }  # fmt: skip
    return {"R": bounds, "r": None, "samples": samples}


def test_two_bounds_closer_than_three_hundredths_are_an_estimate() -> None:
    """Their middle and half their distance; from two data sets they are none."""
    assert dilute_fits.estimate(between(0.20, 0.229), "R", 1) == pytest.approx((0.2145, 0.0145))
    assert dilute_fits.estimate(between(0.20, 0.231), "R", 1) is None
    assert dilute_fits.estimate(between(0.20, 0.229, samples=2), "R", 1) is None
    assert dilute_fits.estimate(between(None, 0.229), "R", 1) is None
    assert dilute_fits.estimate(between(0.20, None), "R", 1) is None
    assert dilute_fits.estimate(between(0.20, 0.21), "r", 1) is None
    assert dilute_fits.estimate(network(8, 16, 0.4, 0.01), "R", 1) == (0.4, 0.01)


def test_starts_that_have_crossed_are_no_better_known_than_their_errors() -> None:
    """Planted 0.045(3), random 0.053(2): bounds 0.049 and 0.051, but an error of 0.004 + 0.005."""
    run = between(0.049, 0.051)
    run["R"]["planted"] = {"value": [0.045], "err": [0.003]}
    run["R"]["random"] = {"value": [0.053], "err": [0.002]}
    assert dilute_fits.estimate(run, "R", 1) == pytest.approx((0.049, 0.009))


def test_an_estimate_from_bounds_is_drawn_open() -> None:
    runs = [network(c, k, 0.4) | {"r": None} for c, k in GRID]
    runs[0]["R"] = between(0.39, 0.41)["R"]
    for one in (runs[0]["R"], runs[0]["R"]["planted"], runs[0]["R"]["random"]):
        for key in one.keys() & {"value", "err", "upper", "lower"}:
            one[key] = one[key] * 2
    first = dilute_limit_figure.draw(runs).axes[0]
    bars = [c.lines[0] for c in first.containers if isinstance(c, ErrorbarContainer)]
    empty = [line for line in bars if line.get_markerfacecolor() == "none"]
    assert [len(line.get_xdata()) for line in empty] == [1]
    assert empty[0].get_ydata()[0] == pytest.approx(0.4)


def test_loops_are_taken_off_a_mean_square() -> None:
    """r^2 = 0.25 - 0.1 alpha c / N: r = 0.5 without loops."""
    runs = [network(c, k, (0.25 - 0.1 * 4 / k) ** 0.5, form="rms") for c, k in GRID]
    found = dilute_fits.limit(runs, "r", 1)
    assert dilute_fits.less_loops(runs[0], "r", 1, found)[0] == pytest.approx(0.5)
    assert dilute_fits.line(found, 0.1) == pytest.approx(0.5)


def shipped(data: Path, name: str) -> list[dict[str, Any]]:
    document = json.loads((data / name).read_text(encoding="utf-8"))
    runs: list[dict[str, Any]] = document["runs"]
    return runs


def test_the_first_layer_is_melted_at_alpha_8(data: Path) -> None:
    """R(1) falls as (2 / (pi c))^1/2 to the exact closure's 0; the averaged one says 0.533."""
    runs = [
        r for r in shipped(data, "dilute_gpu.json") if (r["alpha"], r["N"]) in {(8, 128), (8, 256)}
    ]
    assert [run["c"] for run in runs] == [16, 32]
    for run in runs:
        assert run["R"]["value"][0] == pytest.approx(math.sqrt(2 / (math.pi * run["c"])), rel=0.08)
    lines = dilute_study.solutions(3, 3.0, [8.0])
    assert lines["exact"]["R"][0, 0] == 0.0
    assert lines["averaged"]["R"][0, 0] == pytest.approx(0.533, abs=1e-3)


def test_neurons_at_alpha_12_exclude_the_averaged_closure(data: Path) -> None:
    names = ("dilute_gpu.json", "dilute_sampler.json")
    runs = [r for name in names for r in shipped(data, name) if (r["L"], r["alpha"]) == (2, 12)]
    lines = dilute_study.solutions(2, 3.0, [12.0])
    averaged, exact = (lines[name]["r"][0, 0] for name in ("averaged", "exact"))
    tight = [r["r"] for r in runs if r["r"]["upper"][0] - r["r"]["lower"][0] < 0.15]
    assert len(tight) == 2
    for overlap in tight:
        assert averaged < overlap["lower"][0] < exact < overlap["upper"][0]


PLACES = {
    "L2": (2, 3.0, 4.0), "L3": (3, 3.0, 8.0), "warm": (3, 2.0, 12.0), "third": (3, 3.0, 6.0),
}  # fmt: skip


def limit_at(data: Path, name: str, letter: str, layer: int) -> dict[str, Any]:
    """The limit of all networks recorded at one place, in the form of its law."""
    files = tuple(f"dilute_{one}.json" for one in ("limit", "limit_beta2", "limit_alpha6", "gpu"))
    runs = [run for file in files for run in shipped(data, file)]
    groups = dilute_fits.places(runs)
    return dilute_fits.limit(groups[*PLACES[name], dilute_fits.LAW[letter]], letter, layer)


@pytest.mark.parametrize(
    ("place", "letter", "layer", "limit", "exact", "averaged", "out"),
    [
        ("L2", "R", 1, (0.2855, 0.0236), 0.2975, 0.4456, 6.5),
        ("L2", "R", 2, (0.388, 0.012), 0.4012, 0.4456, 4.9),
        ("L2", "r", 1, (0.296, 0.018), 0.3009, 0.3535, 3.0),
        ("L3", "R", 1, (0.0172, 0.0247), 0.0, 0.533, 20.0),
        ("L3", "R", 2, (0.0293, 0.0189), 0.0, 0.213, 9.5),
        ("L3", "R", 3, (0.4687, 0.0397), 0.491, 0.533, 1.5),
        ("L3", "r", 2, (0.185, 0.043), 0.218, 0.254, 1.5),
        ("warm", "R", 1, (0.002, 0.024), 0.0, 0.346, 14.0),
        ("warm", "R", 2, (0.0021, 0.0145), 0.0, 0.058, 3.5),
        ("warm", "R", 3, (0.362, 0.042), 0.336, 0.346, None),
        ("warm", "r", 2, (0.112, 0.034), 0.112, 0.118, None),
        ("third", "R", 1, (-0.0116, 0.0289), 0.0, 0.3445, 12.0),
        ("third", "R", 2, (0.0070, 0.0178), 0.0, 0.0769, 3.5),
        ("third", "R", 3, (0.3563, 0.0522), 0.3248, 0.3445, None),
    ],
)
def test_networks_extrapolated_in_connectivity_and_loops(
    data: Path, place: str, letter: str, layer: int, limit: tuple[float, float],
    exact: float, averaged: float, out: float | None,
) -> None:  # fmt: skip
    """The numbers of docs/notes/diluted-networks.md, sections 6 and 7, from the runs.

    out: errors that the averaged closure is away, at least.
    """
    found = limit_at(data, place, letter, layer)
    assert (found["value"], found["err"]) == pytest.approx(limit, abs=6e-4)
    L, beta, alpha = PLACES[place]
    lines = dilute_study.solutions(L, beta, [alpha])
    assert lines["averaged"][letter][0, layer - 1] == pytest.approx(averaged, abs=6e-4)
    assert lines["exact"][letter][0, layer - 1] == pytest.approx(exact, abs=6e-4)
    assert abs(found["value"] - exact) < 2.5 * found["err"]
    if out is not None:
        assert abs(found["value"] - averaged) > out * found["err"]


def test_melted_couplings_fall_as_one_over_c_far_from_their_transition(data: Path) -> None:
    """c R(2) at N = 32 c: constant at beta = 2, alpha = 12 of 28.9, rising at 8 of 11.3."""

    def products(name: str, file: str) -> dict[int, float]:
        runs = dilute_fits.places(shipped(data, file))[*PLACES[name], "gauge"]
        known = [(r["c"], dilute_fits.estimate(r, "R", 2)) for r in runs if r["N"] == 32 * r["c"]]
        return {c: c * found[0] for c, found in known if found is not None}

    warm = products("warm", "dilute_limit_beta2.json")
    assert [warm[c] for c in (8, 12, 16, 24)] == pytest.approx([0.28] * 4, abs=0.03)
    near = products("L3", "dilute_limit.json")
    assert [near[c] for c in (8, 12, 16, 24)] == pytest.approx([1.04, 1.12, 1.21, 1.32], abs=0.02)


def test_every_layer_at_alpha_12_lies_on_the_exact_closure(data: Path) -> None:
    """L = 2, beta = 3, c = 16, N = 512: the averaged r(1) = 0.626 is out, its R(2) = 0.849 too."""
    (run,) = [
        r for r in shipped(data, "dilute_curves.json")
        if (r["L"], r["alpha"], r["N"]) == (2, 12.0, 512)
    ]  # fmt: skip
    bounds = [(run[x]["lower"][k], run[x]["upper"][k]) for x, k in (("R", 0), ("R", 1), ("r", 0))]
    for (lower, upper), exact in zip(bounds, (0.872, 0.878, 0.719), strict=True):
        assert lower - 0.01 < exact < upper + 0.01
    assert bounds[2][0] > 0.626 + 0.08
    assert bounds[1][0] > 0.849 + 0.02
