"""Options that the commands about random wide networks share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

activation_option = click.option(
    "--activation", required=True, help="tanh, erf, erf1 (slope 1), relu, hard-tanh, linear, sign."
)
bias_option = click.option(
    "--sigma-b2", type=float, default=0.0, show_default=True, help="Variance of the biases."
)


def drawn_options(width: int) -> Callable[[F], F]:
    """--networks, --M, --seed: measure the same on drawn networks; ``width``: default of --M."""

    def decorate(function: F) -> F:
        for option in (
            click.option("--seed", type=int, default=1, show_default=True, help="Of the networks."),
            click.option("--M", "M", type=int, default=width, show_default=True, help="Width."),
            click.option(
                "--networks", type=int, default=0, show_default=True,
                help="Draw that many networks and measure the same on them.",
            ),
        ):  # fmt: skip
            function = option(function)
        return function

    return decorate


def number(value: float, digits: int = 8) -> str:
    """A cell of a table."""
    return "-" if math.isnan(value) else f"{value:.{digits}g}"
