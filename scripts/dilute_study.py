"""Overlaps of diluted networks beside both closures: `python scripts/mc_study.py dilute --help`.

Runs, one a network (L, N, c, alpha, beta), teacher-student, planted and random start on the same
data.  A document is {"runs": [...], "theory": [...], "extrapolations": [...]}; of a run, R, r
(with the teacher) and Q, q (of two replicas from one start; null with one replica) hold, by layer,

    planted, random : {"value", "err", "relaxed"} of each start, mean over the last octave of
                      sweeps, error over samples, the start's own verdict (null: it has none)
    value, err      : where the starts have met, else null
    upper, lower    : bounds where they have not met, two standard errors out

Met (`bracket`): both starts have relaxed by their own verdicts, where there are some; there are
three data sets or more; and the means over the last octave `agree`, data set by data set: their
difference and two standard errors (of few data sets Student's quantile) below 0.03, and no t test
at p < 0.01.  Errors too large to mean much are no agreement.

The value is then their mean; its error is the mean of theirs, since both are of the same data sets,
and half their difference.  Else the planted
start bounds from above (its overlaps fall from 1) and the random one from below (they rise).  Q, q
of the sampler from a random start bound nothing: its replicas begin in one state, lose it, and find
each other again as far as they find the teacher (the way is down, then up).

``form`` says which overlap it is, and forms are neither joined by a line nor extrapolated together:

    gauge   : the sampler's *_gauge (docs/sampler.md), diluted networks
    matched : its R_matched, r_matched, and raw Q, q, fully connected networks
    rms     : scripts/gpu_dilute.py, r and q the root of a mean square over neurons, R and Q with
              the signs that the patterns of the neurons give

Documents of scripts/gpu_dilute.py are read as one run a form (`of_gpu`).  gauge: judged as the
sampler's own records.  rms: records are not judged one by one, so that the meeting of the two
starts alone decides; records of r and q are squares, whose mean over the last octave (each record
weighted by the time since the one before) and data sets has its root taken last.  Their replicas
from random starts begin in different states: a lower bound.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from dilute_fits import Run, extrapolations, limits
from numpy.typing import NDArray

from replicadnn.errors import FileError, InputError
from replicadnn.montecarlo.measure.registry import free_overlaps
from replicadnn.montecarlo.measure.stationarity import (
    SHORTEST_WAY,
    agree,
    octave_mean,
    relaxed,
)
from replicadnn.montecarlo.runs.result import MonteCarloResult, plain
from replicadnn.montecarlo.runs.simulate import two_sided
from replicadnn.storage.outputs import atomic_file
from replicadnn.theory.solve import solve

Array = NDArray[np.float64]

CLOSURES = ("averaged", "exact")
#: Data sets that an agreement of two starts needs.
FEWEST_SETS = 3
#: N / c of --crossover.
CROSSOVER = (1, 2, 4, 8, 16)


def bracket(
    planted: tuple[Array, Array],
    random: tuple[Array, Array],
    difference: Array,
    settled: NDArray[np.bool_],
    below_bounds: bool = True,
) -> dict[str, Array]:
    """value, err, upper, lower by layer from (mean, standard error) of two starts; nan: not known.

    difference : planted minus random of every data set, (samples, layers).
    settled : layers whose starts have relaxed by their own verdicts (True where there are none).
    below_bounds : is the random start a lower bound while it has not relaxed?
    """
    (above, above_err), (below, below_err) = planted, random
    enough = len(difference) >= FEWEST_SETS
    met = settled & (agree(difference, SHORTEST_WAY) if enough else False)
    upper, lower = above + 2.0 * above_err, below - 2.0 * below_err
    error = 0.5 * (above_err + below_err) + 0.5 * np.abs(above - below)
    return {
        "value": np.where(met, 0.5 * (above + below), np.nan),
        "err": np.where(met, error, np.nan),
        "upper": np.where(met, np.nan, upper),
        "lower": np.where(met | (not below_bounds), np.nan, lower),
    }


def _mean(samples: Array) -> tuple[Array, Array]:
    """Mean over samples (samples, layers) and its standard error (nan for one)."""
    n = len(samples)
    error = samples.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(samples.shape[1], np.nan)
    return samples.mean(axis=0), error


def _side(value: tuple[Array, Array], relaxed: Array | None) -> dict[str, Any]:
    verdict = None if relaxed is None else [bool(one) for one in relaxed]
    return {"value": value[0], "err": value[1], "relaxed": verdict}


def of_sampler(planted: MonteCarloResult, random: MonteCarloResult, said: str) -> Run:
    """One network of the package's sampler from both starts on the same data."""
    spec = planted.spec
    names = dict(zip("Rr", free_overlaps(spec), strict=True))
    pairs = dict(zip("Qq", free_overlaps(spec, teacher=False), strict=True))
    run = {
        "L": spec.L, "N": spec.N, "c": spec.connectivity, "alpha": spec.alpha, "beta": spec.beta,
        "graph": None if spec.graph is None else str(spec.graph), "samples": spec.samples,
        "replicas": spec.replicas, "sweeps": min(planted.sweeps_done, random.sweeps_done),
        "seed": spec.seed, "form": "matched" if spec.reads.dense else "gauge", "statement": said,
    }  # fmt: skip
    for letter, name in (names | pairs).items():
        if letter in pairs and spec.replicas == 1:
            run[letter] = None
            continue
        sets = [one.samples[name] for one in (planted, random)]
        means = [_mean(one) for one in sets]
        verdicts = [one.relaxed[name] == 1.0 for one in (planted, random)]
        run[letter] = {
            "planted": _side(means[0], planted.relaxed[name]),
            "random": _side(means[1], random.relaxed[name]),
        } | bracket(
            means[0], means[1], sets[0] - sets[1], verdicts[0] & verdicts[1], letter in names
        )
    return plain(run)


def _root(square: tuple[Array, Array]) -> tuple[Array, Array]:
    """Root of a mean square with its error; a square below 0 by chance counts as 0."""
    mean, error = np.maximum(square[0], 0.0), square[1]
    return np.sqrt(mean), np.sqrt(mean + error) - np.sqrt(mean)


def of_gpu(document: dict[str, Any]) -> list[Run]:
    """One network of scripts/gpu_dilute.py, by form; the module says how its records are read."""
    p, rows = document["params"], document["rows"]
    times = np.array([row["t"] for row in rows], np.int64)
    dense = p["c"] == p["N"]
    shared: Run = {name: p[name] for name in ("L", "N", "c", "beta", "samples", "replicas", "seed")}
    shared |= {
        "alpha": p["M"] / p["c"], "graph": None if dense else "regular", "sweeps": int(times[-1]),
        "statement": None,
    }  # fmt: skip
    runs = [shared | {"form": "rms"} | _rms_overlaps(times, rows)]
    if "planted.gauge.R" in rows[0] and not dense:
        runs.append(shared | {"form": "gauge"} | _gauge_overlaps(times, rows))
    return [plain(run) for run in runs]


def _records(rows: list[dict[str, Any]], key: str) -> Array:
    """(samples, K, layers)."""
    return np.swapaxes([row[key] for row in rows], 0, 1).astype(float)


def _gauge_overlaps(times: NDArray[np.int64], rows: list[dict[str, Any]]) -> Run:
    """R, r as the package has them: means over the last octave, verdicts of their own records."""
    out: Run = {"Q": None, "q": None}
    for letter in "Rr":
        series = [_records(rows, f"{start}.gauge.{letter}") for start in ("planted", "random")]
        sets = [octave_mean(one, times, int(times[-1])) for one in series]
        verdicts = [relaxed(one, times, int(times[-1])) for one in series]
        means = [_mean(one) for one in sets]
        out[letter] = {
            "planted": _side(means[0], verdicts[0]), "random": _side(means[1], verdicts[1]),
        } | bracket(means[0], means[1], sets[0] - sets[1], verdicts[0] & verdicts[1])  # fmt: skip
    return out


def _rms_overlaps(times: NDArray[np.int64], rows: list[dict[str, Any]]) -> Run:
    """r, R with the teacher and q, Q of pairs, roots of mean squares; no verdicts."""
    late = np.nonzero(times > 0.5 * times[-1])[0]
    weight = times[late] - times[late - 1]
    out: Run = {}
    for letter in "RrQq":
        key = ("teacher." if letter in "Rr" else "pair.") + letter
        if f"planted.{key}" not in rows[late[0]]:
            out[letter] = None
            continue
        sets, sides = [], []
        for start in ("planted", "random"):
            records = _records([rows[k] for k in late], f"{start}.{key}")
            one = np.average(records, axis=1, weights=weight)
            mean = _mean(one)
            sides.append(_root(mean) if letter in "rq" else mean)
            sets.append(np.sqrt(np.maximum(one, 0.0)) if letter in "rq" else one)
        out[letter] = {"planted": _side(sides[0], None), "random": _side(sides[1], None)}
        out[letter] |= bracket(
            sides[0], sides[1], sets[0] - sets[1], np.ones(sets[0].shape[1], bool)
        )
    return out


def read(sources: list[str]) -> list[Run]:
    """Runs of files, or of all *.json of folders: of gpu_dilute.py, or documents of this study."""
    runs: list[Run] = []
    for source in sources:
        here = Path(source)
        paths = sorted(here.glob("*.json")) if here.is_dir() else [here]
        if not paths:
            raise FileError(source, "no *.json in this folder")
        for path in paths:
            try:
                document = json.loads(path.read_text(encoding="utf-8"))
                found = of_gpu(document) if "rows" in document else document["runs"]
                runs += [run for run in found if run["form"] in ("gauge", "matched", "rms")]
            except OSError as error:
                raise FileError(path, error.strerror or "cannot be read") from error
            except (ValueError, KeyError, TypeError, IndexError) as error:
                what = "neither of scripts/gpu_dilute.py nor of mc_study.py dilute"
                raise FileError(path, what) from error
    return runs


def solutions(L: int, beta: float, alpha: list[float]) -> dict[str, dict[str, Array]]:
    """Closure -> {"R": (len(alpha), L), "r": (len(alpha), L-1)}, by R = Q_EA and r = q_EA."""
    out = {}
    for closure in CLOSURES:
        found = solve(alpha, L, beta=beta, closure=closure)
        out[closure] = {
            "R": np.array([s.Q_ea for s in found]),
            "r": np.array([s.q_ea[1:-1] for s in found]),
        }
    return out


def theory(runs: list[Run]) -> list[dict[str, Any]]:
    """Both closures at every (L, beta, alpha) of the runs."""
    points = sorted({(run["L"], run["beta"], run["alpha"]) for run in runs})
    return [
        {"L": L, "beta": beta, "alpha": alpha}
        | {
            name: {overlap: values[0] for overlap, values in both.items()}
            for name, both in solutions(L, beta, [alpha]).items()
        }
        for L, beta, alpha in points
    ]  # fmt: skip


def write(path: str, runs: list[Run]) -> None:
    """The document, complete or not at all."""
    document = {
        "runs": runs, "theory": theory(runs), "extrapolations": extrapolations(runs),
        "limits": limits(runs),
    }  # fmt: skip
    with atomic_file(Path(path), overwrite=True) as temporary:
        Path(temporary).write_text(json.dumps(plain(document)), encoding="utf-8")


def networks(options: argparse.Namespace) -> list[tuple[int, int, float]]:
    """(N, c, alpha) of every network asked for."""
    if options.crossover:
        if len(options.c) != 1 or len(options.alpha) != 1:
            raise InputError("crossover", "--c, --alpha", "one connectivity and one alpha")
        return [(k * options.c[0], options.c[0], options.alpha[0]) for k in CROSSOVER]
    sizes = [(round(options.ratio * c), c) for c in options.c] + [(N, N) for N in options.dense]
    if not sizes:
        raise InputError("c", None, "--c, --dense or --from")
    return [(N, c, alpha) for N, c in sizes for alpha in options.alpha]


def simulate(options: argparse.Namespace) -> list[Run]:
    """Run every network from both starts; the document is written after each."""
    runs: list[Run] = []
    for N, c, alpha in networks(options):
        statement, planted, random = two_sided(
            alpha, options.L, N=N, connectivity=c, graph="regular" if c < N else None,
            beta=options.beta, sweeps=options.sweeps, samples=options.samples,
            replicas=options.replicas, seed=options.seed, threads=options.threads, test_patterns=0,
        )  # fmt: skip
        runs.append(of_sampler(planted, random, statement.message))
        seconds = planted.timings["seconds"] + random.timings["seconds"]
        print(f"N = {N}, c = {c}, alpha = {alpha:g}: {seconds:.0f} s; {statement.message}",
              file=sys.stderr, flush=True)  # fmt: skip
        if options.output is not None:
            write(options.output, runs)
    return runs


def numbers(kind: type) -> Any:
    """A comma list of numbers, for argparse."""

    def parse(text: str) -> list[Any]:
        return [kind(word) for word in text.split(",") if word]

    parse.__name__ = f"list of {kind.__name__}"
    return parse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``mc_study.py dilute``."""
    parser.add_argument("--L", type=int, default=2)
    parser.add_argument("--alpha", type=numbers(float), default=[8.0], metavar="A,...")
    parser.add_argument("--beta", type=float, default=3.0)
    parser.add_argument("--c", type=numbers(int), default=[], metavar="C,...")
    parser.add_argument("--ratio", type=float, default=8.0, help="N / c if diluted (8)")
    parser.add_argument(
        "--dense", type=numbers(int), default=[], metavar="N,...", help="and fully connected ones"
    )
    parser.add_argument(
        "--crossover", action="store_true",
        help="one c and alpha, N = c to 16 c; figure against alpha c / N",
    )  # fmt: skip
    parser.add_argument(
        "--limit", action="store_true", help="figure of the limit N >> c >> 1 where there is one"
    )
    parser.add_argument("--sweeps", type=int, default=20_000)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--replicas", type=int, default=2, help="1: without Q and q")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--from", dest="source", nargs="+", metavar="PATH",
        help="no runs: files (or folders) of gpu_dilute.py or of this study",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FILE.json")
    parser.add_argument("--plot", metavar="FILE.png")


def say(runs: list[Run]) -> None:
    """A line for each extrapolation and each limit."""
    place = "L = {L}, beta = {beta:g}, alpha = {alpha:g}, "
    for one in extrapolations(runs):
        where = (place + "N/c = {ratio:g}, {form}: {overlap}({layer})").format(**one)
        if "none" in one:
            print(f"{where}: no extrapolation: {one['none']}")
        else:
            print(f"{where} -> {one['value']:.4f} +- {one['err']:.4f}, chi2 {one['chi2']:.1f} "
                  f"of {one['dof']}, c = {one['c']}")  # fmt: skip
    for one in limits(runs):
        if "value" in one:
            print((place + "{form}: {overlap}({layer}) -> {value:.4f} +- {err:.4f} for "
                   "N >> c >> 1, chi2 {chi2:.1f} of {dof}, c = {c}").format(**one))  # fmt: skip


def main(options: argparse.Namespace) -> None:
    """Make or read the runs, write the document, draw the figure."""
    if options.output is None and options.plot is None:
        raise InputError("output", None, "--output FILE.json or --plot FILE.png")
    runs = read(options.source) if options.source else simulate(options)
    if options.output is not None:
        write(options.output, runs)
    say(runs)
    if options.plot is not None and options.limit:
        import dilute_limit_figure

        print(dilute_limit_figure.save(runs, options.plot))
    elif options.plot is not None:
        from dilute_figure import save

        print(save(runs, options.plot, loops=options.crossover))


if __name__ == "__main__":
    sys.exit("python scripts/mc_study.py dilute")
