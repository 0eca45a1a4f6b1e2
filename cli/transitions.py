"""``replicadnn transitions``."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli import options as opt
from replicadnn.cli.target import Target, target_options

if TYPE_CHECKING:
    from replicadnn.questions.transitions import Transitions


@click.command(name="transitions")
@opt.depth_option
@opt.scenario_option
@opt.ansatz_option
@opt.closure_option
@opt.kappa_option
@opt.beta_option
@click.option(
    "--alpha-max", type=float, default=1e9, show_default=True, help="Look no further than this."
)
@click.option(
    "--levels", type=int, default=8, show_default=True,
    help="Levels K of rsb; half as many give the error.",
)  # fmt: skip
@opt.threads_option
@target_options("transitions", "ln alpha(l) and the thickness")
def command(L: int, target: Target, **options: Any) -> int:
    """Find where each layer becomes solid, and where the last liquid layer disappears.

    Layers are numbered from the nearest boundary; with closure exact from the input, and listed
    from the output, where order begins, or with a margin in the order of alpha, since a second
    front grows from the inputs.  Exit code 3: a layer has no certified threshold.
    """
    from replicadnn.questions.transitions import transitions

    opt.only_with_ansatz(options["scenario"], options["closure"], options["ansatz"])
    return target.finish(partial(transitions, L, **options), "layer", _print, "transitions")


def _print(found: Transitions) -> None:
    opt.name_closure([found.closure])
    _print_thresholds(found)
    fit = found.fit
    if fit is not None:
        depth = "l" if found.two_fronts else "(L - l)"
        layers = [found.layers[n - 1] for n in fit.layers]
        click.echo(
            f"ln alpha(l) = {fit.intercept:.3f}({fit.intercept_err:.3f}) + "
            f"{fit.slope:.3f}({fit.slope_err:.3f}) {depth}, "
            f"layers {layers[0]:g}..{layers[-1]:g}; "
            f"largest residual {fit.residual_max:.3f}, "
            f"local slope from {fit.slope_first:.3f} to {fit.slope_last:.3f}"
        )
    if not math.isnan(found.last_liquid):
        line = f"last liquid layer becomes solid at {found.last_liquid:.8g} (alpha rising)"
        if not math.isnan(found.liquid_returns):
            line += f", a liquid one returns at {found.liquid_returns:.8g} (falling)"
        click.echo(line)
    for step in found.steps:
        words = [f"up {step.up:.8g}"]
        if not math.isnan(step.down):
            words.append(f"down {step.down:.8g}")
        if not math.isnan(step.coexistence):
            words.append(f"equal s at {step.coexistence:.8g} +- {step.uncertainty:.1e}")
        name = "smallest q" if found.independent else f"q({found.layers[-1]:g})"  # solid last
        overlaps = f"{name} {step.q_before:.4g}"
        overlaps += " -> another curve" if math.isnan(step.q_after) else f" -> {step.q_after:.4g}"
        click.echo(f"first-order step: {', '.join(words)}; {overlaps}")
    if not math.isnan(found.saturated):
        line = (
            f"saturated branch (q -> 1) has larger s from alpha = {found.saturated:.8g} "
            f"+- {found.saturated_uncertainty:.1e}"
        )
        if not math.isnan(found.saturated_spinodal):
            line += f"; it appears at {found.saturated_spinodal:.8g}"
        click.echo(line)
    _print_notes(found)


def _print_thresholds(found: Transitions) -> None:
    from replicadnn.questions.transitions import Order  # with the solvers

    bounded = not math.isnan(found.bound)
    head = f" {'possible':>8}" if bounded else ""
    click.echo(f"{'layer':>5} {'alpha(l)':>18} {'+-':>9} {'ln alpha':>10}{head}  order")
    for t, origin in zip(found.thresholds, found.origins, strict=True):
        possible = f" {opt.yes_no(found.possible(t.alpha)):>8}" if bounded else ""
        if t.order is Order.NOT_REACHED:
            click.echo(f"{t.layer:>5} {'-':>18} {'-':>9} {'-':>10}{possible}  not found")
            continue
        extra = ""
        if t.order is Order.FIRST and not math.isnan(t.onset):
            extra = f"  (criterion met at {t.onset:.6g} on the curve)"
        if found.independent:
            extra = f", from {origin}"
        click.echo(
            f"{t.layer:>5} {t.alpha:>18.10g} {t.uncertainty:>9.1e} {math.log(t.alpha):>10.5f}"
            f"{possible}  {t.order}{extra}"
        )


def _print_notes(found: Transitions) -> None:
    beyond = [t.layer for t in found.thresholds if found.possible(t.alpha) is False]
    if beyond:
        opt.note(
            f"{_layers(beyond)}: alpha > {found.bound:.4g}, no network stores random data "
            "beyond the counting bound"
        )
    opt.note(found.message)
    missing = [t.layer for t in found.thresholds if math.isnan(t.alpha)]
    if missing and found.finished:
        opt.note(f"not converged (exit code 3): no certified threshold of {_layers(missing)}")


def _layers(numbers: list[int]) -> str:
    """Neighbouring layers in the order of the table."""
    first, last = numbers[0], numbers[-1]
    return f"layer {first}" if len(numbers) == 1 else f"layers {first}..{last}"
