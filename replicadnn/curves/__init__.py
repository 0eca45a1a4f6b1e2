"""Learning curves: how good is what is learned, against features per pattern, or by step.

Imported on first use; nothing here is compiled.

* `learning_curve` - test and training error of least squares and of random features;
  `LearningCurve`
* `Covariance` - a covariance of one's own, `power_law`, `read_covariance` from a file
* `Samples` - the same measured on drawn data sets
* `descent` - gradient descent on all layers of a network, errors by step; `Descent`, `Steps`
* `interpolation` - noisy numbers on a circle, harmful or benign by the kernel; `Interpolation`
* `effective_dimension` - dimension of data from nearest neighbours; `EffectiveDimension`,
  `read_data` from a file
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "learning_curve": "replicadnn.curves.curve",
    "LearningCurve": "replicadnn.curves.curve",
    "Covariance": "replicadnn.curves.covariance",
    "power_law": "replicadnn.curves.covariance",
    "read_covariance": "replicadnn.curves.covariance",
    "Samples": "replicadnn.curves.samples",
    "descent": "replicadnn.curves.evolution.result",
    "Descent": "replicadnn.curves.evolution.result",
    "Steps": "replicadnn.curves.evolution.steps",
    "interpolation": "replicadnn.curves.interpolating",
    "Interpolation": "replicadnn.curves.interpolating",
    "effective_dimension": "replicadnn.curves.dimension",
    "EffectiveDimension": "replicadnn.curves.dimension",
    "read_data": "replicadnn.curves.dimension",
}

if TYPE_CHECKING:
    from replicadnn.curves.covariance import Covariance as Covariance
    from replicadnn.curves.covariance import power_law as power_law
    from replicadnn.curves.covariance import read_covariance as read_covariance
    from replicadnn.curves.curve import LearningCurve as LearningCurve
    from replicadnn.curves.curve import learning_curve as learning_curve
    from replicadnn.curves.dimension import EffectiveDimension as EffectiveDimension
    from replicadnn.curves.dimension import effective_dimension as effective_dimension
    from replicadnn.curves.dimension import read_data as read_data
    from replicadnn.curves.evolution.result import Descent as Descent
    from replicadnn.curves.evolution.result import descent as descent
    from replicadnn.curves.evolution.steps import Steps as Steps
    from replicadnn.curves.interpolating import Interpolation as Interpolation
    from replicadnn.curves.interpolating import interpolation as interpolation
    from replicadnn.curves.samples import Samples as Samples

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'replicadnn.curves' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
