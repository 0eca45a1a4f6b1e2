"""Data of a latent dimension: act(F c/sqrt d), c ~ N(0, I_d), |F_i|^2 = d; a point a row.

    python scripts/manifold.py --latent 4 --activation sign --output signs_4.npy

For `replicadnn effective-dimension` and whatever else reads a table (docs/inputs.md, section 5).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from replicadnn.errors import ReplicaDNNError
from replicadnn.wide import activation


def main() -> None:
    """Draw the points and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latent", type=int, required=True, metavar="D", help="d")
    parser.add_argument("--features", type=int, default=200, metavar="P")
    parser.add_argument("--points", type=int, default=8000, metavar="N")
    parser.add_argument("--activation", default="tanh", metavar="NAME")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.npy")
    asked = parser.parse_args()
    if min(asked.latent, asked.features, asked.points) < 1:
        parser.error("--latent, --features, --points: 1 or more")
    try:
        act = activation(asked.activation)
    except ReplicaDNNError as error:
        parser.error(str(error))
    rng = np.random.default_rng(asked.seed)
    F = rng.standard_normal((asked.features, asked.latent))
    F /= np.linalg.norm(F, axis=1)[:, None]
    c = rng.standard_normal((asked.points, asked.latent))
    np.save(asked.output, act.function(c @ F.T))


if __name__ == "__main__":
    main()
