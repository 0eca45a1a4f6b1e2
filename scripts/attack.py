"""An independent check of the broken-symmetry solver of the random scenario.

    python scripts/attack.py numbers                 # known values, solved again from the formulas
    python scripts/attack.py coverage --output FILE  # 200 random problems: are stated errors true?
    python scripts/attack.py walk                    # is "continuous" connected to the liquid?
    python scripts/attack.py refusals                # requests that once failed or took too long
    python scripts/attack.py ... --quick             # a small part of each

`scripts/nested.py` solves the equations with up to two levels and shares nothing with the package.
`numbers` prints what it finds beside what the package returns.

`coverage` solves every problem with K, 2K and 4K levels through the public interface and asks
whether the errors stated at K hold the actual difference to 4K; then it holds s of the problems
with K = 2 against `nested`, which must not lie below.  It writes JSON lines to FILE and continues
where FILE ends; 20 to 60 minutes on one core.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import nested
import numpy as np
from scipy.special import ndtr

import replicadnn as rd
from replicadnn.problem import Ansatz, Problem, Scenario
from replicadnn.theory.broken.search import find
from replicadnn.theory.closures import broken_equations

SEED = 20
#: Seconds allowed to one solve of `coverage`, and beyond them until its process is ended.
SECONDS, GRACE = 60.0, 30.0
#: Seconds allowed to the independent solver.
OWN_SECONDS = 120.0
#: s of the package may lie above that of the independent solver by this much.
AGREE = 1e-9
TEACHER = {"scenario": "teacher-student", "ansatz": "rs"}
#: Differences that are rounding: s, overlaps (the tolerance of a converged result).
ROUNDING = {"s": 1e-11, "q": 1e-8, "Q": 1e-8}
#: Errors and differences of overlaps below are those of layers without any.
ZERO = 1e-12
#: Largest alpha over the first transition that is drawn, by L: known ends of the hard branch.
KNOWN_ENDS = {2: 5.93 / 1.2337, 3: 13.6 / 2.4674, 20: 76.5 / 2.4674}


# --- the package, with a time limit ---------------------------------------------------------


def bounded(work: Callable[[], Any], seconds: float) -> Any:
    """The result of ``work()`` in a process of its own, or None if it took too long or died."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=lambda: send.send(work()))
    process.start()
    send.close()
    try:
        return receive.recv() if receive.poll(seconds) else None
    except EOFError:
        return None
    finally:
        process.kill()
        process.join()


def errors_of(found: rd.Solution) -> dict[str, Any]:
    """Stated errors of the number of levels: of s, and of q and Q by layer."""
    given = {"s": found.certificate.levels_error_s, "q": found.q_ea_error, "Q": found.Q_ea_error}
    return {key: np.asarray(e, float).tolist() for key, e in given.items() if e is not None}


def ask(problem: dict[str, Any], seconds: float = SECONDS) -> dict[str, Any]:
    """Solve through the public interface; what came back, as plain numbers."""

    def work() -> dict[str, Any]:
        options = {"scenario": "random", "ansatz": "rsb", "time_limit": seconds, **problem}
        found = rd.solve(options.pop("alpha"), options.pop("L"), **options)
        return {
            "status": str(found.status),
            "message": found.message,
            "levels": found.x.size - 1,
            "s": found.free_entropy,
            "x": found.x.tolist(),
            "q": found.q_ea.tolist(),
            "Q": found.Q_ea.tolist(),
            "errors": errors_of(found),
        }

    began = time.perf_counter()
    answer = bounded(work, seconds + GRACE)
    if answer is None:
        answer = {"status": "no answer", "message": f"ended after {seconds + GRACE:g} s"}
    return {**answer, "seconds": round(time.perf_counter() - began, 2)}


def words(problem: dict[str, Any]) -> str:
    """A problem in words."""
    return ", ".join(
        f"{key} = {value if isinstance(value, str) else format(value, 'g')}"
        for key, value in problem.items()
    )


# --- numbers --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """A problem with `levels` levels and s where it is known from elsewhere.

    ``high``: the solution with overlaps next to one, beside the one reached from the liquid.
    """

    alpha: float
    L: int
    levels: int
    kappa: float = 0.0
    beta: float = math.inf
    known: float | None = None
    high: bool = False

    @property
    def problem(self) -> dict[str, Any]:
        names = ("alpha", "L", "kappa", "beta", "levels")
        return {name: getattr(self, name) for name in names}


NUMBERS = (
    Number(4000.0, 20, 1, known=-1.1622900),
    Number(64.1965, 3, 1, beta=2.0, known=-0.3268187284),
    Number(64.1965, 3, 2, beta=2.0, known=-0.3268428757),
    Number(14.9219, 20, 2),
    Number(13.0, 3, 2, kappa=0.037, beta=6.0),
    Number(13.5, 3, 2, kappa=0.037, beta=6.0),
    Number(16.0, 3, 2, kappa=0.037, beta=6.0),
    Number(16.0, 3, 2, kappa=0.037, beta=6.0, high=True),
    Number(19.3, 3, 2, kappa=0.037, beta=6.0),
    Number(19.3, 3, 2, kappa=0.037, beta=6.0, high=True),
    Number(100.0, 20, 2, known=-0.882560),
    Number(6187.3, 20, 1, beta=6.0),
)
#: (alpha, L, kappa) of the teacher-student scenario, and s.
PLANTED = ((0.01, 2, 8.0, None), (0.01, 2, 9.0, -64.556319), (0.01, 2, 10.0, None))


def numbers(quick: bool) -> None:
    for case in NUMBERS[:3] if quick else NUMBERS:
        chain = nested.Chain(case.alpha, case.L, case.kappa, case.beta)
        own = nested.solve_high(chain) if case.high else nested.solve(chain, case.levels)
        finer = replace(chain, fine=1.5).evaluate(own.q, own.Q, own.m)
        ansatz = {"ansatz": "1rsb"} if case.levels == 1 else {}
        run = ask({**case.problem, **ansatz})
        name = words(case.problem) + (", next to q = 1" if case.high else "")
        layer = own.q[1] if case.L > 1 else own.Q[0]
        print(name)
        print(f"  own      s = {own.s:.10f}  {triple(own.m, layer)}")
        print(f"           error of the sums {abs(finer.s - own.s):.0e}, of the equations "
              f"{max(own.residual, finer.residual):.0e}")  # fmt: skip
        if case.known is not None:
            print(f"  known    s = {case.known:.10f}  difference {own.s - case.known:+.1e}")
        compare_s(run, own.s)
    for alpha, L, kappa, known in PLANTED:
        s, q, Q = nested.planted(alpha, L, kappa)
        run = ask({"alpha": alpha, "L": L, "kappa": kappa, **TEACHER})
        print(f"teacher-student, alpha = {alpha:g}, L = {L}, kappa = {kappa:g}")
        print(f"  own      s = {s:.9f}  q(1) = {q[1]:.6f}, Q(1) = {Q[0]:.6f}")
        if known is not None:
            print(f"  known    s = {known:.9f}  difference {s - known:+.1e}")
        compare_s(run, s)


def triple(m: Any, values: Any) -> str:
    """Breakpoints and overlaps of the first layer."""
    text = [", ".join(f"{x:.6f}" for x in row) for row in (m, values)]
    return f"m = {text[0]}; first layer {text[1]}"


def compare_s(run: dict[str, Any], s: float) -> None:
    if "s" in run:
        gap = run["s"] - s
        print(f"  package  s = {run['s']:.10f}  difference {gap:+.1e}  {run['levels']} levels")
    print(f"           {run['status']}, {run['seconds']:.1f} s: {run['message']}", flush=True)


# --- coverage -------------------------------------------------------------------------------


def first_transition(L: int, kappa: float, beta: float) -> float:
    """alpha at which the first layer freezes, docs/theory.md (22).

    For L = 1 a scale: the symmetric capacity with hard constraints.
    """
    if L == 1:
        return 1.0 / ((1.0 + kappa**2) * ndtr(kappa) + kappa * density(kappa))
    b = -math.expm1(-beta)
    G = (b * density(kappa) / (1.0 - b * ndtr(kappa))) ** 2
    return 1.0 / (G * G * (2.0 if L == 2 else 1.0))


def density(x: float) -> float:
    return math.exp(-x * x / 2.0) / math.sqrt(2.0 * math.pi)


def draw(count: int) -> list[dict[str, Any]]:
    """Random problems, the same for every run."""
    rng = np.random.default_rng(SEED)
    problems = []
    for n in range(count):
        L = round(math.exp(rng.uniform(0.0, math.log(20.0))))
        kappa = 0.0 if rng.random() < 0.4 else round(rng.uniform(-0.5, 1.0), 3)
        beta = math.inf if rng.random() < 0.4 else round(rng.uniform(2.0, 20.0), 2)
        low, high = 1.01, 10.0
        if math.isinf(beta):
            if L == 1:
                low, high = 0.75, 0.99
            else:
                ends = np.array(sorted(KNOWN_ENDS.items()))
                end = math.exp(np.interp(math.log(L), np.log(ends[:, 0]), np.log(ends[:, 1])))
                high = min(high, 0.97 * end)
        share = math.exp(rng.uniform(math.log(low), math.log(high)))
        alpha = float(f"{first_transition(L, kappa, beta) * share:.6g}")
        problems.append(
            {"alpha": alpha, "L": L, "kappa": kappa, "beta": beta, "levels": (2, 4, 8)[n % 3]}
        )
    return problems


def levels_record(problem: dict[str, Any]) -> dict[str, Any]:
    """The answers with K, 2K and 4K levels; the latter only where the one before converged."""
    runs = []
    for factor in (1, 2, 4):
        levels = factor * problem["levels"]
        runs.append(ask({**problem, "levels": levels, "branch": "continuous"}))
        if factor == 1 and runs[0]["status"] != "converged":
            break
    return {"problem": problem, "runs": runs}


def own_record(problem: dict[str, Any]) -> dict[str, Any]:
    """s of the independent solver with two levels, or one where two take too long."""
    chain = nested.Chain(*(problem[name] for name in ("alpha", "L", "kappa", "beta")))
    if chain.L == 1:
        chain = replace(chain, fine=0.9)

    def work(K: int) -> dict[str, Any]:
        try:
            point = nested.solve(chain, K)
        except (nested.NotFound, nested.TooManyPoints) as error:
            return {"message": str(error)}
        if point.levels < K == 2 and chain.L > 1:
            with contextlib.suppress(nested.NotFound):
                point = min(point, nested.solve_high(chain), key=lambda one: one.s)
        return {"s": point.s, "levels": point.levels, "q": point.q[:, -1].tolist()}

    own: dict[str, Any] = {"message": "no answer in time"}
    for K in (2, 1):
        answer = bounded(partial(work, K), OWN_SECONDS)
        own = own if answer is None else answer
        if "s" in own:
            break
    return {"problem": problem, "own": own}


def compare(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Stated errors and actual differences to the best answer with more levels."""
    first, *finer = record["runs"]
    good = [run for run in finer if run["status"] == "converged"]
    if first["status"] != "converged" or not good:
        return []
    best, rows = good[-1], []
    for name in ("s", "q", "Q"):
        if name not in first["errors"]:
            continue
        stated = np.asarray(first["errors"][name], float)
        actual = np.abs(np.asarray(first[name]) - np.asarray(best[name]))
        if stated.ndim == 0:  # one error for all layers
            actual = np.asarray(actual.max())
        first_layer = {"q": 0, "Q": 1}.get(name, 0)
        for n, (e, d) in enumerate(zip(stated.flat, actual.flat, strict=True)):
            if max(e, d) < ZERO:  # data, liquid layers
                continue
            layer = None if stated.ndim == 0 else first_layer + n
            rows.append({"name": name, "layer": layer, "stated": float(e), "actual": float(d)})
    return rows


def silent(run: dict[str, Any], asked: int) -> bool:
    """Fewer levels than asked, and not a word about it."""
    parts = [part.strip() for part in run["message"].split(";")]
    plain = {"certified", f"{run['levels']} levels", f"{run['levels']} level"}
    return run["levels"] < asked and all(part in plain for part in parts)


def own_report(records: list[dict[str, Any]], answers: list[dict[str, Any]]) -> None:
    """s of the package against the independent solver."""
    stated = {words(r["problem"]): r["runs"][0] for r in records}
    known = [one for one in answers if "s" in one["own"]]
    print(f"\nindependent solver, K <= 2: {len(answers)} problems, {len(known)} solved")
    gaps = [stated[words(one["problem"])]["s"] - one["own"]["s"] for one in known]
    print(f"  package equal to {AGREE:g}: {sum(abs(gap) <= AGREE for gap in gaps)}")
    for title, sign in (("above", 1.0), ("below", -1.0)):
        off = [(gap, one) for gap, one in zip(gaps, known, strict=True) if sign * gap > AGREE]
        print(f"  package {title}: {len(off)}")
        for gap, one in sorted(off, key=lambda pair: -abs(pair[0])):
            run = stated[words(one["problem"])]
            print(
                f"    {gap:+.2e}  {words(one['problem'])}: {run['levels']} levels, "
                f"own {one['own']['levels']}"
            )
    for one in answers:
        if "s" not in one["own"]:
            print(f"  not solved: {words(one['problem'])}: {one['own']['message']}")


def coverage_report(records: list[dict[str, Any]]) -> None:
    converged = [r for r in records if r["runs"][0]["status"] == "converged"]
    compared = [(r["problem"], row) for r in records for row in compare(r)]
    print(f"{len(records)} problems, {len(converged)} converged at K")
    print("\nstated errors against the difference to 4K (2K where 4K did not converge)")
    print(
        "quantity | compared | covered | or rounding | actual/stated: 10 %, 50 %, 90 %, max | nan"
    )
    for name in ("s", "q", "Q"):
        rows = [row for _, row in compared if row["name"] == name]
        known = [row for row in rows if not math.isnan(row["stated"])]
        if not known:
            print(f"{name} | 0 | | | | {len(rows)}")
            continue
        floor = ROUNDING[name]
        held = np.mean([row["actual"] <= row["stated"] for row in known])
        within = np.mean([row["actual"] <= max(row["stated"], floor) for row in known])
        ratios = [row["actual"] / max(row["stated"], floor) for row in known]
        spread = ", ".join(f"{x:.2f}" for x in np.quantile(ratios, [0.1, 0.5, 0.9, 1.0]))
        blank = len(rows) - len(known)
        print(f"{name} | {len(known)} | {held:.3f} | {within:.3f} | {spread} | {blank}")
    for name in ("s", "q", "Q"):
        misses = [
            (row["actual"] / max(row["stated"], ROUNDING[name]), problem, row)
            for problem, row in compared
            if row["name"] == name and row["actual"] > max(row["stated"], ROUNDING[name])
        ]
        if misses:
            print(f"\nworst of {name}: actual/stated")
        for ratio, problem, row in sorted(misses, key=lambda one: -one[0])[:8]:
            where = "" if name == "s" or row["layer"] is None else f"layer {row['layer']}, "
            print(
                f"  {ratio:9.2f}  {where}stated {row['stated']:.2e} actual {row['actual']:.2e}"
                f"  {words(problem)}"
            )
    unknown = [
        r for r in converged if any(np.isnan(e).any() for e in r["runs"][0]["errors"].values())
    ]
    print(f"\nnan among the errors of converged results: {len(unknown)} of {len(converged)}")
    for r in unknown:
        print(f"  {words(r['problem'])}: {r['runs'][0]['message']}")
    fewer = [r for r in converged if r["runs"][0]["levels"] < r["problem"]["levels"]]
    mute = [r for r in fewer if silent(r["runs"][0], r["problem"]["levels"])]
    print(f"\nfewer levels than asked: {len(fewer)}, of them without a reason: {len(mute)}")
    for r in mute:
        print(f"  {words(r['problem'])}: {r['runs'][0]['message']}")
    print("\nnot converged")
    for r in records:
        for factor, run in zip((1, 2, 4), r["runs"], strict=False):
            if run["status"] != "converged":
                asked = {**r["problem"], "levels": factor * r["problem"]["levels"]}
                print(
                    f"  {words(asked)}: {run['status']}, {run['seconds']:.1f} s: {run['message']}"
                )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Complete JSON lines of a file; what an interrupt left half written is dropped."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def coverage(quick: bool, output: Path) -> None:
    problems = draw(20 if quick else 200)
    for L in (1, 3):  # compiles
        rd.solve(3.0, L, scenario="random", beta=5.0, levels=2)
    lines = read_lines(output)
    output.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with output.open("a") as file:

        def add(line: dict[str, Any], say: str) -> None:
            file.write(json.dumps(line) + "\n")
            file.flush()
            lines.append(line)
            print(f"{words(line['problem'])}: {say}", file=sys.stderr)

        def missing(key: str, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
            done = [line["problem"] for line in lines if key in line]
            return [problem for problem in asked if problem not in done]

        for problem in missing("runs", problems):
            record = levels_record(problem)
            say = ", ".join(f"{run['status']} {run['seconds']:.1f} s" for run in record["runs"])
            add(record, say)
        records = [line for line in lines if "runs" in line and line["problem"] in problems]
        two = [
            r["problem"]
            for r in records
            if r["problem"]["levels"] == 2 and r["runs"][0]["status"] == "converged"
        ]
        for problem in missing("own", two):
            record = own_record(problem)
            add(record, f"independent: {record['own'].get('s', record['own'].get('message'))}")
    coverage_report(records)
    own_report(records, [line for line in lines if "own" in line and line["problem"] in two])


# --- walk -----------------------------------------------------------------------------------

#: Ratio of alpha from step to step, and how far above the first transition the walk ends.
STEP, NEAR = 0.96, 1.05


def walk_down(problem: dict[str, Any]) -> tuple[int, float, float, str]:
    """From a "continuous" solution down to the first transition, each from the one before.

    Returns the number of steps, the largest change of a q_EA in one, the largest q_EA at the end
    and why it ended before ("" if it did not).
    """
    options = {**problem}
    levels, alpha, L = options.pop("levels"), options["alpha"], options["L"]
    asked = Problem(scenario=Scenario.RANDOM, ansatz=Ansatz.RSB, **options)
    end = NEAR * first_transition(L, asked.kappa, asked.beta)
    at = find(broken_equations(asked), levels=levels, time_limit=SECONDS)
    steps, largest, why = 0, 0.0, "" if at.converged else at.text
    while not why and alpha > end:
        alpha = max(STEP * alpha, end)
        here = broken_equations(replace(asked, alpha=alpha))
        below = find(here, levels=levels, time_limit=SECONDS, start=at.state)
        if not below.converged:
            why = f"alpha = {alpha:g}: {below.text}"
            break
        largest = max(largest, float(np.abs(below.q_ea - at.q_ea).max()))
        steps, at = steps + 1, below
    return steps, largest, float(at.q_ea[1:-1].max()), why


def walk(quick: bool) -> None:
    problems = [p for p in draw(200) if p["L"] > 1 and p["kappa"] >= 0.0]
    steps, lost, widest, last = 0, 0, 0.0, 0.0
    for problem in problems[:3] if quick else problems[:40]:
        count, largest, q, why = walk_down({**problem, "levels": 4})
        print(f"{words(problem)}: {count} steps of q <= {largest:.3f}, ends at {q:.4f} {why}",
              flush=True)  # fmt: skip
        steps, lost = steps + count, lost + bool(why)
        widest, last = max(widest, largest), max(last, q if not why else 0.0)
    print(
        f"{steps} steps, the largest {widest:.3f}; {lost} walks broken off; ends below {last:.3f}"
    )


# --- refusals -------------------------------------------------------------------------------


def refused() -> Iterator[dict[str, Any]]:
    """Requests that once ended in a time limit or in a false refusal."""
    for alpha in (4.68, 4.69):
        yield {"alpha": alpha, "L": 1, "kappa": -0.5, "levels": 8}
    for beta in (300.0, 500.0, 700.0, 740.0, 746.0, 1000.0):
        yield {"alpha": 3.0, "L": 1, "beta": beta, "levels": 2}
    yield {"alpha": 119.0, "L": 3, "kappa": 0.137, "levels": 2}
    yield {"alpha": 257.0, "L": 3, "kappa": 0.944, "levels": 3}
    yield {"alpha": 86.0, "L": 7, "kappa": 0.767, "levels": 2}
    yield {"alpha": 6187.3, "L": 20, "beta": 6.0, "ansatz": "1rsb"}
    for kappa in (8.0, 9.0, 10.0):
        yield {"alpha": 0.01, "L": 2, "kappa": kappa, **TEACHER}


def refusals(quick: bool) -> None:
    for problem in list(refused())[:: 4 if quick else 1]:
        run = ask(problem)
        result = f"s = {run['s']:.9g}, {run['levels']} levels; " if "s" in run else ""
        print(
            f"{words(problem)}: {run['status']}, {run['seconds']:.1f} s; {result}{run['message']}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Independent check of the broken-symmetry solver.")
    parser.add_argument("what", choices=("numbers", "coverage", "walk", "refusals"))
    parser.add_argument("--quick", action="store_true", help="a small part")
    parser.add_argument("--output", type=Path, default=Path("coverage.jsonl"), metavar="FILE")
    given = parser.parse_args()
    if given.what == "numbers":
        numbers(given.quick)
    elif given.what == "coverage":
        coverage(given.quick, given.output)
    elif given.what == "walk":
        walk(given.quick)
    else:
        refusals(given.quick)


if __name__ == "__main__":
    main()
