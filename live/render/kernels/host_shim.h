// Lets a C++ compiler for the processor build the kernels: CUDA's words as plain C++, threads as nested loops.
// Only what the kernels use. Threads run one after another, so an atomic is an ordinary read and write. Where threads of
// a block wait for each other, each is a fibre of its own and a barrier switches to the next.
#pragma once
#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <utility>
#include <vector>

#define __global__
#define __shared__ static thread_local
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
using std::sqrt;

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

// The fibres of one block.
struct ShimBlock {
    struct Fibre {
        ucontext_t context;
        std::vector<char> stack;
        bool done;
    };
    std::vector<Fibre> fibres;
    ucontext_t scheduler;
    void (*body)(void*);
    void* argument;
    unsigned int current;
};
static thread_local ShimBlock* shim_block = nullptr;

static inline void __syncthreads() {
    ShimBlock* block = shim_block;
    if (block) swapcontext(&block->fibres[block->current].context, &block->scheduler);
}

static void shim_fibre() {
    ShimBlock* block = shim_block;
    block->body(block->argument);
    block->fibres[block->current].done = true;
}

// Runs `body` once per thread of a block. Threads leave a barrier in the order in which they came to it, and all must
// come to it or have returned.
static void shim_run_block(ShimBlock& block, unsigned int threads) {
    const std::size_t stack = 64 * 1024;
    block.fibres.resize(threads);
    for (ShimBlock::Fibre& fibre : block.fibres) {
        fibre.done = false;
        if (fibre.stack.empty()) fibre.stack.resize(stack);
        getcontext(&fibre.context);
        fibre.context.uc_stack.ss_sp = fibre.stack.data();
        fibre.context.uc_stack.ss_size = stack;
        fibre.context.uc_link = &block.scheduler;
        makecontext(&fibre.context, shim_fibre, 0);
    }
    shim_block = &block;
    for (bool alive = true; alive;) {
        alive = false;
        for (unsigned int t = 0; t < threads; ++t) {
            if (block.fibres[t].done) continue;
            block.current = t;
            threadIdx.x = t;
            swapcontext(&block.scheduler, &block.fibres[t].context);
            alive = alive || !block.fibres[t].done;
        }
    }
    shim_block = nullptr;
}

// The arguments come as CUDA's own launch call takes them: an array of pointers to each value.
template <typename... A>
static void shim_launch(void (*kernel)(A...), bool waits, unsigned int blocks, unsigned int threads, void** args) {
    gridDim = {blocks, 1, 1};
    blockDim = {threads, 1, 1};
    blockIdx = {0, 0, 0};
    threadIdx = {0, 0, 0};
    auto call = [&] { shim_call(kernel, args, std::index_sequence_for<A...>{}); };
    ShimBlock block;
    block.body = [](void* argument) { (*static_cast<decltype(call)*>(argument))(); };
    block.argument = &call;
    for (unsigned int b = 0; b < blocks; ++b) {
        blockIdx.x = b;
        if (waits) {
            shim_run_block(block, threads);
            continue;
        }
        for (unsigned int t = 0; t < threads; ++t) {
            threadIdx.x = t;
            call();
        }
    }
}

// Refuses a call with the wrong number of arguments instead of reading past the array.
template <typename... A>
static int shim_dispatch(void (*kernel)(A...), bool waits, unsigned int blocks, unsigned int threads, int count,
                         void** args) {
    if (count != static_cast<int>(sizeof...(A))) return static_cast<int>(sizeof...(A)) + 1;
    shim_launch(kernel, waits, blocks, threads, args);
    return 0;
}

// waits: whether threads of the kernel wait for each other.
#define LIVE_HOST_EXPORT(name, waits)                                                               \
    extern "C" int host_##name(unsigned int blocks, unsigned int threads, int count, void** args) { \
        return shim_dispatch(name, waits, blocks, threads, count, args);                            \
    }
