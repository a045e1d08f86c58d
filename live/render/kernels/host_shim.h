// Lets a C++ compiler for the processor build the kernels: CUDA's words as plain C++, threads as nested loops.
// Only what the kernels use. Threads run one after another, so an atomic is an ordinary read and write. Where threads of
// a block wait for each other, each is a fibre of its own and a barrier switches to the next.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
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

using std::exp;
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

// Threads of a block that wait for each other: fibres, made once and used again for every block. A fibre is entered once
// through ucontext; from then on setjmp and longjmp switch, which spare two system calls per switch.
struct ShimFibre {
    ucontext_t context;
    jmp_buf here;
    std::unique_ptr<char[]> stack;
    bool begun, done;
};
struct ShimBlock {
    std::vector<ShimFibre> fibres;
    ucontext_t entry;
    jmp_buf scheduler;
    void (*body)(void*);
    void* argument;
    unsigned int current;
    bool running;
};
static thread_local ShimBlock shim_block;

static void shim_leave() {
    ShimFibre& fibre = shim_block.fibres[shim_block.current];
    if (!_setjmp(fibre.here)) _longjmp(shim_block.scheduler, 1);
}

static inline void __syncthreads() {
    if (shim_block.running) shim_leave();
}

static void shim_fibre() {
    for (;;) {
        shim_block.body(shim_block.argument);
        shim_block.fibres[shim_block.current].done = true;
        shim_leave();
    }
}

static void shim_enter(ShimFibre& fibre) {
    if (_setjmp(shim_block.scheduler)) return;
    if (fibre.begun) _longjmp(fibre.here, 1);
    const std::size_t size = 64 * 1024;
    fibre.begun = true;
    fibre.stack.reset(new char[size]);
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = fibre.stack.get();
    fibre.context.uc_stack.ss_size = size;
    fibre.context.uc_link = nullptr;
    makecontext(&fibre.context, shim_fibre, 0);
    swapcontext(&shim_block.entry, &fibre.context);
}

// Runs `body` once per thread of a block. Threads leave a barrier in the order in which they came to it, and all must
// come to it or have returned.
static void shim_run_block(unsigned int threads, void (*body)(void*), void* argument) {
    if (shim_block.fibres.size() < threads) shim_block.fibres.resize(threads);
    shim_block.body = body;
    shim_block.argument = argument;
    shim_block.running = true;
    for (unsigned int t = 0; t < threads; ++t) shim_block.fibres[t].done = false;
    for (bool alive = true; alive;) {
        alive = false;
        for (unsigned int t = 0; t < threads; ++t) {
            if (shim_block.fibres[t].done) continue;
            shim_block.current = t;
            threadIdx.x = t;
            shim_enter(shim_block.fibres[t]);
            alive = alive || !shim_block.fibres[t].done;
        }
    }
    shim_block.running = false;
}

// The arguments come as CUDA's own launch call takes them: an array of pointers to each value.
template <typename... A>
static void shim_launch(void (*kernel)(A...), bool waits, unsigned int blocks, unsigned int threads, void** args) {
    gridDim = {blocks, 1, 1};
    blockDim = {threads, 1, 1};
    blockIdx = {0, 0, 0};
    threadIdx = {0, 0, 0};
    auto call = [&] { shim_call(kernel, args, std::index_sequence_for<A...>{}); };
    auto body = [](void* argument) { (*static_cast<decltype(call)*>(argument))(); };
    for (unsigned int b = 0; b < blocks; ++b) {
        blockIdx.x = b;
        if (waits) {
            shim_run_block(threads, body, &call);
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
