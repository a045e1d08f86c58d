// Shared by every kernel: number formats, 16-byte loads, bilinear taps.
//
// No CUDA header is included: NVRTC as shipped in wheels has none, and the little we need of fp16 is two PTX
// instructions. The same text compiles for the processor when LIVE_HOST is defined (host_shim.h), which is how the
// index arithmetic is tested on machines without a GPU.
#ifndef LIVE_COMMON_CUH
#define LIVE_COMMON_CUH

#ifndef LIVE_HOST
#define LIVE_DEVICE static __device__ __forceinline__
#define LIVE_LOAD(pointer) __ldg(pointer)

struct half_t {
    unsigned short bits;
};

LIVE_DEVICE float half_bits_to_float(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

LIVE_DEVICE unsigned short float_to_half_bits(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

// Products and sums that the compiler may not fuse: where both sides of an edge, or processor and GPU, must agree.
LIVE_DEVICE float mul(float a, float b) { return __fmul_rn(a, b); }
LIVE_DEVICE float add(float a, float b) { return __fadd_rn(a, b); }
#endif

typedef unsigned long long u64;

LIVE_DEVICE unsigned int thread_index() { return blockIdx.x * blockDim.x + threadIdx.x; }

LIVE_DEVICE float load(const float* p) { return LIVE_LOAD(p); }
LIVE_DEVICE float load(const half_t* p) {
    return half_bits_to_float(LIVE_LOAD(reinterpret_cast<const unsigned short*>(p)));
}
LIVE_DEVICE float load(const unsigned char* p) { return static_cast<float>(LIVE_LOAD(p)); }
LIVE_DEVICE void store(float* p, float value) { *p = value; }
LIVE_DEVICE void store(half_t* p, float value) { p->bits = float_to_half_bits(value); }

// How many values of a type one 16-byte access moves.
template <typename T>
struct Lanes;
template <>
struct Lanes<float> {
    static const int count = 4;
};
template <>
struct Lanes<half_t> {
    static const int count = 8;
};

LIVE_DEVICE void load_lanes(const float* p, float* v) {
    const float4 raw = LIVE_LOAD(reinterpret_cast<const float4*>(p));
    v[0] = raw.x;
    v[1] = raw.y;
    v[2] = raw.z;
    v[3] = raw.w;
}

LIVE_DEVICE void load_lanes(const half_t* p, float* v) {
    const uint4 raw = LIVE_LOAD(reinterpret_cast<const uint4*>(p));
    const unsigned int words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        v[2 * i] = half_bits_to_float(static_cast<unsigned short>(words[i] & 0xffffu));
        v[2 * i + 1] = half_bits_to_float(static_cast<unsigned short>(words[i] >> 16));
    }
}

LIVE_DEVICE void store_lanes(float* p, const float* v) {
    float4 raw;
    raw.x = v[0];
    raw.y = v[1];
    raw.z = v[2];
    raw.w = v[3];
    *reinterpret_cast<float4*>(p) = raw;
}

LIVE_DEVICE void store_lanes(half_t* p, const float* v) {
    unsigned int words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i)
        words[i] = static_cast<unsigned int>(float_to_half_bits(v[2 * i])) |
                   (static_cast<unsigned int>(float_to_half_bits(v[2 * i + 1])) << 16);
    uint4 raw;
    raw.x = words[0];
    raw.y = words[1];
    raw.z = words[2];
    raw.w = words[3];
    *reinterpret_cast<uint4*>(p) = raw;
}

// The four pixels around a sampling position, as offsets in pixels within one image, and their weights.
struct Taps {
    int offset[4];
    float weight[4];
};

// padding 0: zero outside the image; 1: nearest border pixel. (x, y) are pixel indices: 0 is the centre of the first
// pixel. Zero padding takes nothing at a position that is not finite; border padding takes NaN as 0.
LIVE_DEVICE Taps make_taps(float x, float y, int width, int height, int padding) {
    Taps taps;
    if (padding == 0) {
        // Written so that NaN fails it.
        const bool near = x > -1.0f && x < static_cast<float>(width) && y > -1.0f && y < static_cast<float>(height);
        if (!near) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                taps.offset[i] = 0;
                taps.weight[i] = 0.0f;
            }
            return taps;
        }
    } else {
        x = fminf(fmaxf(x, 0.0f), static_cast<float>(width - 1));
        y = fminf(fmaxf(y, 0.0f), static_cast<float>(height - 1));
    }
    const float left = floorf(x), top = floorf(y);
    const float fx = x - left, fy = y - top;
    const int x0 = static_cast<int>(left), y0 = static_cast<int>(top);
    const int x1 = x0 + 1, y1 = y0 + 1;
    const float wx0 = x0 >= 0 ? 1.0f - fx : 0.0f, wx1 = x1 < width ? fx : 0.0f;
    const float wy0 = y0 >= 0 ? 1.0f - fy : 0.0f, wy1 = y1 < height ? fy : 0.0f;
    const int cx0 = x0 >= 0 ? x0 : 0, cx1 = x1 < width ? x1 : width - 1;
    const int cy0 = y0 >= 0 ? y0 : 0, cy1 = y1 < height ? y1 : height - 1;
    taps.offset[0] = cy0 * width + cx0;
    taps.offset[1] = cy0 * width + cx1;
    taps.offset[2] = cy1 * width + cx0;
    taps.offset[3] = cy1 * width + cx1;
    taps.weight[0] = wy0 * wx0;
    taps.weight[1] = wy0 * wx1;
    taps.weight[2] = wy1 * wx0;
    taps.weight[3] = wy1 * wx1;
    return taps;
}

// Where pixel `index` of a row of `size` falls in a row of `source` pixels when resized bilinearly with half-pixel
// centres: the two neighbours and the weight of the second. Beyond the outer centres the edge value holds.
struct Neighbours {
    int first, second;
    float fraction;
};

LIVE_DEVICE Neighbours resize_neighbours(int index, int size, int source) {
    const float scale = static_cast<float>(source) / static_cast<float>(size);
    // Without contraction: the last bit decides between neighbours, on the host as on the device.
    const float wanted = add(mul(static_cast<float>(index) + 0.5f, scale), -0.5f);
    const float position = fminf(fmaxf(wanted, 0.0f), static_cast<float>(source - 1));
    Neighbours n;
    n.first = static_cast<int>(position);
    n.second = n.first + 1 < source ? n.first + 1 : source - 1;
    n.fraction = position - static_cast<float>(n.first);
    return n;
}

// One output position of `channels` values: NHWC source, one group of 16 bytes or one value at a time.
template <typename T>
LIVE_DEVICE void gather_lanes(const T* image, T* out, const Taps& taps, int channels, int channel) {
    const int lanes = Lanes<T>::count;
    float sum[Lanes<T>::count], v[4][Lanes<T>::count];
    // Four independent loads in flight before the first use.
#pragma unroll
    for (int t = 0; t < 4; ++t) load_lanes(image + static_cast<u64>(taps.offset[t]) * channels + channel, v[t]);
#pragma unroll
    for (int i = 0; i < lanes; ++i) {
        sum[i] = v[0][i] * taps.weight[0];
        sum[i] += v[1][i] * taps.weight[1];
        sum[i] += v[2][i] * taps.weight[2];
        sum[i] += v[3][i] * taps.weight[3];
    }
    store_lanes(out, sum);
}

// Value `channel` at the taps: `pixel_stride` and `channel_stride` in values cover NHWC and NCHW.
template <typename T>
LIVE_DEVICE float gather(const T* image, const Taps& taps, int channel, int pixel_stride, int channel_stride) {
    const T* base = image + static_cast<u64>(channel) * channel_stride;
    float sum = 0.0f;
#pragma unroll
    for (int t = 0; t < 4; ++t)
        sum += load(base + static_cast<u64>(taps.offset[t]) * pixel_stride) * taps.weight[t];
    return sum;
}

// fmaxf first: NaN becomes 0.
LIVE_DEVICE float clamp_byte(float v) { return fminf(fmaxf(v, 0.0f), 255.0f); }
LIVE_DEVICE unsigned char to_byte(float v) { return static_cast<unsigned char>(static_cast<int>(clamp_byte(v) + 0.5f)); }

// How finished frames are packed. format 0: RGB (height, width, 3). 1: I420, 2: NV12, both (height * 3 / 2, width),
// limited range. kr, kb: weights of red and blue in luma (BT.601: 0.299, 0.114; BT.709: 0.2126, 0.0722).
struct Packing {
    int format;
    float kr, kb;
};

LIVE_DEVICE u64 packed_bytes(const Packing& p, int width, int height) {
    const u64 area = static_cast<u64>(width) * height;
    return p.format == 0 ? 3 * area : area + area / 2;
}

LIVE_DEVICE float luma_of(const Packing& p, const float* rgb) {
    return p.kr * rgb[0] + (1.0f - p.kr - p.kb) * rgb[1] + p.kb * rgb[2];
}

// One pixel of 0…255: its colour, or its luma.
LIVE_DEVICE void pack_pixel(const Packing& p, unsigned char* frame, int width, int x, int y, const float* rgb) {
    const u64 at = static_cast<u64>(y) * width + x;
    if (p.format != 0) {
        frame[at] = to_byte(16.0f + luma_of(p, rgb) * (219.0f / 255.0f));
        return;
    }
#pragma unroll
    for (int c = 0; c < 3; ++c) frame[3 * at + c] = to_byte(rgb[c]);
}

// The chroma that a 2×2 block shares, from the mean of its pixels before they were rounded; nothing for RGB.
LIVE_DEVICE void pack_chroma(const Packing& p, unsigned char* frame, int width, int height, int block_x, int block_y,
                             const float* mean) {
    if (p.format == 0) return;
    const float luma = luma_of(p, mean), scale = 112.0f / 255.0f;
    const unsigned char cb = to_byte(128.0f + (mean[2] - luma) * (scale / (1.0f - p.kb)));
    const unsigned char cr = to_byte(128.0f + (mean[0] - luma) * (scale / (1.0f - p.kr)));
    const u64 area = static_cast<u64>(width) * height, at = static_cast<u64>(block_y) * (width / 2) + block_x;
    if (p.format == 1) {
        frame[area + at] = cb;
        frame[area + area / 4 + at] = cr;
    } else {
        frame[area + 2 * at] = cb;
        frame[area + 2 * at + 1] = cr;
    }
}

#endif
