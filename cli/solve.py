"""``replicadnn solve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli import options as opt
from replicadnn.cli.target import Target, target_options

if TYPE_CHECKING:
    from replicadnn.solution import Solution, Solutions


@click.command(name="solve")
@opt.alphas_option
@opt.depth_option
@opt.scenario_option
@opt.ansatz_option
@opt.closure_option
@opt.kappa_option
@opt.beta_option
@opt.inputs_option
@click.option(
    "--branch", default="auto", show_default=True,
    help="auto, equilibrium, continuous or all (docs/theory.md, section 5).",
)  # fmt: skip
@click.option("--levels", type=int, default=16, show_default=True, help="Levels K of rsb.")
@click.option(
    "--time-limit", type=float, default=300.0, show_default=True,
    help="Seconds for each branch of each point (rsb).",
)  # fmt: skip
@opt.threads_option
@click.option("--tol", type=float, default=1e-8, show_default=True, help="Largest residual.")
@target_options("solutions", "the profiles q(l), Q(l)")
def command(alpha: list[float], L: int, target: Target, **options: Any) -> int:
    """Solve the saddle-point equations for the overlaps q(l) and Q(l) of every layer."""
    from replicadnn.solution import Solutions
    from replicadnn.storage.solutions import SolutionWriter
    from replicadnn.theory.solve import origin, plan, solve_plan, taken_over

    options["inputs"] = opt.law_of(options["inputs"])
    work = plan(alpha, L, **options)
    opt.only_with_ansatz(options["scenario"], options["closure"], options["ansatz"])
    made = origin(work)
    found: dict[int, list[Solution]] = {}
    interrupted = False
    with target.writing():
        known = target.earlier("solve")
        if known is not None:
            found = taken_over(work, known)
        before = len(found)
        writer = None
        if target.output is not None and not (target.complete() and before == len(alpha)):
            writer = SolutionWriter(
                target.output, made, overwrite=target.overwrite or known is not None, known=found
            )
        left = len(alpha) - before
        try:
            for index, solved in opt.with_progress(solve_plan(work, set(found)), left, "point"):
                found[index] = solved
                if writer is not None:
                    writer.add(index, solved)
        except KeyboardInterrupt:
            interrupted = True
        if writer is not None and found:
            with opt.progress("point", "writing") as report:
                writer.finish(finished=not interrupted, progress=report)
            opt.note(f"solutions written to {target.output}")
        elif target.resume and not left:
            opt.note(f"nothing to do: {target.output} holds every point asked for")

    solutions = Solutions([s for i in sorted(found) for s in found[i]], made)
    if target.figure is not None and not interrupted:
        from replicadnn.plot import save_profile

        target.draw(save_profile, solutions)
    code = target.show(solutions, _print_table)
    if interrupted:
        return target.interrupted(f"{len(found)} of {len(alpha)} points")
    return code


def _print_table(solutions: Solutions) -> None:
    teacher = any(s.eps_g is not None for s in solutions)
    structured = any(s.problem.inputs is not None for s in solutions)
    bounded = any(s.possible is not None for s in solutions)
    opt.name_closure(s.problem.closure for s in solutions)
    click.echo(
        f"{'alpha':>12}  {'branch':<19} {'s':>13} {'solid/hidden':>12} {'residual':>9}"
        + (f" {'eps_g':>9}" if teacher else "")
        + (f" {'eps_bayes':>9} {'Q':>9} {'weights':>9}" if structured else "")
        + (f" {'possible':>8}" if bounded else "")
        + "  status"
    )
    for s in solutions:
        solid = f"{int(s.solid_layers[1:-1].sum())}/{s.L - 1}"
        line = f"{s.alpha:>12.7g}  {s.branch:<19} {s.free_entropy:>13.8f}"
        line += f" {solid:>12} {s.residual:>9.1e}"
        if teacher:
            line += f" {s.eps_g:>9.6f}" if s.eps_g is not None else f" {'-':>9}"
        if structured:
            bayes = f"{s.eps_bayes:.6f}" if s.eps_bayes is not None else "-"
            line += f" {bayes:>9} {s.Q_ea[0]:>9.6f} {s.weight_overlap[0]:>9.6f}"
        if bounded:
            line += f" {opt.yes_no(s.possible):>8}"
        better = s.better_branch
        click.echo(f"{line}  {s.status}" + (f"; a {better} branch has larger s" if better else ""))
    for s in solutions:
        if s.message != "certified":
            opt.note(f"alpha = {s.alpha:g}, {s.branch}: {s.message}")
