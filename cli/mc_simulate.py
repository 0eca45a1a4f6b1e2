"""``replicadnn mc-simulate``."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli import options as opt
from replicadnn.cli.target import Target, target_options

from replicadnn import interrupt

if TYPE_CHECKING:
    from replicadnn.montecarlo.runs.jobs import Job
    from replicadnn.montecarlo.spec import Spec
    from replicadnn.storage.runs import Runs

#: Contract keys that replica exchange does not measure: null in its JSON document.
_NOT_MEASURED = (
    "times", "C_J", "C_J_err", "C_S", "C_S_err", "tau_J", "tau_J_err", "tau_S", "tau_S_err",
    "acceptance", "R",
)  # fmt: skip


@click.command(name="mc-simulate")
@opt.depth_option
@click.option(
    "--N", "N", type=opt.NumberList(), required=True,
    help="Width, or several: 20 or 10,14,20,28.",
)  # fmt: skip
@click.option(
    "--alpha",
    type=float,
    required=True,
    help="Patterns per coupling of a perceptron, alpha = M/c (c = N where fully connected); M is "
    "rounded.",
)
@click.option(
    "--connectivity",
    type=opt.NumberList(),
    default=None,
    metavar="c",
    help="Neurons that a perceptron reads, from 2 to N; several: with every N.  [default: N]",
)
@click.option(
    "--graph", default=None,
    help="Who reads whom where c < N: random (every perceptron draws its c neurons) or regular "
    "(every neuron is also read c times).  [default: random]",
)  # fmt: skip
@opt.scenario_option
@click.option(
    "--sampler", default="gap", show_default=True,
    help="gap (couplings and hidden neurons move) or weights (couplings move, neurons follow).",
)  # fmt: skip
@click.option(
    "--beta", type=float, default=None,
    help="Inverse temperature, or inf.  [default: inf for L = 1, else 3]",
)  # fmt: skip
@opt.kappa_option
@click.option("--sweeps", type=int, default=10_000, show_default=True, help="Length of a run.")
@click.option("--samples", type=int, default=8, show_default=True, help="Independent data sets.")
@click.option(
    "--start", default=None,
    help="planted (an exact equilibrium sample), random, or both: their agreement is tested.  "
    "[default: planted, for random labels random]",
)  # fmt: skip
@click.option(
    "--potential", default="count", show_default=True,
    help="count (violated gaps) or soft (collapses at large beta; watch the warning).",
)  # fmt: skip
@click.option(
    "--tempering", type=opt.NumberList(infinite=True), default=None, metavar="LADDER",
    help="Replica exchange on this ladder of beta, e.g. 0.5:3:12:log, or 1:8:12:log,inf.",
)  # fmt: skip
@click.option("--every", type=int, help="Sweeps between two swaps (--tempering).  [default: 10]")
@click.option("--seed", type=int, default=0, show_default=True, help="Everything follows from it.")
@click.option("--threads", type=int, default=1, show_default=True, help="Does not change results.")
@click.option(
    "--burn-in", type=int, default=0, show_default=True,
    help="Sweeps before --sweeps, not measured.  Random starts get a burn-in by default: their "
    "curves begin after an eighth of the sweeps, and averages are over the last half.",
)  # fmt: skip
@click.option("--origins", type=int, default=4, show_default=True, help="Most origins of a curve.")
@click.option(
    "--replicas", type=int, default=1, show_default=True,
    help="Chains (ladders) from each start; 2 or more give the overlaps q, Q of replicas.",
)  # fmt: skip
@click.option(
    "--step", type=float, default=None,
    help="Step of the rotations.  [default: by pilot run, acceptance 0.15]",
)  # fmt: skip
@click.option(
    "--test-patterns", type=int, default=1000, show_default=True,
    help="Fresh inputs a record for the test error; 0: not measured.",
)  # fmt: skip
@click.option(
    "--latent", type=int, default=None, metavar="D",
    help="Inputs sgn(F c/sqrt D) of D latent variables (hidden manifold).  [default: independent]",
)  # fmt: skip
@click.option("--time-limit", type=float, default=None, help="Stop cleanly after these seconds.")
@target_options(
    "curves and state, also on the way",
    "tau(l) and C(l, t); of replica exchange the distribution of overlaps of two ladders",
)
def command(
    *,
    L: int,
    N: list[float],
    alpha: float,
    beta: float | None,
    tempering: list[float] | None,
    threads: int,
    time_limit: float | None,
    target: Target,
    **options: Any,
) -> int:
    """Sample networks of width N and connectivity c and measure how every layer relaxes.

    The first Ctrl-C saves and ends (exit code 130), the second ends at once.  Exit code 3: the time
    limit came first; continue with --resume.
    """
    from replicadnn.montecarlo.runs.jobs import make_jobs
    from replicadnn.montecarlo.runs.study import run_study
    from replicadnn.montecarlo.spec import default_beta

    opt.only_with("runs without --tempering", tempering is None, "origins")
    opt.only_with("scenario teacher-student", options["scenario"] != "random", "test_patterns")
    jobs = make_jobs(alpha, L, N=N, beta=beta, tempering=tempering, **options)
    if beta is None and tempering is None:
        opt.note(f"note: --beta {default_beta(L, options['potential']):g} is used")
    rounded = [job.spec for job in jobs if not math.isclose(job.spec.alpha, alpha)]
    for spec in rounded:
        opt.note(f"note: {_size(spec)}: M = {spec.M} patterns, alpha = {spec.alpha:.6g}")

    computed = False
    with _progress(jobs) as show:

        def progress(job: int, done: int, total: int) -> None:
            nonlocal computed
            computed = True
            show(job, done, total)

        runs = run_study(
            jobs,
            threads=threads,
            output=target.output,
            resume=target.resume,
            overwrite=target.overwrite and target.output is not None,
            stop=interrupt.requested,
            time_limit=time_limit,
            progress=progress,
        )
    interrupted = not runs.finished and interrupt.requested()
    if target.figure is not None and not interrupted:
        from replicadnn import plot

        target.draw(plot.save_overlap_distribution if tempering else plot.save_relaxation, runs)
    if target.as_json:
        click.echo(json.dumps(_document(runs, len(jobs)), allow_nan=False))
    else:
        _print_tables(runs)
        _print_growth(runs)
    output = target.output
    if runs.finished and not computed:
        opt.note(
            f"nothing to do: {output} is finished, as long as it was asked for (--resume with more "
            "--sweeps makes it longer)"
        )
    elif output is not None and len(runs):
        opt.note(f"{'runs' if len(jobs) > 1 else 'run'} written to {output}")
    return _ending(runs, interrupted, output) or target.code


def _ending(runs: Runs, interrupted: bool, output: str | None) -> int:
    """The exit code, with a note where runs are unfinished."""
    if runs.finished:
        return 0
    if not len(runs):
        opt.note("interrupted before the first sweep: nothing is kept")
        return 130
    kept = "nothing is kept without --output" if output is None else "continue with --resume"
    opt.note(f"{'interrupted' if interrupted else 'time limit reached'}; {kept}")
    return 130 if interrupted else 3


@contextlib.contextmanager
def _progress(jobs: Sequence[Job]) -> Iterator[Callable[[int, int, int], None]]:
    """One bar a run: sweeps (rounds) per second and remaining time."""
    with contextlib.ExitStack() as bar:
        current, report = -1, None

        def show(job: int, done: int, total: int) -> None:
            nonlocal current, report
            if job != current or report is None:
                bar.close()
                which = f" ({job + 1}/{len(jobs)})" if len(jobs) > 1 else ""
                unit = "round" if jobs[job].exchange else "sweep"
                report = bar.enter_context(opt.progress(unit, f"{_size(jobs[job].spec)}{which}"))
                current = job
            report(done, total)

        yield show


def _size(spec: Spec) -> str:
    """Width, and connectivity where it is another number."""
    return f"N = {spec.N}" + ("" if spec.reads.dense else f", c = {spec.connectivity}")


def _document(runs: Runs, asked: int) -> dict[str, Any]:
    """One run: its keys.  Several: {"runs": [...], "growth": ...}.

    With several connectivities the growth with N is one a connectivity, in a list.
    """
    documents = []
    for run in runs:
        document = run.to_json()
        missing = {key: None for key in _NOT_MEASURED if key not in document}
        documents.append(missing | document)
    if asked == 1:
        return documents[0]
    families = _families(runs)
    growth: Any = [_growth(family) for family in families.values()]
    if len(families) == 1:
        return {"runs": documents, "growth": growth[0]}
    named = [
        {"connectivity": c} | fits
        for c, fits in zip(families, growth, strict=True)
        if fits is not None
    ]
    return {"runs": documents, "growth": named or None}


def _families(runs: Runs) -> dict[int | None, list[Any]]:
    """The runs by connectivity; None: c = N, whatever N."""
    families: dict[int | None, list[Any]] = {}
    for run in runs:
        dense = run.spec.reads.dense
        families.setdefault(None if dense else run.spec.connectivity, []).append(run)
    return families


def _print_growth(runs: Runs) -> None:
    """z of tau ~ N^z, layer by layer, where there are several widths; or why there is none."""
    for c, family in _families(runs).items():
        widths = sorted({run.spec.N for run in family})
        if len(widths) < 2:
            continue
        at = "" if c is None else f", c = {c}"
        found = _growth(family)
        if found is None:
            few = len(widths) < 3
            opt.note(
                f"no z{at}: tau ~ N^z needs "
                + ("three widths" if few else "one run of relaxation a width")
            )
            continue
        click.echo(f"tau ~ N^z over N = {', '.join(map(str, widths))}{at}:")
        for name, fits in found.items():
            for l, fit in enumerate(fits, 1):
                z, error, chi2 = (fit[key] for key in ("z", "z_err", "chi2_dof"))
                if z is None or error is None or chi2 is None:
                    said = "no z: tau is not known, with its error, for three widths"
                else:
                    said = f"z = {_number(z, error)} (chi^2 per degree of freedom {chi2:.2g})"
                click.echo(f"  {name}, layer {l}: {said}")


def _growth(runs: Sequence[Any]) -> dict[str, list[dict[str, float | None]]] | None:
    """Exponents of tau ~ N^z over the widths simulated, with error and chi^2 per dof.

    runs : of one connectivity, or all fully connected.
    """
    import numpy as np

    from replicadnn.montecarlo.measure.relaxation import growth_exponent
    from replicadnn.montecarlo.runs.result import MonteCarloResult, plain

    rows = [r for r in runs if isinstance(r, MonteCarloResult)]
    widths = np.array([r.spec.N for r in rows], float)
    if len(set(widths)) != len(runs) or len(rows) < 3:
        return None
    out: dict[str, list[dict[str, float | None]]] = {}
    for name in ("tau_J", "tau_S"):
        tau = np.array([getattr(r, name) for r in rows])
        error = np.array([getattr(r, name + "_err") for r in rows])
        fits = [growth_exponent(widths, tau[:, k], error[:, k]) for k in range(tau.shape[1])]
        out[name] = [plain(dict(zip(("z", "z_err", "chi2_dof"), f, strict=True))) for f in fits]
    return out


def _number(value: float, error: float, bound: float = math.nan, side: str = "lower") -> str:
    """Value and error; where there is none, "> bound" or "< bound", or "-"."""
    if math.isnan(value):
        return "-" if math.isnan(bound) else f"{'>' if side == 'lower' else '<'} {bound:.4g}"
    if math.isnan(error) or error == 0.0:
        return f"{value:.4g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} +- {error:.{digits}f}"


def _cell(run: Any, name: str, l: int) -> str:
    """An observable of a run in layer l (from 0); nothing where it has no such layer."""
    values = getattr(run, name)
    if l >= len(values):
        return ""
    errors, bounds = run.values.get(f"{name}_err"), run.values.get(f"{name}_bound")
    return _number(
        values[l],
        math.nan if errors is None else errors[l],
        math.nan if bounds is None else bounds[l],
        run.bound_sides.get(name, "lower"),
    )


def _print_tables(runs: Runs) -> None:
    from replicadnn.montecarlo.runs.result import MonteCarloResult

    for run in runs:
        p = run.params
        graph = "" if p["graph"] is None else f" ({p['graph']} graph)"
        graph += "" if p["latent"] is None else f", D = {p['latent']} latent"
        click.echo(
            f"L = {p['L']}, {_size(run.spec)}{graph}, alpha = {p['alpha']:.6g} (M = {p['M']}), "
            f"{p['scenario']}, {p['sampler']} sampler, beta = {p['beta']}, {p['start']} start"
        )
        click.echo(opt.in_options(f"{run.status}: {run.message}"))
        if isinstance(run, MonteCarloResult):
            _print_relaxation(run)
        else:
            _print_ladder(run)


def _print_relaxation(run: Any) -> None:
    from replicadnn.montecarlo.measure.registry import teacher_overlaps

    click.echo(opt.in_options(f"equilibrium {run.equilibrium}"))
    teacher = teacher_overlaps(run.spec)[0]
    head = ("layer", "tau_S", "tau_J", teacher.replace("_", " "), "violated", "acc. J", "acc. S")
    widths = (5, 20, 20, 18, 18, 8, 8)
    click.echo(" ".join(f"{h:>{w}}" for h, w in zip(head, widths, strict=True)))
    L = run.spec.L
    for l in range(L):
        cells = (
            str(l + 1),
            *(_cell(run, name, l) for name in ("tau_S", "tau_J", teacher, "energy")),
            _number(run.acceptance["J"][l], math.nan),
            _number(run.acceptance["S"][l], math.nan) if l < L - 1 else "",
        )
        click.echo(" ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)))
    error = _cell(run, "test_error", L - 1)
    if error != "-":
        click.echo(f"error on fresh inputs, against the noiseless teacher: {error}")


def _print_ladder(run: Any) -> None:
    click.echo(f"{'beta':>10} {'violated':>10} {'swaps up':>9}")
    for k, beta in enumerate(run.betas):
        swaps = f"{run.swap_acceptance[k]:.3f}" if k < len(run.swap_acceptance) else ""
        click.echo(f"{beta:>10.5g} {run.energy[k].mean():>10.5f} {swaps:>9}")
    trips = run.round_trips
    click.echo(f"round trips: {int(trips.sum())} (slowest sample {int(trips.min())})")
    columns = [("R", "r", "matched"), ("Q", "q", "matched"), ("Q", "q", "self")]
    columns = [c for c in columns if not math.isnan(run.samples[f"{c[0]}_{c[2]}"][0, 0])]
    if not columns:
        return
    click.echo("largest beta, neurons matched:")
    head = [f"{letter} {end}" for *letters, end in columns for letter in letters]
    click.echo("layer " + " ".join(f"{h.replace('matched', ''):>18}" for h in head))
    for l in range(run.spec.L):
        cells = []
        for *letters, end in columns:
            for letter in letters:
                cells.append(_cell(run, f"{letter}_{end}", l))
        click.echo(f"{l + 1:>5} " + " ".join(f"{c:>18}" for c in cells))
