"""Explicit vectors of 16 float32 inside numba kernels.

LLVM's own vectoriser stops at 256 bits and gives up on the blending loop's memory accesses; a value of type
<16 x float> becomes one 512-bit register where the processor has AVX-512 and is split into smaller registers where
it has not (two AVX, four SSE or NEON). The one processor-specific instruction is the approximate reciprocal, which
falls back to a division.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16
_FLOAT = ir.FloatType()
_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INTEGERS = ir.VectorType(_INT32, LANES)
_FAST = ("fast",)
# fused where the processor can; llvm.fma would become a library call per lane where it cannot
_MULTIPLY_ADD = f"llvm.fmuladd.v{LANES}f32"


class Float32x16(types.Type):
    """The type of a vector of 16 float32."""

    def __init__(self):
        super().__init__(name="Float32x16")


@register_model(Float32x16)
class _Float32x16Model(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _VECTOR)


float32x16 = Float32x16()


def _constant(value: float):
    return ir.Constant(_VECTOR, [value] * LANES)


def _mask(indices):
    return ir.Constant(ir.VectorType(_INT32, len(indices)), list(indices))


def _pointer(context, builder, array_type, array, index, element=_VECTOR):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), element.as_pointer())


def _call(builder, name, result, arguments):
    signature = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), arguments)


@intrinsic
def splat(typing, x):
    """All 16 lanes equal to the scalar x."""

    def generate(context, builder, signature, args):
        scalar = context.cast(builder, args[0], signature.args[0], types.float32)
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(undefined, scalar, _INT32(0))
        return builder.shuffle_vector(first, undefined, _mask([0] * LANES))

    return float32x16(x), generate


@intrinsic
def lane_numbers(typing):
    """0, 1, ... 15."""

    def generate(context, builder, signature, args):
        return ir.Constant(_VECTOR, [float(i) for i in range(LANES)])

    return float32x16(), generate


def _binary(name):
    @intrinsic
    def operation(typing, x, y):
        def generate(context, builder, signature, args):
            return getattr(builder, name)(args[0], args[1], flags=_FAST)

        return float32x16(x, y), generate

    return operation


add = _binary("fadd")
sub = _binary("fsub")
mul = _binary("fmul")
div = _binary("fdiv")


@intrinsic
def fma(typing, x, y, z):
    """x * y + z."""

    def generate(context, builder, signature, args):
        return _call(builder, _MULTIPLY_ADD, _VECTOR, args)

    return float32x16(x, y, z), generate


@intrinsic
def neg_fma(typing, x, y, z):
    """z - x * y."""

    def generate(context, builder, signature, args):
        negated = builder.fsub(_constant(0.0), args[0], flags=_FAST)
        return _call(builder, _MULTIPLY_ADD, _VECTOR, [negated, args[1], args[2]])

    return float32x16(x, y, z), generate


@intrinsic
def smaller(typing, x, y):
    """The smaller of x and y, lane by lane."""

    def generate(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[0], args[1])

    return float32x16(x, y), generate


@intrinsic
def larger(typing, x, y):
    """The larger of x and y, lane by lane."""

    def generate(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered(">", args[0], args[1]), args[0], args[1])

    return float32x16(x, y), generate


@intrinsic
def keep_where(typing, a, a_least, b, b_least, value):
    """value where a >= a_least and b >= b_least, else 0."""

    def generate(context, builder, signature, args):
        both = builder.and_(builder.fcmp_ordered(">=", args[0], args[1]), builder.fcmp_ordered(">=", args[2], args[3]))
        return builder.select(both, args[4], _constant(0.0))

    return float32x16(a, a_least, b, b_least, value), generate


@intrinsic
def zero_above(typing, x, limit, value):
    """value where x <= limit, else 0."""

    def generate(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<=", args[0], args[1]), args[2], _constant(0.0))

    return float32x16(x, limit, value), generate


@intrinsic
def load(typing, array, index):
    """array[index : index + 16] of a contiguous float32 array; index counts flat elements, unchecked."""

    def generate(context, builder, signature, args):
        return builder.load(_pointer(context, builder, signature.args[0], args[0], args[1]), align=4)

    return float32x16(array, types.int64), generate


@intrinsic
def load_bfloat16(typing, array, index):
    """array[index : index + 16] of a contiguous uint16 array that holds the upper halves of float32; unchecked."""

    def generate(context, builder, signature, args):
        halves = ir.VectorType(ir.IntType(16), LANES)
        address = _pointer(context, builder, signature.args[0], args[0], args[1], halves)
        wide = builder.zext(builder.load(address, align=2), _INTEGERS)
        return builder.bitcast(builder.shl(wide, ir.Constant(_INTEGERS, [16] * LANES)), _VECTOR)

    return float32x16(array, types.int64), generate


@intrinsic
def store(typing, array, index, value):
    """array[index : index + 16] = value; contiguous float32, flat index, unchecked."""

    def generate(context, builder, signature, args):
        builder.store(args[2], _pointer(context, builder, signature.args[0], args[0], args[1]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, value), generate


@intrinsic
def spread(typing, array, index):
    """All 16 lanes equal to array[index] of a contiguous float32 array; flat index, unchecked."""

    def generate(context, builder, signature, args):
        scalar = builder.load(_pointer(context, builder, signature.args[0], args[0], args[1], _FLOAT), align=4)
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(undefined, scalar, _INT32(0))
        return builder.shuffle_vector(first, undefined, _mask([0] * LANES))

    return float32x16(array, types.int64), generate


def _exp2_coefficients() -> list[float]:
    """2^f for f in [-0.5, 0.5] to 1e-7, lowest power first."""
    nodes = np.cos(np.pi * (np.arange(200) + 0.5) / 200) / 2
    fit = np.polynomial.chebyshev.Chebyshev.fit(nodes, 2.0**nodes, 5, domain=[-0.5, 0.5])
    return [float(c) for c in fit.convert(kind=np.polynomial.Polynomial).coef]


@intrinsic
def exp2(typing, x):
    """2^x to about 2e-7 for x in [-126, 127]."""

    def generate(context, builder, signature, args):
        # Adding 1.5 * 2^23 rounds to a whole number n, which then stands in the lowest bits. The flag keeps numba from
        # writing `fast` there, under which LLVM would take the number off again at once.
        exact = ("nsz",)
        shift = _constant(1.5 * 2.0**23)
        shifted = builder.fadd(args[0], shift, flags=exact)
        fraction = builder.fsub(args[0], builder.fsub(shifted, shift, flags=exact), flags=exact)
        *lower, value = (_constant(c) for c in _exp2_coefficients())
        for coefficient in reversed(lower):
            value = _call(builder, _MULTIPLY_ADD, _VECTOR, [value, fraction, coefficient])
        by = ir.Constant(_INTEGERS, [23] * LANES)
        exponent = builder.shl(builder.bitcast(shifted, _INTEGERS), by)
        return builder.bitcast(builder.add(builder.bitcast(value, _INTEGERS), exponent), _VECTOR)

    return float32x16(x), generate


def _has_avx512(context) -> bool:
    triple, _, features = context.codegen().magic_tuple()
    return triple.startswith("x86_64") and "+avx512f" in features


@intrinsic
def reciprocal(typing, x):
    """1 / x to about 1e-7: the 14-bit estimate and one Newton step with AVX-512, else a division."""

    def generate(context, builder, signature, args):
        x = args[0]
        if not _has_avx512(context):
            return builder.fdiv(_constant(1.0), x, flags=_FAST)
        every_lane = ir.Constant(ir.IntType(16), 0xFFFF)
        guess = _call(builder, "llvm.x86.avx512.rcp14.ps.512", _VECTOR, [x, _constant(0.0), every_lane])
        error = builder.fsub(_constant(2.0), builder.fmul(x, guess, flags=_FAST), flags=_FAST)
        return builder.fmul(guess, error, flags=_FAST)

    return float32x16(x), generate


def _halve(builder, vector, lanes, combine):
    low = builder.shuffle_vector(vector, vector, _mask(range(lanes // 2)))
    high = builder.shuffle_vector(vector, vector, _mask(range(lanes // 2, lanes)))
    return combine(low, high)


def _fold(builder, vector, lanes_left, combine):
    lanes = LANES
    while lanes > lanes_left:
        vector = _halve(builder, vector, lanes, combine)
        lanes //= 2
    return vector


def _reduction(name, combine):
    @intrinsic
    def reduce(typing, x):
        def generate(context, builder, signature, args):
            last = _fold(builder, args[0], 1, lambda low, high: combine(builder, low, high))
            return builder.extract_element(last, _INT32(0))

        return types.float32(x), generate

    return reduce


def _add(builder, low, high):
    return builder.fadd(low, high, flags=_FAST)


def _max(builder, low, high):
    return builder.select(builder.fcmp_ordered(">", low, high), low, high)


lane_sum = _reduction("lane_sum", _add)
lane_max = _reduction("lane_max", _max)


@intrinsic
def store_lane_sums(typing, array, index, v0, v1, v2, v3, v4, v5, v6, v7, v8):
    """array[index + k] = sum of the lanes of vk for k = 0 .. 8, by two 4 x 4 transposes instead of nine reductions."""

    def generate(context, builder, signature, args):
        def shuffle(x, y, *lanes):
            return builder.shuffle_vector(x, y, _mask(lanes))

        def total(x, y):
            return builder.fadd(x, y, flags=_FAST)

        quarters = [_fold(builder, v, 4, total) for v in args[2:]]
        four = ir.VectorType(_FLOAT, 4)
        for k in (0, 4):
            a, b, c, d = quarters[k : k + 4]
            ab = total(shuffle(a, b, 0, 4, 1, 5), shuffle(a, b, 2, 6, 3, 7))
            cd = total(shuffle(c, d, 0, 4, 1, 5), shuffle(c, d, 2, 6, 3, 7))
            sums = total(shuffle(ab, cd, 0, 1, 4, 5), shuffle(ab, cd, 2, 3, 6, 7))
            place = builder.add(args[1], _INT64(k))
            builder.store(sums, _pointer(context, builder, signature.args[0], args[0], place, four), align=4)
        pair = total(shuffle(quarters[8], quarters[8], 0, 1), shuffle(quarters[8], quarters[8], 2, 3))
        last = total(builder.extract_element(pair, _INT32(0)), builder.extract_element(pair, _INT32(1)))
        place = builder.add(args[1], _INT64(8))
        builder.store(last, _pointer(context, builder, signature.args[0], args[0], place, _FLOAT))
        return context.get_dummy_value()

    return types.void(array, types.int64, *[float32x16] * 9), generate


@intrinsic
def store_rgb(typing, array, index, red, green, blue):
    """array[index : index + 48] = 16 pixels, bytes r g b r g b ...; values in [0, 256), cut to whole numbers."""

    def generate(context, builder, signature, args):
        bytes_ = ir.VectorType(ir.IntType(8), LANES)
        red, green, blue = (builder.trunc(builder.fptosi(x, _INTEGERS), bytes_) for x in args[2:])
        pair = builder.shuffle_vector(red, green, _mask(range(2 * LANES)))
        wide = builder.shuffle_vector(blue, blue, _mask(range(2 * LANES)))
        mixed = [lane + LANES * channel for lane in range(LANES) for channel in range(3)]
        pixels = builder.shuffle_vector(pair, wide, _mask(mixed))
        target = _pointer(context, builder, signature.args[0], args[0], args[1], pixels.type)
        builder.store(pixels, target, align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, red, green, blue), generate


@intrinsic
def prefetch(typing, array, index):
    """Ask for the cache line of array[index] ahead of its use."""

    def generate(context, builder, signature, args):
        address = _pointer(context, builder, signature.args[0], args[0], args[1], ir.IntType(8))
        _call(builder, "llvm.prefetch.p0", ir.VoidType(), [address, _INT32(0), _INT32(3), _INT32(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@intrinsic
def alignment_skip(typing, array):
    """How many float32 to skip so that &array[skip] lies on a 64-byte boundary."""

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        address = builder.ptrtoint(data, _INT64)
        return builder.lshr(builder.and_(builder.sub(_INT64(0), address), _INT64(63)), _INT64(2))

    return types.int64(array), generate
