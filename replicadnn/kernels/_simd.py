"""Vectors of 16 or 8 numbers for numba kernels.

LLVM vectorises only innermost loops, but the sampler wants a vector of patterns kept in
registers while the loop runs over neurons, and the Parisi flow a vector of functions while it
runs over a stencil.  This module gives numba five value types

    vec16f (16 float32), vec16i (16 int32), vec16b (16 booleans), vec8q (8 uint64),
    vec8d (8 float64)

and the few operations the kernels need.  They are plain LLVM vectors: on a machine without
512-bit registers the compiler splits them, with identical results.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

LANES = 16

_F = ir.VectorType(ir.FloatType(), LANES)
_I = ir.VectorType(ir.IntType(32), LANES)
_B = ir.VectorType(ir.IntType(1), LANES)
_Q = ir.VectorType(ir.IntType(64), LANES // 2)
_D = ir.VectorType(ir.DoubleType(), LANES // 2)
_ZERO = ir.Constant(_I, [0] * LANES)
_SIGN = ir.Constant(_I, [31] * LANES)


class VecType(types.Type):  # type: ignore[misc]
    """Numba type of a vector; ``be_type`` is the LLVM type behind it."""

    def __init__(self, name, be_type):
        self.be_type = be_type
        super().__init__(name=name)


@register_model(VecType)
class VecModel(models.PrimitiveModel):  # type: ignore[misc]
    """A vector is passed and stored as one LLVM value."""

    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, fe_type.be_type)


vec16f = VecType("vec16f", _F)
vec16i = VecType("vec16i", _I)
vec16b = VecType("vec16b", _B)
vec8q = VecType("vec8q", _Q)
vec8d = VecType("vec8d", _D)


def _pointer(context, builder, array_type, array, index, vector):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _fma(builder, a, b, c):
    fn = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_F, [_F, _F, _F]), "llvm.fma.v16f32"
    )
    return builder.call(fn, [a, b, c])


def _splat(builder, scalar, vector):
    undef = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undef, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undef, _ZERO)


def _splat8(builder, scalar, vector=_Q):
    undef = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undef, scalar, ir.Constant(ir.IntType(32), 0))
    zero = ir.Constant(ir.VectorType(ir.IntType(32), LANES // 2), [0] * (LANES // 2))
    return builder.shuffle_vector(first, undef, zero)


def _load(vector, align):
    """array[index : index + lanes] of a contiguous array whose items have `align` bytes."""

    @intrinsic
    def load(typingctx, array, index):
        def codegen(context, builder, sig, args):
            place = _pointer(context, builder, sig.args[0], args[0], args[1], vector.be_type)
            value = builder.load(place)
            value.align = align
            return value

        return vector(array, types.intp), codegen

    return load


def _store(vector, align):
    """array[index : index + lanes] = value for a contiguous array, items of `align` bytes."""

    @intrinsic
    def store(typingctx, array, index, value):
        def codegen(context, builder, sig, args):
            place = _pointer(context, builder, sig.args[0], args[0], args[1], vector.be_type)
            builder.store(args[2], place).align = align
            return context.get_dummy_value()

        return types.void(array, types.intp, vector), codegen

    return store


def _binary(vector, operation):
    """`operation` (of llvmlite.ir.IRBuilder) of two vectors, lane by lane."""

    @intrinsic
    def binary(typingctx, a, b):
        def codegen(context, builder, sig, args):
            return getattr(builder, operation)(*args)

        return vector(vector, vector), codegen

    return binary


vload, vstore = _load(vec16f, 4), _store(vec16f, 4)
vload_u32, vstore_u32 = _load(vec16i, 4), _store(vec16i, 4)  # uint32, as bits
qload = _load(vec8q, 8)
qstore = _store(vec8q, 4)  # of uint32 arrays too: the 16 halves, low ones first
dload, dstore = _load(vec8d, 8), _store(vec8d, 8)
add, iadd, isub = _binary(vec16f, "fadd"), _binary(vec16i, "add"), _binary(vec16i, "sub")
qadd, qxor = _binary(vec8q, "add"), _binary(vec8q, "xor")  # qadd modulo 2^64
dadd, dmul = _binary(vec8d, "fadd"), _binary(vec8d, "fmul")


@intrinsic
def splat(typingctx, x):
    """The float32 x in all 16 places."""

    def codegen(context, builder, sig, args):
        return _splat(builder, args[0], _F)

    return vec16f(types.float32), codegen


@intrinsic
def izero(typingctx):
    """16 integer zeros."""

    def codegen(context, builder, sig, args):
        return _ZERO

    return vec16i(), codegen


@intrinsic
def fma(typingctx, a, b, c):
    """Fused a * b + c, one rounding."""

    def codegen(context, builder, sig, args):
        return _fma(builder, *args)

    return vec16f(vec16f, vec16f, vec16f), codegen


@intrinsic
def negative(typingctx, x, s, offset):
    """Integer 1 where the sign bit of x * s + offset is set, else 0."""

    def codegen(context, builder, sig, args):
        return builder.lshr(builder.bitcast(_fma(builder, *args), _I), _SIGN)

    return vec16i(vec16f, vec16f, vec16f), codegen


@intrinsic
def count_below(typingctx, n, u, threshold):
    """Give n + 1 where u < threshold as unsigned 32-bit integers, else n."""

    def codegen(context, builder, sig, args):
        n, u, threshold = args
        below = builder.icmp_unsigned("<", u, _splat(builder, threshold, _I))
        return builder.sub(n, builder.sext(below, _I))

    return vec16i(vec16i, vec16i, types.uint32), codegen


@intrinsic
def at_most(typingctx, a, b):
    """Boolean a <= b of signed integers."""

    def codegen(context, builder, sig, args):
        return builder.icmp_signed("<=", *args)

    return vec16b(vec16i, vec16i), codegen


@intrinsic
def select_i(typingctx, mask, a, b):
    """Integers a where mask else b."""

    def codegen(context, builder, sig, args):
        return builder.select(*args)

    return vec16i(vec16b, vec16i, vec16i), codegen


@intrinsic
def keep_f(typingctx, mask, a):
    """Give a where mask else +0.0."""

    def codegen(context, builder, sig, args):
        return builder.select(args[0], args[1], ir.Constant(_F, [0.0] * LANES))

    return vec16f(vec16b, vec16f), codegen


@intrinsic
def popcount(typingctx, mask):
    """Number of True places."""

    def codegen(context, builder, sig, args):
        bits = builder.bitcast(args[0], ir.IntType(LANES))
        return builder.zext(builder.ctpop(bits), ir.IntType(64))

    return types.int64(vec16b), codegen


@intrinsic
def isum(typingctx, n):
    """Sum of the 16 integers."""

    def codegen(context, builder, sig, args):
        i32 = ir.IntType(32)
        fn = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(i32, [_I]), "llvm.vector.reduce.add.v16i32"
        )
        return builder.sext(builder.call(fn, args), ir.IntType(64))

    return types.int64(vec16i), codegen


@intrinsic
def sign_bits(typingctx, x, s):
    """Integer whose bit k is the sign bit of x[k] * s[k]; a zero factor +0.0 gives 0."""

    def codegen(context, builder, sig, args):
        both = builder.xor(builder.bitcast(args[0], _I), builder.bitcast(args[1], _I))
        nonzero = builder.icmp_signed("!=", builder.bitcast(args[1], _I), _ZERO)
        mask = builder.and_(builder.icmp_signed("<", both, _ZERO), nonzero)
        return builder.zext(builder.bitcast(mask, ir.IntType(LANES)), ir.IntType(64))

    return types.int64(vec16f, vec16f), codegen


@intrinsic
def lowest_bit(typingctx, bits):
    """Place of the lowest set bit; bits must not be 0."""

    def codegen(context, builder, sig, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


@intrinsic
def bit_count(typingctx, bits):
    """Number of set bits."""

    def codegen(context, builder, sig, args):
        return builder.ctpop(args[0])

    return types.int64(types.int64), codegen


@intrinsic
def vload_mask(typingctx, array, index):
    """16 booleans from array[index] of a contiguous uint16 array, lowest bit first."""

    def codegen(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.bitcast(builder.load(builder.gep(data, [args[1]])), _B)

    return vec16b(array, types.intp), codegen


@intrinsic
def negative_mask(typingctx, x):
    """Integer whose bit k is the sign bit of x[k]."""

    def codegen(context, builder, sig, args):
        below = builder.icmp_signed("<", builder.bitcast(args[0], _I), _ZERO)
        return builder.zext(builder.bitcast(below, ir.IntType(LANES)), ir.IntType(64))

    return types.int64(vec16f), codegen


@intrinsic
def blend(typingctx, mask, a, b):
    """Give a where mask else b."""

    def codegen(context, builder, sig, args):
        return builder.select(*args)

    return vec16f(vec16b, vec16f, vec16f), codegen


@intrinsic
def less(typingctx, a, b):
    """Boolean a < b."""

    def codegen(context, builder, sig, args):
        return builder.fcmp_ordered("<", *args)

    return vec16b(vec16f, vec16f), codegen


@intrinsic
def qshift(typingctx, a, n):
    """Shift a left by n bits."""

    def codegen(context, builder, sig, args):
        return builder.shl(args[0], _splat8(builder, args[1]))

    return vec8q(vec8q, types.int64), codegen


@intrinsic
def qrotate(typingctx, a, n):
    """Rotate a left by n bits."""

    def codegen(context, builder, sig, args):
        fn = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_Q, [_Q, _Q, _Q]), "llvm.fshl.v8i64"
        )
        return builder.call(fn, [args[0], args[0], _splat8(builder, args[1])])

    return vec8q(vec8q, types.int64), codegen


@intrinsic
def dsplat(typingctx, x):
    """The float64 x in all 8 places."""

    def codegen(context, builder, sig, args):
        return _splat8(builder, args[0], _D)

    return vec8d(types.float64), codegen


@intrinsic
def dmuladd(typingctx, a, b, c):
    """a * b + c, fused where the machine does that."""

    def codegen(context, builder, sig, args):
        fn = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_D, [_D, _D, _D]), "llvm.fmuladd.v8f64"
        )
        return builder.call(fn, args)

    return vec8d(vec8d, vec8d, vec8d), codegen
