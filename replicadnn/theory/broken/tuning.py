"""Constants of the broken-symmetry engine, in one place.

Units: s is per N M; "natural units" are relative changes of the increments of overlaps and of the
gaps of breakpoints (`theory.broken.layout.Units`); alpha is relative wherever it is compared.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """Every number that the engine compares with; none is a physical parameter."""

    # --- what is rounding ------------------------------------------------------------------------
    #: Differences of s above this, for each layer, are not rounding.
    resolved: float = 1e-13
    #: m_1 of one perceptron below which the parts of s, 1/m_1 each, lose digits.
    cancelling: float = 0.1
    #: Predicted decrease of s below which rounding may hold a Newton step back.
    unresolved: float = 1e-17
    #: ... and the gradient, in units of that before, above which it does.
    stalled: float = 0.5
    #: Least decrease of s that a correction at fixed m is worth.
    smallest_gain: float = 1e-20
    #: Differences of s between numbers of levels that are rounding.
    same: float = 1e-11
    #: s of two solutions of a point closer than this: one (levels can be shared out in many ways).
    same_solution: float = 1e-6
    #: Gain in s above which one level is told from none.
    one_level_gain: float = 1e-10
    #: A level whose rho_i exceeds 1 by this is unstable to splitting.
    stable: float = 1e-9
    #: A zero overlap whose growth factor exceeds 1 by this is unstable.
    grows: float = 1e-9
    #: Overlaps may fall from one level to the next by this (rounding).
    monotone: float = 1e-10

    # --- one step --------------------------------------------------------------------------------
    #: Largest change of the logarithm of an increment, and of m in units of its gap, in one step.
    max_log: float = 1.0
    max_gap: float = 0.4
    #: Increments below this part of the last level do not limit a step: they run to zero.
    vanishing: float = 1e-4
    #: Shorter steps tried before a point is called the end of the descent.
    max_trials: int = 12
    #: A step is taken if s falls by this part of the prediction; its length changes at the others.
    accept: float = 1e-4
    good: float = 0.7
    fair: float = 0.25
    #: Factors of the trust radius: after a refused, a good and a poor step.
    shrink: float = 0.25
    grow: float = 3.0
    poor: float = 0.5
    #: A step that predicts less than this part of the rounding of s is flat.
    flat: float = 0.1
    #: Corrections at fixed m after a step: how many, at which part of its gain they end, and the
    #: longest in units of the step that they correct.
    corrections: int = 3
    correction_part: float = 0.05
    correction: float = 10.0
    #: The start is brought this close to the bottom (decrease of s) in so many such steps.
    start_gain: float = 1e-5
    start_corrections: int = 10
    #: Least curvature of the scaled Hessian (its diagonal is one) that is not rounding, and the
    #: least diagonal relative to the largest that it is scaled with.
    smallest_curvature: float = 1e-13
    smallest_diagonal: float = 1e-9
    #: Relative accuracy of the Levenberg shift, where it starts, and below which it is zero.
    shift_accuracy: float = 1.05
    shift_start: float = 1e-16
    shift_zero: float = 1e-15
    #: Added to a diagonal that may be zero before it is inverted.
    tiny: float = 1e-300

    # --- a minimisation --------------------------------------------------------------------------
    #: ds/d(natural units) at which it is done.
    gradient: float = 1e-13
    #: Iterations; along the falling direction of a flat saddle it takes more.
    iterations: int = 80
    patience: int = 200
    #: Rounds of minimise, adjust the active set, drop cells.
    rounds: int = 8
    #: Accuracy (residual, ds/dm) below which a flat saddle is taken for the solution.
    flat_error: float = 1e-10
    #: Newton steps without a line search from this gradient down: how many, done at this error,
    #: the longest step (natural units), and the growth of the error that ends them.
    polishable: float = 1e-5
    polish_steps: int = 6
    polished: float = 1e-12
    polish_length: float = 0.3
    polish_growth: float = 100.0
    #: Weight of ds/dq and ds/dQ beside the residual there.
    slope_weight: float = 0.01
    #: Weight of the residual in units of the overlaps: next to a transition these are small.
    relative_weight: float = 1e-3

    # --- no solution near the start --------------------------------------------------------------
    #: Interaction overlap beyond which a relaxation ends.
    contact: float = 0.999
    #: s this far below that of the liquid (and below -beta L) runs to minus infinity.
    collapse: float = 20.0
    #: One perceptron: 1 - overlap at which its volume has closed, at which the grid does not
    #: resolve its flow, and ds/d ln m, at least, where s runs to minus infinity as -1/m.
    closed: float = 1e-6
    narrow: float = 1e-5
    falling: float = 1.0
    #: m* below which the saturated branch is taken to be closing, and 1 - Q.
    smallest_saturated: float = 0.02
    smallest_rest: float = 1e-6

    #: From this part of the end of one level on a point that fails is told where levels end.
    near_closing: float = 0.9
    #: Levels whose end is known within seconds: beyond it nothing is sought.
    quick_end: int = 2

    # --- active levels ---------------------------------------------------------------------------
    #: Cells narrower than this are removed: 1/m amplifies rounding errors.  One perceptron: in
    #: units of m_K, down to this m_K.
    min_gap: float = 1e-4
    smallest_top: float = 1e-3
    #: A field below this part of the last one of its layer is zero.
    dead: float = 1e-6
    #: ... below this part of the largest of all layers too, where zero is stable.
    small: float = 1e-5
    #: All fields below this: the liquid, if that is stable.
    melted: float = 1e-4
    #: A level this far below the next one although it grows by this much is stuck next to zero,
    #: and is put to this part of the next one.
    stuck: float = 1e-4
    stuck_growth: float = 1e-3
    unstick: float = 0.05
    #: Field of a level that wakes, in units of the next one, and where there is none.
    seed: float = 0.1
    seed_alone: float = 0.1
    #: Least increment of Q in a layer between solid ones, over its levels; largest Q and its
    #: distance from one after rescaling.
    least_increment: float = 1e-4
    largest_Q: float = 1e-9
    rescaled_Q: float = 1e-6

    # --- number of levels ------------------------------------------------------------------------
    #: Part of 1 - q_EA(l) that further levels take up without a curve being followed, and from
    #: which two solutions are never taken for neighbours.
    leap: float = 0.2
    apart: float = 0.6
    #: Cells that are tried for one more level.
    splits: int = 3
    #: Levels up to which cells are split, beyond the rises are resampled.
    split_levels: int = 3
    #: Levels moved to the top cell at most; from how many levels on.
    top_moves: int = 4
    improved: int = 4
    #: Times that a grid is refined where it alone is too coarse, and by which factor; the factor of
    #: the grid on which a solution is checked.
    finer_grids: int = 2
    finer: float = 1.5
    check_finer: float = 1.5
    #: A plateau is a cell wider than its neighbours by this factor.
    plateau: float = 2.0
    #: Breakpoint at which one level is started from the symmetric solution, and the share of the
    #: value above that a level split off x = 0 gets.
    first_step: float = 0.05
    first_share: float = 0.3
    #: m_1/(1 - Q) at most where one perceptron breaks.
    contact_ratio: float = 10.0
    #: Least increment of a field relative to its last value after resampling.
    separation: float = 1e-5
    #: Part of 1 - Q_EA that resampling keeps at least.
    kept_rest: float = 0.3
    #: Overlap at x = 0 of a curve without levels below it, in units of the first level, and how far
    #: (in units of the first step) a curve goes on to zero at least.
    curve_start: float = 0.6
    curve_reach: float = 0.01
    #: Least relative step of Q to the saturated cell.
    top_step: float = 1e-4
    #: Levels put into a rise without any take this part of the narrower plateau.
    new_rise: float = 0.3
    #: Levels split: part of the way to the nearer level.
    room: float = 0.25
    #: Fields below this part of the largest, or below this, are set to zero in a guess; damping.
    guess_dead: float = 1e-3
    guess_zero: float = 1e-6
    damping: float = 0.5
    guess_passes: int = 60

    #: Guess of one perceptron: overlap at x = 0 in units of that at x = 1; of its jump: lower
    #: overlap in units of Q, part of 1 - Q to the upper one, breakpoint; Q of a saturated guess.
    perceptron_low: float = 0.3
    jump_low: float = 0.95
    jump_high: float = 0.65
    jump_step: float = 0.95
    saturated_Q: float = 0.5

    # --- a followed curve ------------------------------------------------------------------------
    #: Gradient in natural units at which Newton is done, and where rounding stops it.
    curve_gradient: float = 1e-11
    curve_accepted: float = 1e-9
    #: Newton steps, the growth of the gradient that ends them, and its least fall per step.
    curve_newton: int = 9
    curve_growth: float = 1e3
    curve_stalled: float = 0.3
    #: Largest logarithmic change of an increment in one step; q_EA may move by `leash`.
    curve_change: float = 0.5
    leash: float = 0.1
    #: Least size that a step is divided by.
    curve_least: float = 1e-9
    #: d ln alpha/d(arclength) above which corrections keep alpha: soft directions of many levels,
    #: along which they slide, otherwise lead back along the curve.
    steep: float = 0.03
    #: Turn of the tangent (arclength) above which a step is refused, below which it grows.
    turn: float = 0.7
    straight: float = 0.25
    #: Factors of the step: refused, straight, bent; the largest in units of the first; the least.
    step_shrink: float = 0.4
    step_grow: float = 1.4
    step_bent: float = 0.8
    step_most: float = 4.0
    step_least: float = 1e-6
    #: Growth factor above 1 of a zero level where it is woken, and how much its overlap may be
    #: larger than that beside `jump`: it is of the order of growth - 1.
    woken_growth: float = 4e-3
    woken_slope: float = 10.0
    #: ... up to which rounding may hide the solution with it.
    unresolved_growth: float = 0.02
    #: Moves of q_EA(l) below this are never taken for jumps.
    jump: float = 0.01
    #: A layer wakes with a jump: growth factor above 1 by this, or a step below this.
    onset_growth: float = 1e-4
    onset_step: float = 1e-5
    #: Secant steps to a fold, its slope there, and the least relative error stated.
    fold_steps: int = 14
    fold_slope: float = 1e-6
    fold_error: float = 1e-10
    #: Factor of the slope at a kept end, so that the secant does not creep up from one side.
    fold_secant: float = 0.5

    # --- the branch connected to the liquid ------------------------------------------------------
    #: The curve of one level begins this far (relative) above the threshold, from fields and
    #: overlaps of this size after so many passes, where every q_EA has to be below `small_q`:
    #: q = O(alpha/alpha_1 - 1).
    above_threshold: float = 0.1
    threshold_field: float = 0.2
    threshold_passes: int = 15
    small_q: float = 0.1
    #: Levels are added at this much less in ln alpha instead, then at 2, 4, ... times that.
    shorter: float = 0.07
    #: Relative step in alpha across the end of one allocation of the levels, and how often.
    hop: float = 2e-3
    hops: int = 8
    #: A layer that has become solid is followed back to this part of alpha, in so many points, or
    #: until the last step of q(x) has no more than this weight.
    back: float = 0.9
    back_points: int = 80
    no_weight: float = 1e-3
    #: Points and first step (arclength) of such a curve.
    curve_points: int = 400
    curve_step: float = 0.1

    # --- errors of the number of levels ----------------------------------------------------------
    #: Factor of what two numbers of levels give: 19 of 20 errors stated so hold.
    safety: float = 2.0
    #: Weight of the change of q_EA when the top cell is split.
    shift_weight: float = 2.0
    #: Levels up to which one more is solved for the error.
    few: int = 3
    #: Q(l) beside a layer that wakes, in units of its q.
    waking_Q: float = 2.0

    # --- saturated branches ----------------------------------------------------------------------
    #: Levels at most: s to 3e-6; K = 16 gains 2e-6 in s for five times the time.
    saturated_levels: int = 8
    #: ... with two or more saturated layers a side, and seconds to refine them.
    deep_levels: int = 4
    deep_seconds: float = 30.0
    #: Overlap of the next layer from which it counts as saturated too: the same state.
    saturated_overlap: float = 0.999
    #: Where a solution is sought: alpha in units of the scaled counting bound, and the ratio of
    #: further ones; how many; m* that it must have.
    start_below: float = 0.9
    start_ratio: float = 0.85
    starts: int = 16
    start_m_star: tuple[float, float] = (0.1, 0.98)
    #: m* down and up to which the branch is followed, in so many points.
    smallest_followed: float = 0.05
    largest_followed: float = 0.995
    saturated_points: int = 150
    #: Points with m* up to this in units of the smallest are extrapolated, at least so many, the
    #: straight line through so many; the smallest m* in units of that asked for.
    end_window: float = 4.0
    end_points: int = 5
    end_line: int = 3
    end_reach: float = 2.0


TUNING = Tuning()
