"""Figures: functions that take and return an Axes, and never show anything by themselves.

The modules of the solvers are imported where they are needed, so that a figure of a file is quick.
"""

from replicadnn.plot.capacity import capacity, save_capacity
from replicadnn.plot.complexity import complexity, save_complexity
from replicadnn.plot.descent import descent, descent_figure, save_descent
from replicadnn.plot.distributions import distribution, distribution_figure, save_distribution
from replicadnn.plot.effective_dimension import (
    effective_dimension,
    effective_dimension_figure,
    save_effective_dimension,
)
from replicadnn.plot.fisher import fisher, fisher_eigenvalues, fisher_figure, save_fisher
from replicadnn.plot.gaps import gaps, gaps_figure, save_gaps
from replicadnn.plot.generalisation import (
    error_against_alpha,
    error_against_depth,
    generalisation_figure,
    save_generalisation,
)
from replicadnn.plot.jacobian import jacobian, save_jacobian
from replicadnn.plot.kernel_spectrum import kernel_spectrum, save_kernel_spectrum
from replicadnn.plot.kernels import kernels, kernels_figure, save_kernels
from replicadnn.plot.learning_curve import (
    learning_curve,
    learning_curve_figure,
    save_learning_curve,
)
from replicadnn.plot.map import diagram, save_diagram
from replicadnn.plot.natural_gradient import (
    natural_gradient,
    natural_gradient_figure,
    save_natural_gradient,
)
from replicadnn.plot.overlap_distribution import (
    overlap_distribution,
    overlap_distribution_figure,
    save_overlap_distribution,
)
from replicadnn.plot.parisi import parisi, parisi_figure, save_parisi
from replicadnn.plot.phase_diagram import (
    phase_diagram,
    phase_diagram_figure,
    save_phase_diagram,
)
from replicadnn.plot.profile import profile, profile_figure, save_profile
from replicadnn.plot.propagation import propagation, propagation_figure, save_propagation
from replicadnn.plot.relaxation import (
    correlation,
    overlaps,
    overlaps_figure,
    relaxation,
    relaxation_figure,
    save_overlaps,
    save_relaxation,
)
from replicadnn.plot.sample_fisher import sample_fisher, save_sample_fisher
from replicadnn.plot.sgd_temperature import (
    save_sgd_temperature,
    sgd_temperature,
    sgd_temperature_figure,
)
from replicadnn.plot.stability import almeida_thouless, replicon, save_stability
from replicadnn.plot.style import save_figure, style
from replicadnn.plot.trained import (
    depth_map,
    save_depth_map,
    save_trained,
    trained,
    trained_along,
    trained_figure,
)
from replicadnn.plot.training import save_training, training
from replicadnn.plot.transitions import save_transitions, thickness, transitions, transitions_figure
from replicadnn.plot.tree import save_tree, tree, tree_figure

__all__ = [
    "almeida_thouless",
    "capacity",
    "complexity",
    "correlation",
    "depth_map",
    "descent",
    "descent_figure",
    "diagram",
    "distribution",
    "distribution_figure",
    "effective_dimension",
    "effective_dimension_figure",
    "error_against_alpha",
    "error_against_depth",
    "fisher",
    "fisher_eigenvalues",
    "fisher_figure",
    "gaps",
    "gaps_figure",
    "generalisation_figure",
    "jacobian",
    "kernel_spectrum",
    "kernels",
    "kernels_figure",
    "learning_curve",
    "learning_curve_figure",
    "natural_gradient",
    "natural_gradient_figure",
    "overlap_distribution",
    "overlap_distribution_figure",
    "overlaps",
    "overlaps_figure",
    "parisi",
    "parisi_figure",
    "phase_diagram",
    "phase_diagram_figure",
    "profile",
    "profile_figure",
    "propagation",
    "propagation_figure",
    "relaxation",
    "relaxation_figure",
    "replicon",
    "sample_fisher",
    "save_capacity",
    "save_complexity",
    "save_depth_map",
    "save_descent",
    "save_diagram",
    "save_distribution",
    "save_effective_dimension",
    "save_figure",
    "save_fisher",
    "save_gaps",
    "save_generalisation",
    "save_jacobian",
    "save_kernel_spectrum",
    "save_kernels",
    "save_learning_curve",
    "save_natural_gradient",
    "save_overlap_distribution",
    "save_overlaps",
    "save_parisi",
    "save_phase_diagram",
    "save_profile",
    "save_propagation",
    "save_relaxation",
    "save_sample_fisher",
    "save_sgd_temperature",
    "save_stability",
    "save_trained",
    "save_training",
    "save_transitions",
    "save_tree",
    "sgd_temperature",
    "sgd_temperature_figure",
    "style",
    "thickness",
    "trained",
    "trained_along",
    "trained_figure",
    "training",
    "transitions",
    "transitions_figure",
    "tree",
    "tree_figure",
]
