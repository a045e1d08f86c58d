// Lets a C++ compiler for the processor build the kernels: CUDA's words as plain C++, threads as nested loops.
// Only what the kernels use. Threads run one after another, so an atomic is an ordinary read and write; kernels that
// need threads to wait for each other cannot be run this way, and there are none.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <utility>

#define __global__
#define __restrict__ __restrict
#define LIVE_DEVICE static inline
#define LIVE_LOAD(pointer) (*(pointer))

struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) uint4 {
    unsigned int x, y, z, w;
};
struct Dimension {
    unsigned int x, y, z;
};
static thread_local Dimension blockIdx, blockDim, threadIdx, gridDim;

using std::fabs;
using std::floor;

struct half_t {
    unsigned short bits;
};

static inline float half_bits_to_float(unsigned short bits) {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
    const std::uint32_t exponent = (bits >> 10) & 0x1fu, mantissa = bits & 0x3ffu;
    float value;
    if (exponent == 0) {
        value = static_cast<float>(mantissa) * 5.9604644775390625e-8f;  // 2^-24: zero and subnormals
        return sign ? -value : value;
    }
    const std::uint32_t out =
        sign | (exponent == 31 ? 0x7f800000u : (exponent + 112u) << 23) | (mantissa << 13);
    std::memcpy(&value, &out, 4);
    return value;
}

// Rounds to nearest, ties to even, as cvt.rn.f16.f32 does.
static inline unsigned short float_to_half_bits(float value) {
    std::uint32_t in;
    std::memcpy(&in, &value, 4);
    const unsigned short sign = static_cast<unsigned short>((in >> 16) & 0x8000u);
    const std::uint32_t magnitude = in & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<unsigned short>(0x7fffu);
    if (magnitude >= 0x477ff000u) return static_cast<unsigned short>(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {  // below 2^-14: subnormal
        const float scaled = std::fabs(value) * 16777216.0f;  // 2^24
        return static_cast<unsigned short>(sign | static_cast<unsigned short>(std::nearbyintf(scaled)));
    }
    const std::uint32_t odd = (magnitude >> 13) & 1u;
    return static_cast<unsigned short>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

// Plain here: the file is compiled with contraction off.
static inline float mul(float a, float b) { return a * b; }
static inline float add(float a, float b) { return a + b; }

static inline unsigned int __float_as_uint(float value) {
    unsigned int bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}
static inline float __uint_as_float(unsigned int bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}
static inline unsigned long long atomicMin(unsigned long long* address, unsigned long long value) {
    const unsigned long long old = *address;
    if (value < old) *address = value;
    return old;
}

template <typename... A, std::size_t... I>
static void shim_call(void (*kernel)(A...), void** args, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<A>*>(args[I])...);
}

// The arguments come as CUDA's own launch call takes them: an array of pointers to each value.
template <typename... A>
static void shim_launch(void (*kernel)(A...), unsigned int blocks, unsigned int threads, void** args) {
    gridDim = {blocks, 1, 1};
    blockDim = {threads, 1, 1};
    blockIdx = {0, 0, 0};
    threadIdx = {0, 0, 0};
    for (unsigned int b = 0; b < blocks; ++b) {
        blockIdx.x = b;
        for (unsigned int t = 0; t < threads; ++t) {
            threadIdx.x = t;
            shim_call(kernel, args, std::index_sequence_for<A...>{});
        }
    }
}

#define LIVE_HOST_EXPORT(name)                                                                      \
    extern "C" int host_##name(unsigned int blocks, unsigned int threads, int count, void** args) { \
        return shim_dispatch(name, blocks, threads, count, args);                                   \
    }

// Refuses a call with the wrong number of arguments instead of reading past the array.
template <typename... A>
static int shim_dispatch(void (*kernel)(A...), unsigned int blocks, unsigned int threads, int count, void** args) {
    if (count != static_cast<int>(sizeof...(A))) return static_cast<int>(sizeof...(A)) + 1;
    shim_launch(kernel, blocks, threads, args);
    return 0;
}
