"""``replicadnn kernels``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click
from replicadnn.cli.options import NumberList, only_with
from replicadnn.cli.target import Target, target_options
from replicadnn.cli.wide import activation_option, bias_option, drawn_options, number

if TYPE_CHECKING:
    from replicadnn.types import FloatArray
    from replicadnn.wide import Kernels

#: Rows of the table; of more the first and last ones.
_SHOWN = 24


def _read(name: str | None) -> FloatArray | None:
    """Inputs from a text file: a row an input, numbers between blanks or commas."""
    if name is None:
        return None
    import numpy as np

    from replicadnn.errors import FileError

    try:
        with open(name, encoding="utf-8") as file:
            lines = [line.replace(",", " ").split() for line in file]
        rows = [[float(word) for word in line] for line in lines if line]
    except (OSError, ValueError) as error:
        raise FileError(name, getattr(error, "strerror", None) or str(error)) from None
    if len({len(row) for row in rows}) != 1:
        raise FileError(name, "not one number of columns in every row")
    return np.array(rows)


@click.command(name="kernels")
@activation_option
@click.option(
    "--sigma-w2", type=float, required=True, help="Variance of the weights times their fan-in."
)
@bias_option
@click.option(
    "--L", "L", type=int, default=3, show_default=True, help="Depth: number of weight matrices."
)
@click.option(
    "--inputs", metavar="FILE.txt", help="A row an input: the kernels of all pairs of them."
)
@click.option("--c0", type=NumberList(), help="Correlations of pairs.  [default: -1:1:41]")
@click.option(
    "--q0", type=float, default=1.0, show_default=True, help="|x|^2/M_0 of the inputs of pairs."
)
@drawn_options(1000)
@target_options("kernels", "both kernels against the correlation of the inputs")
def command(activation: str, target: Target, inputs: str | None, **options: Any) -> int:
    """Gaussian-process and tangent kernel (NNGP, NTK) of random, infinitely wide networks."""
    from replicadnn.wide import kernels

    only_with("networks", options["networks"] > 0, "M", "seed")
    only_with("pairs, not with --inputs", inputs is None, "q0")
    question = partial(kernels, activation, inputs=_read(inputs), **options)
    return target.finish(question, "network", _print, "kernels")


def _print(found: Kernels) -> None:
    from replicadnn.results import shortened

    click.echo(
        f"{found.activation}, sigma_w2 = {found.sigma_w2:g}, sigma_b2 = {found.sigma_b2:g}, "
        f"L = {found.L}"
    )
    pairs = found.overlap.ndim == 1
    more = f"   {'NTK measured':>24}" if found.networks else ""
    first = f"{'c':>8}" if pairs else f"{'a':>5} {'b':>5}"
    click.echo(f"{first} {'NNGP':>18} {'NTK':>18}{more}")
    mean, error = (_of_networks(found, which) for which in ("mean", "std"))
    for at in shortened(list(_places(found)), _SHOWN):
        start = f"{found.correlation[at]:>8.4g}" if pairs else f"{at[0]:>5} {at[1]:>5}"
        line = f"{start} {number(found.nngp[at], 12):>18} {number(found.ntk[at], 12):>18}"
        if found.networks:
            line += f"   {number(mean[at], 5):>12} +- {number(error[at], 2):>8}"
        click.echo(line)


def _places(found: Kernels) -> list[tuple[int, ...]]:
    import numpy as np

    places = list(np.ndindex(found.overlap.shape))
    return [at for at in places if len(at) == 1 or at[0] <= at[1]]


def _of_networks(found: Kernels, which: str) -> FloatArray:
    """Mean of the drawn tangent kernels, or its standard error (nan for one network)."""
    import numpy as np

    if found.networks < (1 if which == "mean" else 2):
        return np.full(found.overlap.shape, np.nan)
    if which == "mean":
        return np.asarray(found.drawn_ntk.mean(axis=0))
    return np.asarray(found.drawn_ntk.std(axis=0, ddof=1) / found.networks**0.5)
