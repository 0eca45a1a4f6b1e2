"""xoshiro256++ in eight interleaved lanes.

State of one chain: uint64 array (4, 8), column c is the state of lane c, all 32 words drawn from a
``numpy.random.SeedSequence``.  One step of all lanes yields 8 words of 64 bits, lane by lane; each
gives two uint32, the low half first.  The generator is that of D. Blackman and S. Vigna,
"Scrambled linear pseudorandom number generators", ACM TOMS 47 (2021).
"""

from __future__ import annotations

from replicadnn.kernels._jit import jit_strict
from replicadnn.kernels._simd import qadd, qload, qrotate, qshift, qstore, qxor

RNG_LANES = 8


@jit_strict
def fill_u32(rng, out, n):
    """Write n uint32 (n a multiple of 16) to out and advance the state rng (4, 8)."""
    state = rng.reshape(-1)
    s0 = qload(state, 0)
    s1 = qload(state, 8)
    s2 = qload(state, 16)
    s3 = qload(state, 24)
    for at in range(0, n, 16):
        qstore(out, at, qadd(qrotate(qadd(s0, s3), 23), s0))
        t = qshift(s1, 17)
        s2 = qxor(s2, s0)
        s3 = qxor(s3, s1)
        s1 = qxor(s1, s2)
        s0 = qxor(s0, s3)
        s2 = qxor(s2, t)
        s3 = qrotate(s3, 45)
    qstore(state, 0, s0)
    qstore(state, 8, s1)
    qstore(state, 16, s2)
    qstore(state, 24, s3)
