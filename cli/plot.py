"""``replicadnn plot``: one subcommand a figure."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(name="plot")
def command() -> None:
    """Draw a figure from a result file."""


@command.command(name="profile")
@click.argument("file", metavar="FILE.h5")
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_profile.png]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def profile(file: str, output: str | None, overwrite: bool) -> int:
    """Overlaps q_EA(l) and Q_EA(l) against the layer: the wetting of the network."""
    from replicadnn.plot import save_profile
    from replicadnn.store import load

    target = output or str(Path(file).with_suffix("")) + "_profile.png"
    save_profile(load(file), target, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0


@command.command(name="parisi")
@click.argument("file", metavar="FILE.h5")
@click.option("-o", "--output", metavar="FILE.png", help="[default: FILE_parisi.png]")
@click.option("--alpha", type=float, help="Which point of the file.  [default: the last]")
@click.option("--overwrite", is_flag=True, help="Replace an existing figure.")
def parisi(file: str, output: str | None, alpha: float | None, overwrite: bool) -> int:
    """Parisi functions q(x, l), Q(x, l) of the solid layers: the river terraces."""
    from replicadnn.errors import InputError
    from replicadnn.plot import save_parisi
    from replicadnn.store import load

    solutions = load(file)
    if len(solutions) == 0:
        raise InputError("file", file, "at least one solved point")
    chosen = solutions[-1]
    if alpha is not None:
        near = [s for s in solutions if abs(s.alpha - alpha) <= 1e-9 * abs(alpha)]
        if not near:
            there = ", ".join(f"{a:g}" for a in sorted({s.alpha for s in solutions})[:20])
            raise InputError("alpha", alpha, f"one of the points in the file: {there}")
        chosen = near[0]
    target = output or str(Path(file).with_suffix("")) + "_parisi.png"
    save_parisi(chosen, target, overwrite=overwrite)
    click.echo(f"figure written to {target}", err=True)
    return 0
