"""The replica calculation, in the order in which data flows.

`saddle` (equations) -> `fixedpoint` (generic Newton) -> `solver` (branches, continuation)
-> `entropy` (free entropy and certificate) -> `observables`, `transitions`.
"""
