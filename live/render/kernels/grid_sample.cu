// Bilinear sampling of images at the positions of a grid, half-pixel centres (torch's align_corners=False).
#include "common.cuh"

LIVE_DEVICE Taps grid_taps(const float* grid, u64 position, int width, int height, int padding) {
    const float gx = load(grid + 2 * position), gy = load(grid + 2 * position + 1);
    // ((g + 1) * size - 1) / 2: -1 is the left edge of the first pixel, 1 the right edge of the last.
    const float x = ((gx + 1.0f) * static_cast<float>(width) - 1.0f) * 0.5f;
    const float y = ((gy + 1.0f) * static_cast<float>(height) - 1.0f) * 0.5f;
    return make_taps(x, y, width, height, padding);
}

// count = batch * positions * (channels / lanes); threads of one position are neighbours and share its taps in cache.
template <typename T>
LIVE_DEVICE void sample_nhwc_lanes(const T* source, const float* grid, T* out, unsigned int count, int positions,
                                   int height, int width, int channels, int padding) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const int groups = channels / Lanes<T>::count;
    const unsigned int position = i / groups;
    const int channel = static_cast<int>(i % groups) * Lanes<T>::count;
    const u64 image = position / positions;
    const Taps taps = grid_taps(grid, position, width, height, padding);
    gather_lanes(source + image * height * width * channels, out + static_cast<u64>(position) * channels + channel, taps,
                 channels, channel);
}

// count = batch * positions: one thread does every channel of a position. Any channel count, any alignment, both
// layouts.
template <typename T>
LIVE_DEVICE void sample_any(const T* source, const float* grid, T* out, unsigned int count, int positions, int height,
                            int width, int channels, int padding, int planar) {
    const unsigned int position = thread_index();
    if (position >= count) return;
    const u64 image = position / positions;
    const u64 within = position % positions;
    const Taps taps = grid_taps(grid, position, width, height, padding);
    const T* base = source + image * height * width * channels;
    const int pixel_stride = planar ? 1 : channels, channel_stride = planar ? height * width : 1;
    T* to = out + image * positions * channels + within * (planar ? 1 : channels);
    const u64 step = planar ? positions : 1;
    for (int c = 0; c < channels; ++c) store(to + c * step, gather(base, taps, c, pixel_stride, channel_stride));
}

#define GRID_SAMPLE(suffix, T)                                                                                        \
    extern "C" __global__ void grid_sample_lanes_##suffix(const T* source, const float* grid, T* out,                \
                                                          unsigned int count, int positions, int height, int width, \
                                                          int channels, int padding) {                               \
        sample_nhwc_lanes<T>(source, grid, out, count, positions, height, width, channels, padding);                 \
    }                                                                                                                 \
    extern "C" __global__ void grid_sample_any_##suffix(const T* source, const float* grid, T* out,                  \
                                                        unsigned int count, int positions, int height, int width,   \
                                                        int channels, int padding, int planar) {                     \
        sample_any<T>(source, grid, out, count, positions, height, width, channels, padding, planar);                \
    }

GRID_SAMPLE(f32, float)
GRID_SAMPLE(f16, half_t)
