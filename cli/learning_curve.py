"""``replicadnn learning-curve``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import NumberList, only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import number

if TYPE_CHECKING:
    from replicadnn.curves import LearningCurve

#: Rows of the table.
_SHOWN = 24


class Ridge(click.ParamType):
    """A number, or the word that chooses the best one."""

    name = "ridge"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        """The number, or else the text for the library to judge."""
        try:
            return float(value)
        except ValueError:
            return str(value)


@click.command(name="learning-curve")
@click.option("--model", default="ridge", show_default=True, help="ridge: linear least squares.")
@click.option(
    "--gamma", type=NumberList(), help="Features per pattern, p/n.  [default: 0.1:10:40:log]"
)
@click.option(
    "--ridge", type=Ridge(), default=0.0, show_default=True, metavar="NUMBER|optimal",
    help="0: without, the solution of least norm; optimal: of the smallest risk.",
)  # fmt: skip
@click.option(
    "--covariance", default="isotropic", show_default=True, metavar="NAME|FILE",
    help="isotropic, power-law, or a text file: eigenvalue, weight, signal of a mode in each row.",
)  # fmt: skip
@click.option("--exponent", type=float, help="power-law: s_k = k^-exponent.  [default: 1.5]")
@click.option("--modes", type=int, help="power-law: number of eigenvalues.  [default: 400]")
@click.option(
    "--signal-exponent", type=float,
    help="power-law: b_k^2 in proportion to k^-signal_exponent.  [default: 0]",
)  # fmt: skip
@click.option("--b2", type=float, default=1.0, show_default=True, help="|b|^2 of the signal.")
@click.option(
    "--sigma2", type=float, default=0.25, show_default=True, help="Variance of the noise."
)
@click.option(
    "--samples", type=int, default=0, show_default=True,
    help="Draw that many data sets and measure the same on them.",
)  # fmt: skip
@click.option(
    "--p", type=int, default=400, show_default=True,
    help="Features of a drawn data set, which has p/gamma patterns.",
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Of the data sets.")
@target_options("curve", "risk and training error against gamma")
def command(covariance: str, target: Target, **options: Any) -> int:
    """Double descent: risk of least squares against features per pattern, gamma = p/n."""
    from replicadnn.curves import learning_curve, read_covariance

    only_with("samples", options["samples"] > 0, "p", "seed")
    law: Any = read_covariance(covariance) if Path(covariance).is_file() else covariance
    compute = partial(learning_curve, covariance=law, **options)
    return target.finish(compute, "data set", _print, "learning-curve")


def _print(found: LearningCurve) -> None:
    from replicadnn.results import shortened

    asked = found.asked if isinstance(found.asked, str) else f"{found.asked:g}"
    click.echo(
        f"{found.model}, {found.covariance.name} covariance, |b|^2 = {found.b2:g}, sigma^2 = "
        f"{found.sigma2:g}, ridge {asked}"
    )
    drawn = found.measured
    more = "" if drawn is None else f" {'risk measured':>24}"
    names = ("bias", "variance", "risk", "training_error", "optimal_ridge", "optimal_risk")
    heads = ("gamma", "ridge", *names)
    click.echo(" ".join(f"{head.replace('_', ' '):>14}" for head in heads) + more)
    for place in shortened(range(found.gamma.size), _SHOWN):
        cells = [found.gamma[place], *(getattr(found, name)[place] for name in heads[1:])]
        line = " ".join(f"{number(float(one)):>14}" for one in cells)
        if drawn is not None and drawn.samples:
            mean, error = drawn.mean("risk")[place], drawn.error("risk")[place]
            line += f"   {number(mean, 5):>11} +- {number(error, 2):>7}"
        click.echo(line)
