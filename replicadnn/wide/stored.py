"""A `Spectrum` in a file, and for xarray: its tables and attributes, written and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from replicadnn.results import extra
from replicadnn.storage.tables import Column, Plain, Table, Tables
from replicadnn.wide.spectrum import Spectrum


def spectrum_tables(found: Spectrum, what: str) -> list[Table]:
    """Nodes of the density, and atoms; ``what``: x in words."""
    nodes = (
        Column.of("node", np.arange(found.log_x.size), "number of the row"),
        Column.of("log_x", found.log_x, f"ln of the {what}"),
        Column.of("log_density", found.log_density, "density of ln x"),
        Column.of("weight", found.weights, "weight of the node in integrals"),
    )
    x, mass = np.array(found.atoms, float).reshape(-1, 2).T
    atoms = (
        Column.of("atom", np.arange(x.size), "number of the row"),
        Column.of("x", x, what),
        Column.of("mass", mass, "fraction of them"),
    )
    tables = [Table("density", nodes), Table("atoms", atoms)]
    if found.gaps:
        low, high = np.array(found.gaps).T
        gaps = (
            Column.of("gap", np.arange(low.size), "number of the row"),
            Column.of("low", low, "where the density ends"),
            Column.of("high", high, "where it begins again"),
        )
        tables.append(Table("gaps", gaps))
    return tables


def law_dataset(found: Spectrum, attributes: Mapping[str, Plain]) -> Any:
    """The density of ln x at its nodes, with the weights of integrals, as an xarray Dataset."""
    return extra("xarray").Dataset(
        {
            "log_density": (("log_x",), found.log_density, {"long_name": "density of ln x"}),
            "weight": (("log_x",), found.weights, {"long_name": "weight of the node in integrals"}),
        },
        {"log_x": found.log_x},
        attributes,
    )


def spectrum_attributes(found: Spectrum) -> dict[str, Plain]:
    """Edges and errors."""
    return {
        "lower_edge": found.edges[0], "upper_edge": found.edges[1], "residual": found.residual,
        "mass_error": found.mass_error, "angular": found.angular,
    }  # fmt: skip


def read_spectrum(file: Tables) -> Spectrum:
    """What `spectrum_tables` and `spectrum_attributes` wrote."""
    a, nodes, atoms = file.attributes, file["density"], file["atoms"]
    ends = ("low", "high")
    gaps = [file["gaps"][end].tolist() for end in ends] if "gaps" in file.tables else [[], []]
    return Spectrum(
        nodes["log_x"], nodes["log_density"], nodes["weight"],
        (float(a["lower_edge"]), float(a["upper_edge"])),
        tuple(zip(atoms["x"].tolist(), atoms["mass"].tolist(), strict=True)),
        float(a["mass_error"]), float(a["residual"]), bool(a.get("angular", False)),
        tuple(zip(*gaps, strict=True)),
    )  # fmt: skip
