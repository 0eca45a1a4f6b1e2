"""What is found by name, when it is needed: writers and readers of results, tasks of sweeps.

Results lie below storage, and storage below the questions, the sampler and the sweeps whose files
it reads; neither can import what is above it.  A new kind of result or task is one more row here.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

#: Class of a result -> function (result, path, *, overwrite) -> Path.
WRITERS = {
    "Solutions": "replicadnn.storage.solutions:save_solutions",
    "MonteCarloResult": "replicadnn.storage.runs:save_result",
    "TemperingResult": "replicadnn.storage.runs:save_result",
}
#: Class of a result -> function (result) -> xarray.Dataset.
DATASETS = {
    "Solution": "replicadnn.storage.labelled:of_solution",
    "Solutions": "replicadnn.storage.labelled:of_solutions",
    "MonteCarloResult": "replicadnn.storage.labelled:of_run",
    "TemperingResult": "replicadnn.storage.labelled:of_run",
    "Generalisation": "replicadnn.questions.generalisation:dataset",
    "Capacity": "replicadnn.storage.labelled:of_answer",
    "Stability": "replicadnn.storage.labelled:of_answer",
    "Complexity": "replicadnn.storage.labelled:of_answer",
    "Transitions": "replicadnn.storage.labelled:of_answer",
    "Sweep": "replicadnn.sweeps.labelled:of_sweep",
    "Propagation": "replicadnn.wide.signals:dataset",
    "PhaseDiagram": "replicadnn.wide.phases:dataset",
    "Jacobian": "replicadnn.wide.singular:dataset",
    "NaturalGradient": "replicadnn.wide.natural:dataset",
    "Networks": "replicadnn.wide.networks:dataset",
    "Kernels": "replicadnn.wide.tangent:dataset",
    "Training": "replicadnn.wide.training:dataset",
    "KernelSpectrum": "replicadnn.wide.spectra:dataset",
    "Fisher": "replicadnn.wide.information:dataset",
    "SampleFisher": "replicadnn.wide.one_sample:dataset",
    "LearningCurve": "replicadnn.curves.curve:dataset",
    "Descent": "replicadnn.curves.evolution.result:dataset",
    "Trained": "replicadnn.experiments.result:to_dataset",
    "SGDTemperature": "replicadnn.experiments.temperature:dataset",
    "EffectiveDimension": "replicadnn.storage.labelled:of_answer",
}
#: Kind of a file -> function (path) -> result.
READERS = {
    "solve": "replicadnn.storage.solutions:load_solutions",
    "mc": "replicadnn.storage.runs:load_runs",
    "transitions": "replicadnn.questions.transitions:load_transitions",
    "generalisation": "replicadnn.questions.generalisation:load_generalisation",
    "capacity": "replicadnn.questions.capacity:load_capacity",
    "stability": "replicadnn.questions.stability:load_stability",
    "complexity": "replicadnn.questions.complexity:load_complexity",
    "propagation": "replicadnn.wide.signals:load_propagation",
    "phase-diagram": "replicadnn.wide.phases:load_phase_diagram",
    "jacobian": "replicadnn.wide.singular:load_jacobian",
    "natural-gradient": "replicadnn.wide.natural:load_natural_gradient",
    "wide-networks": "replicadnn.wide.networks:load_networks",
    "kernels": "replicadnn.wide.tangent:load_kernels",
    "training": "replicadnn.wide.training:load_training",
    "kernel-spectrum": "replicadnn.wide.spectra:load_kernel_spectrum",
    "fisher": "replicadnn.wide.information:load_fisher",
    "sample-fisher": "replicadnn.wide.one_sample:load_sample_fisher",
    "learning-curve": "replicadnn.curves.curve:load_learning_curve",
    "descent": "replicadnn.curves.evolution.result:load_descent",
    "trained": "replicadnn.experiments.result:load_trained",
    "sgd-temperature": "replicadnn.experiments.temperature:load_sgd_temperature",
    "effective-dimension": "replicadnn.curves.dimension:load_effective_dimension",
}
#: What reads the store of a sweep, of whatever kind.
SWEEP = "replicadnn.sweeps.reader:Sweep"
#: Task of a sweep -> class (`replicadnn.sweeps.tasks.contract.Task`).
TASKS = {
    "solve": "replicadnn.sweeps.tasks.solve:SolveTask",
    "mc-simulate": "replicadnn.sweeps.tasks.simulate:SimulateTask",
    "train": "replicadnn.sweeps.tasks.train:TrainTask",
}
#: The classes (immutable dataclasses) that a journal can hold, and no others.
RECORDS = {
    "Solution": "replicadnn.solution:Solution",
    "Certificate": "replicadnn.certificate:Certificate",
    "OtherBranch": "replicadnn.solution:OtherBranch",
    "Problem": "replicadnn.problem:Problem",
    "MonteCarloResult": "replicadnn.montecarlo.runs.result:MonteCarloResult",
    "Spec": "replicadnn.montecarlo.spec:Spec",
    "Trained": "replicadnn.experiments.result:Trained",
    "Outcome": "replicadnn.experiments.single:Outcome",
    "HiddenManifold": "replicadnn.inputs:HiddenManifold",
    "InputSpectrum": "replicadnn.inputs:InputSpectrum",
}


def find(place: str) -> Any:
    """The object at "module:name"."""
    module, name = place.split(":")
    return getattr(import_module(module), name)


def save(result: object, path: str | Path, *, overwrite: bool) -> Path:
    """Write ``result`` to ``path``; FileError if it exists (without ``overwrite``) or fails."""
    written: Path = find(WRITERS[type(result).__name__])(result, path, overwrite=overwrite)
    return written


def dataset(result: object) -> Any:
    """``result`` as an xarray Dataset; MissingError if xarray is not installed."""
    return find(DATASETS[type(result).__name__])(result)


def load(path: str | Path) -> Any:
    """What a file holds; see `replicadnn.load`."""
    return find("replicadnn.storage.readers:load")(path)
