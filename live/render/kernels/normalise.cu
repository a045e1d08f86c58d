// Instance norm with AdaIN and layer norm over (C, H, W), fused with bias, LeakyReLU, residual, 2×2 mean and sub-pixel
// interleaving. Statistics in two steps without atomics on floats, so results do not depend on the order of blocks.
//
// NHWC, channels a multiple of the lanes (8 half or 4 float values). A picture may be given as it is, or as what one 2×2
// convolution of padded input leaves for a picture of twice the size: (h+1) × (w+1) pixels of four phases, see
// SubPixelUp in live/render/pirenderer/fast.py.
#include "common.cuh"

// Address of a pixel's first channel. height, width: of the picture itself.
template <typename T>
LIVE_DEVICE const T* picture_pixel(const T* image, int y, int x, int width, int channels, int phases) {
    if (!phases) return image + (static_cast<u64>(y) * width + x) * channels;
    const int a = y & 1, b = x & 1;
    const u64 cell = static_cast<u64>((y >> 1) + a) * (width / 2 + 1) + (x >> 1) + b;
    return image + cell * 4 * channels + (2 * a + b) * channels;
}

LIVE_DEVICE u64 picture_size(int height, int width, int channels, int phases) {
    if (!phases) return static_cast<u64>(height) * width * channels;
    return static_cast<u64>(height / 2 + 1) * (width / 2 + 1) * 4 * channels;
}

#define BLOCK 256

// One block per (image, chunk of pixels): sums of values and of squares per channel, partial (batch, chunks, channels, 2).
// The channel groups of a pixel are neighbouring threads; channels / lanes must not exceed BLOCK.
template <typename T>
LIVE_DEVICE void channel_sums(const T* source, float* partial, int chunks, int height, int width, int channels,
                              int phases) {
    const int lanes = Lanes<T>::count;
    __shared__ float shared[BLOCK * 2 * Lanes<half_t>::count];
    const int groups = channels / lanes, rows = BLOCK / groups;
    const int thread = static_cast<int>(threadIdx.x);
    const int group = thread % groups, row = thread / groups;
    const int image = static_cast<int>(blockIdx.x) / chunks, chunk = static_cast<int>(blockIdx.x) % chunks;
    const int pixels = height * width, share = (pixels + chunks - 1) / chunks;
    const int end = share * (chunk + 1) < pixels ? share * (chunk + 1) : pixels;
    const T* picture = source + image * picture_size(height, width, channels, phases);
    float sum[2 * Lanes<T>::count];
#pragma unroll
    for (int i = 0; i < 2 * lanes; ++i) sum[i] = 0.0f;
    if (row < rows) {
        for (int p = share * chunk + row; p < end; p += rows) {
            float v[Lanes<T>::count];
            load_lanes(picture_pixel(picture, p / width, p % width, width, channels, phases) + group * lanes, v);
#pragma unroll
            for (int i = 0; i < lanes; ++i) {
                sum[i] += v[i];
                sum[lanes + i] += v[i] * v[i];
            }
        }
    }
#pragma unroll
    for (int i = 0; i < 2 * lanes; ++i) shared[i * BLOCK + thread] = sum[i];
    // Fold the upper half of the rows onto the lower until one is left.
    for (int left = rows; left > 1;) {
        const int half = (left + 1) / 2;
        __syncthreads();
        if (row + half < left) {
#pragma unroll
            for (int i = 0; i < 2 * lanes; ++i) shared[i * BLOCK + thread] += shared[i * BLOCK + thread + half * groups];
        }
        left = half;
    }
    __syncthreads();
    if (row == 0) {
        float* to = partial + ((static_cast<u64>(image) * chunks + chunk) * channels + group * lanes) * 2;
#pragma unroll
        for (int i = 0; i < lanes; ++i) {
            to[2 * i] = shared[i * BLOCK + thread];
            to[2 * i + 1] = shared[(lanes + i) * BLOCK + thread];
        }
    }
}

#define CHANNEL_SUMS(suffix, T)                                                                                        \
    extern "C" __global__ void channel_sums_##suffix(const T* source, float* partial, int chunks, int height,         \
                                                     int width, int channels, int phases) {                           \
        channel_sums<T>(source, partial, chunks, height, width, channels, phases);                                     \
    }

CHANNEL_SUMS(f32, float)
CHANNEL_SUMS(f16, half_t)

// One block per image: from sums to what the norm is in the end, value * scale + shift per channel, affine (batch, 2,
// channels). `bias` (channels) of the convolution that made the picture is taken into account here; null: none.
// layer 0: instance norm, gamma and beta (batch, stride) as AdaIN's, scale 1 + gamma. 1: layer norm, both (channels).
extern "C" __global__ void norm_affine(const float* partial, const float* bias, const float* gamma, const float* beta,
                                       int stride, float* affine, int chunks, int channels, int pixels, int layer,
                                       float epsilon) {
    __shared__ double shared[2 * BLOCK];
    const int thread = static_cast<int>(threadIdx.x);
    const int image = static_cast<int>(blockIdx.x);
    const float* sums = partial + static_cast<u64>(image) * chunks * channels * 2;
    float* to = affine + static_cast<u64>(image) * 2 * channels;
    double all = 0.0, all_squares = 0.0;
    for (int c = thread; c < channels; c += BLOCK) {
        double sum = 0.0, squares = 0.0;
        for (int k = 0; k < chunks; ++k) {
            sum += sums[(k * channels + c) * 2];
            squares += sums[(k * channels + c) * 2 + 1];
        }
        const double b = bias ? bias[c] : 0.0;
        squares += 2.0 * b * sum + b * b * pixels;
        sum += b * pixels;
        all += sum;
        all_squares += squares;
        if (!layer) {
            const double mean = sum / pixels, variance = squares / pixels - mean * mean;
            const float scale = static_cast<float>(1.0 / sqrt((variance > 0.0 ? variance : 0.0) + epsilon)) *
                                (1.0f + gamma[static_cast<u64>(image) * stride + c]);
            to[c] = scale;
            to[channels + c] = static_cast<float>(b - mean) * scale + beta[static_cast<u64>(image) * stride + c];
        }
    }
    if (!layer) return;
    shared[thread] = all;
    shared[BLOCK + thread] = all_squares;
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half) {
            shared[thread] += shared[thread + half];
            shared[BLOCK + thread] += shared[BLOCK + thread + half];
        }
    }
    __syncthreads();
    const double count = static_cast<double>(pixels) * channels;
    const double mean = shared[0] / count, variance = shared[BLOCK] / count - mean * mean;
    const float inverse = static_cast<float>(1.0 / sqrt((variance > 0.0 ? variance : 0.0) + epsilon));
    for (int c = thread; c < channels; c += BLOCK) {
        const float scale = inverse * gamma[c];
        const float b = bias ? bias[c] : 0.0f;
        to[c] = scale;
        to[channels + c] = static_cast<float>(b - mean) * scale + beta[c];
    }
}

// leaky(value * scale + shift) + residual, or its mean over 2×2 pixels. height, width: of the source picture. out and
// residual (batch, height', width', *), out with `out_channels` per pixel, of which these begin at `out_offset`.
// count = batch * quarter * groups, where each thread does the pixels p, p + quarter, p + 2 quarter, p + 3 quarter.
template <typename T>
LIVE_DEVICE void norm_apply(const T* source, const float* affine, const T* residual, T* out, unsigned int count,
                            int quarter, int height, int width, int channels, int phases, int pool, float slope,
                            int out_channels, int out_offset) {
    const int lanes = Lanes<T>::count;
    const unsigned int i = thread_index();
    if (i >= count) return;
    const int groups = channels / lanes;
    const int channel = static_cast<int>(i % groups) * lanes;
    const int first = static_cast<int>((i / groups) % quarter);
    const u64 image = i / (static_cast<unsigned int>(groups) * quarter);
    const int columns = pool ? width / 2 : width, pixels = pool ? height / 2 * columns : height * width;
    float scale[Lanes<T>::count], shift[Lanes<T>::count];
#pragma unroll
    for (int k = 0; k < lanes; k += 4) {
        load_lanes(affine + image * 2 * channels + channel + k, scale + k);
        load_lanes(affine + image * 2 * channels + channels + channel + k, shift + k);
    }
    const T* picture = source + image * picture_size(height, width, channels, phases) + channel;
#pragma unroll
    for (int step = 0; step < 4; ++step) {
        const int p = first + step * quarter;
        if (p >= pixels) break;
        const int y = p / columns, x = p % columns;
        float v[Lanes<T>::count];
        if (pool) {
#pragma unroll
            for (int k = 0; k < lanes; ++k) v[k] = 0.0f;
#pragma unroll
            for (int corner = 0; corner < 4; ++corner) {
                float u[Lanes<T>::count];
                load_lanes(picture_pixel(picture, 2 * y + (corner >> 1), 2 * x + (corner & 1), width, channels, phases),
                           u);
#pragma unroll
                for (int k = 0; k < lanes; ++k) {
                    const float w = u[k] * scale[k] + shift[k];
                    v[k] += 0.25f * (w < 0.0f ? w * slope : w);
                }
            }
        } else {
            load_lanes(picture_pixel(picture, y, x, width, channels, phases), v);
#pragma unroll
            for (int k = 0; k < lanes; ++k) {
                const float w = v[k] * scale[k] + shift[k];
                v[k] = w < 0.0f ? w * slope : w;
            }
        }
        const u64 at = image * pixels + p;
        if (residual) {
            float r[Lanes<T>::count];
            load_lanes(residual + at * channels + channel, r);
#pragma unroll
            for (int k = 0; k < lanes; ++k) v[k] += r[k];
        }
        store_lanes(out + at * out_channels + out_offset + channel, v);
    }
}

#define NORM_APPLY(suffix, T)                                                                                          \
    extern "C" __global__ void norm_apply_##suffix(const T* source, const float* affine, const T* residual, T* out,    \
                                                   unsigned int count, int quarter, int height, int width,            \
                                                   int channels, int phases, int pool, float slope, int out_channels, \
                                                   int out_offset) {                                                   \
        norm_apply<T>(source, affine, residual, out, count, quarter, height, width, channels, phases, pool, slope,     \
                      out_channels, out_offset);                                                                       \
    }

NORM_APPLY(f32, float)
NORM_APPLY(f16, half_t)
