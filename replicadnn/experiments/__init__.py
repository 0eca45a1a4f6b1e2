"""Networks that are really trained: by gradient descent, on data sets with a rule.

Imported on first use; numpy and scipy only.

* `train` - train networks to zero error: test error by depth, memorisation; `Trained`
* `sgd_temperature` - SGD as a heat bath: the energy that it keeps at a minimum; `SGDTemperature`
* `Network`, `Loss`, `descend` - a multilayer perceptron, and the loop of stochastic gradient
  descent
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "train": "replicadnn.experiments.trained",
    "Trained": "replicadnn.experiments.result",
    "Outcome": "replicadnn.experiments.single",
    "Network": "replicadnn.experiments.network",
    "Loss": "replicadnn.experiments.network",
    "sgd_temperature": "replicadnn.experiments.temperature",
    "SGDTemperature": "replicadnn.experiments.temperature",
    "descend": "replicadnn.experiments.sgd",
    "Descended": "replicadnn.experiments.sgd",
}

if TYPE_CHECKING:
    from replicadnn.experiments.network import Loss as Loss
    from replicadnn.experiments.network import Network as Network
    from replicadnn.experiments.result import Trained as Trained
    from replicadnn.experiments.sgd import Descended as Descended
    from replicadnn.experiments.sgd import descend as descend
    from replicadnn.experiments.single import Outcome as Outcome
    from replicadnn.experiments.temperature import SGDTemperature as SGDTemperature
    from replicadnn.experiments.temperature import sgd_temperature as sgd_temperature
    from replicadnn.experiments.trained import train as train

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'replicadnn.experiments' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
