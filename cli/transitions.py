"""``replicadnn transitions``."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import config_option, layer_progress, note

if TYPE_CHECKING:
    from replicadnn.theory.transitions import Transitions


@click.command(name="transitions")
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
    "--alpha-max", type=float, default=1e9, show_default=True, help="Look no further than this."
)
@click.option(
    "--levels", type=int, default=8, show_default=True,
    help="Levels K of rsb; half as many give the error.",
)  # fmt: skip
@click.option(
    "--threads", type=int, default=1, show_default=True, help="Threads over layers (rsb)."
)
@click.option("--output", metavar="FILE.h5", help="Save the result (HDF5).")
@click.option("--plot", "figure", metavar="FILE.png", help="Draw ln alpha(l) and the thickness.")
@click.option("--overwrite", is_flag=True, help="Replace existing output files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
@config_option
def command(
    L: int,
    output: str | None,
    figure: str | None,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Find where each layer freezes, and where the liquid centre disappears.

    Layers are counted from the nearest boundary.  Exit code 3: a layer has no certified threshold.
    """
    from replicadnn.store import check_figure_name, check_target
    from replicadnn.theory.transitions import transitions

    for path in (output, figure):
        if path is not None:
            check_target(path, overwrite=overwrite)
    if figure is not None:
        check_figure_name(figure)
    with layer_progress() as progress:
        found = transitions(L, progress=progress, **options)
    if output is not None:
        found.save(output, overwrite=overwrite)
        note(f"transitions written to {output}")
    if figure is not None and found.thresholds:
        from replicadnn.plot import save_transitions

        save_transitions([found], figure, overwrite=overwrite)
        note(f"figure written to {figure}")
    if as_json:
        click.echo(json.dumps(found.as_dict(), allow_nan=False))
    else:
        _print(found)
    return 3 if any(math.isnan(t.alpha) for t in found.thresholds) else 0


def _print(found: Transitions) -> None:
    click.echo(f"{'layer':>5} {'alpha(l)':>18} {'+-':>9} {'ln alpha':>10}  order")
    for t in found.thresholds:
        if math.isnan(t.alpha):
            click.echo(f"{t.layer:>5} {'-':>18} {'-':>9} {'-':>10}")
            continue
        extra = "" if t.order == "second" else f"  (criterion met at {t.onset:.6g} on the curve)"
        click.echo(
            f"{t.layer:>5} {t.alpha:>18.10g} {t.uncertainty:>9.1e} {math.log(t.alpha):>10.5f}"
            f"  {t.order}{extra}"
        )
    fit = found.fit
    if fit is not None:
        click.echo(
            f"ln alpha(l) = {fit.intercept:.3f}({fit.intercept_err:.3f}) + "
            f"{fit.slope:.3f}({fit.slope_err:.3f}) l, layers {fit.layers[0]}..{fit.layers[-1]}; "
            f"largest residual {fit.residual_max:.3f}, "
            f"local slope from {fit.slope_first:.3f} to {fit.slope_last:.3f}"
        )
    if not math.isnan(found.last_liquid):
        click.echo(
            f"liquid centre: last liquid layer freezes at {found.last_liquid:.8g} (alpha rising), "
            f"one returns at {found.liquid_returns:.8g} (falling)"
        )
    for step in found.steps:
        click.echo(
            f"first-order step: up {step.up:.8g}, down {step.down:.8g}, equal s at "
            f"{step.coexistence:.8g} +- {step.uncertainty:.1e}; "
            f"q(centre) {step.q_before:.4g} -> {step.q_after:.4g}"
        )
    if not math.isnan(found.frozen):
        click.echo(
            f"frozen branch (q -> 1) has larger s from alpha = {found.frozen:.8g} "
            f"+- {found.frozen_uncertainty:.1e}"
        )
    note(found.message)
