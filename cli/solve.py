"""``replicadnn solve``."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import NumberList, config_option, note

if TYPE_CHECKING:
    from replicadnn.solution import Solution


@click.command(name="solve")
@click.option(
    "--alpha", type=NumberList(), required=True,
    help="Patterns per coupling: 25 or 25,100 or start:stop:count[:log], mixed.",
)  # fmt: skip
@click.option("--L", "L", type=int, required=True, help="Depth: layers of perceptrons.")
@click.option(
    "--scenario", default="teacher-student", show_default=True,
    help="teacher-student (crystal) or random (glass).",
)  # fmt: skip
@click.option(
    "--ansatz",
    default=None,
    help="rs, 1rsb or rsb.  [default: rs for teacher-student, rsb for random]",
)
@click.option("--kappa", type=float, default=0.0, show_default=True, help="Margin of the gaps.")
@click.option(
    "--beta", type=float, default=float("inf"), show_default=True,
    help="Inverse temperature of the violation-count potential.",
)  # fmt: skip
@click.option(
    "--branch", default="auto", show_default=True,
    help="auto, equilibrium, continuous or all (docs/theory.md, section 5).",
)  # fmt: skip
@click.option("--levels", type=int, default=16, show_default=True, help="Levels K of rsb.")
@click.option(
    "--time-limit",
    type=float,
    default=300.0,
    show_default=True,
    help="Seconds for each branch of each point (rsb).",
)
@click.option(
    "--threads", type=int, default=1, show_default=True, help="Threads over layers (rsb)."
)
@click.option("--tol", type=float, default=1e-8, show_default=True, help="Largest residual.")
@click.option("--output", metavar="FILE.h5", help="Save the solutions (HDF5).")
@click.option("--plot", "figure", metavar="FILE.png", help="Draw the profiles q(l), Q(l).")
@click.option("--overwrite", is_flag=True, help="Replace existing output files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
@config_option
def command(
    alpha: list[float],
    L: int,
    output: str | None,
    figure: str | None,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Solve the saddle-point equations for the overlaps q(l) and Q(l) of every layer."""
    from replicadnn.locking import lock
    from replicadnn.provenance import provenance
    from replicadnn.solution import Solutions
    from replicadnn.store import SolutionWriter, check_figure_name, check_target
    from replicadnn.theory.solver import plan, solve_plan

    for path in (output, figure):
        if path is not None:
            check_target(path, overwrite=overwrite)
    if figure is not None:
        check_figure_name(figure)
    work = plan(alpha, L, **options)

    found: dict[int, list[Solution]] = {}
    interrupted = False
    origin = provenance()
    with contextlib.nullcontext() if output is None else lock(output):
        writer = None
        if output is not None:
            writer = SolutionWriter(output, origin, overwrite=overwrite)
        try:
            for index, solved in _with_progress(solve_plan(work), len(alpha)):
                found[index] = solved
                if writer is not None:
                    writer.add(index, solved)
        except KeyboardInterrupt:
            interrupted = True
        if writer is not None and found:
            writer.finish(finished=not interrupted)

    solutions = Solutions([s for i in sorted(found) for s in found[i]], origin)
    if figure is not None and not interrupted:
        from replicadnn.plot import save_profile

        save_profile(solutions, figure, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps({"results": [s.as_dict() for s in solutions]}, allow_nan=False))
    else:
        _print_table(solutions)
    for path, what in (
        (output if found else None, "solutions"),
        (None if interrupted else figure, "figure"),
    ):
        if path is not None:
            note(f"{what} written to {path}")
    if interrupted:
        note(f"interrupted: {len(found)} of {len(alpha)} points done")
        return 130
    return 0 if solutions.converged else 3


def _with_progress(points: Any, total: int) -> Any:
    from tqdm import tqdm

    return tqdm(points, total=total, unit="point", disable=None if total > 1 else True, leave=False)


def _print_table(solutions: Any) -> None:
    teacher = any(s.eps_g is not None for s in solutions)
    click.echo(
        f"{'alpha':>12}  {'branch':<13} {'s':>13} {'solid/hidden':>12} {'residual':>9}"
        + (f" {'eps_g':>9}" if teacher else "")
        + "  status"
    )
    for s in solutions:
        solid = f"{int(s.solid_layers[1:-1].sum())}/{s.L - 1}"
        line = f"{s.alpha:>12.7g}  {s.branch:<13} {s.free_entropy:>13.8f}"
        line += f" {solid:>12} {s.residual:>9.1e}"
        if teacher:
            line += f" {s.eps_g:>9.6f}" if s.eps_g is not None else f" {'-':>9}"
        click.echo(f"{line}  {s.status}")
    for s in solutions:
        if s.message != "certified":
            note(f"alpha = {s.alpha:g}, {s.branch}: {s.message}")
