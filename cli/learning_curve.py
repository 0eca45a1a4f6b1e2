"""``replicadnn learning-curve``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import NumberList, NumberOrWord, only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import number

if TYPE_CHECKING:
    from replicadnn.curves import LearningCurve

#: Rows of the table.
_SHOWN = 24
#: Its columns, of those that a model has.
_COLUMNS = (
    "ridge", "bias", "variance", "risk", "test_error", "training_error", "optimal_ridge",
    "optimal_risk",
)  # fmt: skip


@click.command(name="learning-curve")
@click.option(
    "--model", default="ridge", show_default=True,
    help="ridge: linear least squares; features: random nonlinear features of latent inputs.",
)  # fmt: skip
@click.option(
    "--gamma", type=NumberList(), help="Features per pattern, p/n.  [default: 0.1:10:40:log]"
)
@click.option(
    "--ridge", type=NumberOrWord(), metavar="NUMBER|optimal",
    help="0: without, the solution of least norm; optimal: of the smallest test error.  "
    "[default: 0; features: 1e-4]",
)  # fmt: skip
@click.option(
    "--covariance", metavar="NAME|FILE",
    help="isotropic, power-law, or a text file: eigenvalue, weight, signal of a mode in each row."
    "  [default: isotropic]",
)  # fmt: skip
@click.option("--exponent", type=float, help="power-law: s_k = k^-exponent.  [default: 1.5]")
@click.option("--modes", type=int, help="power-law: number of eigenvalues.  [default: 400]")
@click.option(
    "--signal-exponent", type=float,
    help="power-law: b_k^2 in proportion to k^-signal_exponent.  [default: 0]",
)  # fmt: skip
@click.option("--b2", type=float, help="ridge: |b|^2 of the signal.  [default: 1]")
@click.option(
    "--activation", help="features: tanh, erf, sign or another of mean 0.  [default: tanh]"
)
@click.option("--teacher", help="features: linear (regression) or sign.  [default: linear]")
@click.option("--loss", help="features: square; sign teacher: logistic, hinge.  [default: square]")
@click.option(
    "--n-over-d", type=float, help="features: patterns per latent dimension.  [default: 3]"
)
@click.option(
    "--sigma2", type=float, default=0.25, show_default=True, help="Variance of the noise."
)
@click.option(
    "--samples", type=int, default=0, show_default=True,
    help="Draw that many data sets and measure the same on them.",
)  # fmt: skip
@click.option(
    "--p", type=int, help="ridge: features of a drawn data set of p/gamma patterns.  [default: 400]"
)
@click.option(
    "--n", type=int,
    help="features: patterns of a drawn data set of gamma n features.  [default: 600]",
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Of the data sets.")
@target_options("curve", "risk and training error against gamma")
def command(covariance: str | None, target: Target, **options: Any) -> int:
    """Double descent: test and training error against features per pattern, gamma = p/n."""
    from replicadnn.curves import learning_curve, read_covariance

    only_with("samples", options["samples"] > 0, "p", "n", "seed")
    law: Any = covariance
    if covariance is not None and Path(covariance).is_file():
        law = read_covariance(covariance)
    compute = partial(learning_curve, covariance=law, **options)
    unit = "data set" if options["samples"] > 0 else "point"
    return target.finish(compute, unit, _print, "learning-curve")


def _print(found: LearningCurve) -> None:
    from replicadnn.results import shortened

    asked = found.asked if isinstance(found.asked, str) else f"{found.asked:g}"
    words = [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in found.problem.attributes().items()
    ]
    click.echo(f"{found.model}: {', '.join(words)}, ridge {asked}")
    drawn = found.measured
    more = "" if drawn is None else f" {'test error measured':>24}"
    heads = ("gamma", *(name for name in _COLUMNS if name in found.columns))
    click.echo(" ".join(f"{head.replace('_', ' '):>14}" for head in heads) + more)
    for place in shortened(range(found.gamma.size), _SHOWN):
        cells = [found.gamma[place], *(found.columns[name][place] for name in heads[1:])]
        line = " ".join(f"{number(float(one)):>14}" for one in cells)
        if drawn is not None and drawn.samples:
            mean, error = drawn.mean("test_error")[place], drawn.error("test_error")[place]
            line += f"   {number(mean, 5):>11} +- {number(error, 2):>7}"
        click.echo(line)
