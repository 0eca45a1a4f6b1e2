"""Random, infinitely wide networks before training: how signals and gradients pass through them.

Imported on first use; nothing here is compiled.

* `propagation` - variances, correlations and gradients by layer, fixed points; `Propagation`
* `phase_diagram` - maps over both variances, critical line; `PhaseDiagram`
* `jacobian` - singular values of the input-output Jacobian; `Jacobian`, `Spectrum`
* `natural_gradient` - learning rates of natural gradient and its approximations; `NaturalGradient`
* `wide_networks` - the same measured on networks of width M; `Networks`
* `kernels` - Gaussian process and tangent kernels of inputs; `Kernels`, `Training`
* `kernel_spectrum` - spectra of the kernels at width ~ number of inputs; `KernelSpectrum`
* `fisher` - eigenvalues of the Fisher information, stable learning rates; `Fisher`
* `sample_fisher` - the same of one sample, as many outputs as neurons; `SampleFisher`
* `Activation` - an activation of one's own; `activation` - a built-in one by its name
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Activation": "replicadnn.wide.activations",
    "activation": "replicadnn.wide.activations",
    "propagation": "replicadnn.wide.signals",
    "Propagation": "replicadnn.wide.signals",
    "phase_diagram": "replicadnn.wide.phases",
    "PhaseDiagram": "replicadnn.wide.phases",
    "jacobian": "replicadnn.wide.singular",
    "Jacobian": "replicadnn.wide.singular",
    "Spectrum": "replicadnn.wide.spectrum",
    "natural_gradient": "replicadnn.wide.natural",
    "NaturalGradient": "replicadnn.wide.natural",
    "wide_networks": "replicadnn.wide.networks",
    "Networks": "replicadnn.wide.networks",
    "kernels": "replicadnn.wide.tangent",
    "Kernels": "replicadnn.wide.tangent",
    "Training": "replicadnn.wide.training",
    "fisher": "replicadnn.wide.information",
    "Fisher": "replicadnn.wide.information",
    "sample_fisher": "replicadnn.wide.one_sample",
    "SampleFisher": "replicadnn.wide.one_sample",
    "kernel_spectrum": "replicadnn.wide.spectra",
    "KernelSpectrum": "replicadnn.wide.spectra",
}

if TYPE_CHECKING:
    from replicadnn.wide.activations import Activation as Activation
    from replicadnn.wide.activations import activation as activation
    from replicadnn.wide.information import Fisher as Fisher
    from replicadnn.wide.information import fisher as fisher
    from replicadnn.wide.natural import NaturalGradient as NaturalGradient
    from replicadnn.wide.natural import natural_gradient as natural_gradient
    from replicadnn.wide.networks import Networks as Networks
    from replicadnn.wide.networks import wide_networks as wide_networks
    from replicadnn.wide.one_sample import SampleFisher as SampleFisher
    from replicadnn.wide.one_sample import sample_fisher as sample_fisher
    from replicadnn.wide.phases import PhaseDiagram as PhaseDiagram
    from replicadnn.wide.phases import phase_diagram as phase_diagram
    from replicadnn.wide.signals import Propagation as Propagation
    from replicadnn.wide.signals import propagation as propagation
    from replicadnn.wide.singular import Jacobian as Jacobian
    from replicadnn.wide.singular import jacobian as jacobian
    from replicadnn.wide.spectra import KernelSpectrum as KernelSpectrum
    from replicadnn.wide.spectra import kernel_spectrum as kernel_spectrum
    from replicadnn.wide.spectrum import Spectrum as Spectrum
    from replicadnn.wide.tangent import Kernels as Kernels
    from replicadnn.wide.tangent import kernels as kernels
    from replicadnn.wide.training import Training as Training

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'replicadnn.wide' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
