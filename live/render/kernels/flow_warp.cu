// Warps images and feature maps by a low-resolution flow. The flow is upsampled and turned into sampling positions on
// the fly, so that no sampling grid is ever written; up to four maps of different sizes share one launch.
#include "common.cuh"

// Layout of the flow, in values: any of NCHW, NHWC or a slice of a wider tensor.
struct Flow {
    int height, width;
    int image_stride, x_to_y, row_stride, column_stride;
};

struct Level {
    int height, width, channels;
    unsigned int groups;  // 16-byte groups per pixel, a thread each; 0: one thread does every channel, value by value
    int planar;           // NCHW; then groups is 0
};

// convention 0, as PIRenderer was published: grid = (2 i/(w-1) - 1) + 2 flow/(w-1), resized with half-pixel centres and
// read with half-pixel centres although it was built with the corner convention. In pixels that is
// (i + flow) W/(w-1) - 1/2 with the same bilinear weights on i and on flow.
// convention 1: pixel i samples i + flow * W/unit, half-pixel centres throughout.
// convention 2: the same, but the identity too is resized from the flow's resolution, so that near the border, where
// resizing repeats the outermost value, neighbours share a position (LivePIRenderer was trained so).
// trust: the map's third channel, resized likewise, multiplies what was sampled; null when there is none.
template <typename F>
LIVE_DEVICE Taps flow_taps(const F* image_flow, const Flow& flow, int x, int y, int height, int width, int convention,
                           float unit_x, float unit_y, int padding, float* trust) {
    const Neighbours nx = resize_neighbours(x, width, flow.width), ny = resize_neighbours(y, height, flow.height);
    const F* top = image_flow + ny.first * flow.row_stride;
    const F* bottom = image_flow + ny.second * flow.row_stride;
    const int left = nx.first * flow.column_stride, right = nx.second * flow.column_stride;
    const float w00 = (1.0f - ny.fraction) * (1.0f - nx.fraction), w01 = (1.0f - ny.fraction) * nx.fraction;
    const float w10 = ny.fraction * (1.0f - nx.fraction), w11 = ny.fraction * nx.fraction;
    const float dx = load(top + left) * w00 + load(top + right) * w01 + load(bottom + left) * w10 +
                     load(bottom + right) * w11;
    const int to_y = flow.x_to_y;
    const float dy = load(top + left + to_y) * w00 + load(top + right + to_y) * w01 +
                     load(bottom + left + to_y) * w10 + load(bottom + right + to_y) * w11;
    float px, py;
    if (convention == 0) {
        const float bx = static_cast<float>(nx.first) + nx.fraction;
        const float by = static_cast<float>(ny.first) + ny.fraction;
        px = (bx + dx) * (static_cast<float>(width) / static_cast<float>(flow.width - 1)) - 0.5f;
        py = (by + dy) * (static_cast<float>(height) / static_cast<float>(flow.height - 1)) - 0.5f;
    } else {
        px = static_cast<float>(x);
        py = static_cast<float>(y);
        if (convention == 2) {
            px = (static_cast<float>(nx.first) + nx.fraction + 0.5f) *
                     (static_cast<float>(width) / static_cast<float>(flow.width)) - 0.5f;
            py = (static_cast<float>(ny.first) + ny.fraction + 0.5f) *
                     (static_cast<float>(height) / static_cast<float>(flow.height)) - 0.5f;
        }
        px += dx * (static_cast<float>(width) / unit_x);
        py += dy * (static_cast<float>(height) / unit_y);
    }
    if (trust)
        *trust = load(top + left + 2 * to_y) * w00 + load(top + right + 2 * to_y) * w01 +
                 load(bottom + left + 2 * to_y) * w10 + load(bottom + right + 2 * to_y) * w11;
    return make_taps(px, py, width, height, padding);
}

template <typename T, typename F>
LIVE_DEVICE void warp_item(const F* flow_data, const Flow& flow, const int* slot, const T* source, T* out,
                           const Level& level, unsigned int item, int convention, float unit_x, float unit_y,
                           int padding, int trusted) {
    const unsigned int threads = level.groups ? level.groups : 1u;
    const unsigned int pixel = item / threads;
    const unsigned int x = pixel % level.width;
    const unsigned int y = (pixel / level.width) % level.height;
    const unsigned int n = pixel / (static_cast<unsigned int>(level.width) * level.height);
    const u64 image = slot ? static_cast<u64>(slot[n]) : n;
    float trust = 1.0f;
    Taps taps = flow_taps(flow_data + static_cast<u64>(n) * flow.image_stride, flow, static_cast<int>(x),
                                static_cast<int>(y), level.height, level.width, convention, unit_x, unit_y, padding,
                          trusted ? &trust : nullptr);
#pragma unroll
    for (int t = 0; t < 4; ++t) taps.weight[t] *= trust;
    const int area = level.height * level.width;
    const T* from = source + image * area * level.channels;
    T* to = out + static_cast<u64>(n) * area * level.channels;
    if (level.groups) {
        const int channel = static_cast<int>(item % threads) * Lanes<T>::count;
        gather_lanes(from, to + (y * level.width + x) * level.channels + channel, taps, level.channels, channel);
        return;
    }
    const int pixel_stride = level.planar ? 1 : level.channels, channel_stride = level.planar ? area : 1;
    to += static_cast<u64>(y * level.width + x) * pixel_stride;
    for (int c = 0; c < level.channels; ++c)
        store(to + static_cast<u64>(c) * channel_stride, gather(from, taps, c, pixel_stride, channel_stride));
}

// sources (slots, height, width, channels), outs (batch, height, width, channels), or both NCHW if `planar`; a level of
// height 0 is absent. `slot[n]` tells which source image n reads (sessions share a bank of portraits); null: image n
// itself.
#define FLOW_WARP(suffix, T, F)                                                                                       \
    extern "C" __global__ void flow_warp_##suffix(                                                                    \
        const F* flow_data, int flow_height, int flow_width, int flow_image_stride, int flow_x_to_y,                  \
        int flow_row_stride, int flow_column_stride, const int* slot, int batch, int convention, float unit_x,        \
        float unit_y, int padding, int trusted, int planar, unsigned int count, const T* s0, T* o0, int h0, int w0,   \
        int c0, int g0,                                                                                               \
        const T* s1, T* o1, int h1, int w1, int c1, int g1, const T* s2, T* o2, int h2, int w2, int c2, int g2,       \
        const T* s3, T* o3, int h3, int w3, int c3, int g3) {                                                         \
        unsigned int item = thread_index();                                                                           \
        if (item >= count) return;                                                                                    \
        const Flow flow = {flow_height,     flow_width,         flow_image_stride, flow_x_to_y,                       \
                           flow_row_stride, flow_column_stride};                                                      \
        const unsigned int n0 = static_cast<unsigned int>(batch) * h0 * w0 * (g0 ? g0 : 1);                           \
        const unsigned int n1 = static_cast<unsigned int>(batch) * h1 * w1 * (g1 ? g1 : 1);                           \
        const unsigned int n2 = static_cast<unsigned int>(batch) * h2 * w2 * (g2 ? g2 : 1);                           \
        const T* source = s0;                                                                                         \
        T* out = o0;                                                                                                  \
        Level level = {h0, w0, c0, static_cast<unsigned int>(g0), planar};                                            \
        if (item >= n0) {                                                                                             \
            item -= n0;                                                                                               \
            if (item < n1) {                                                                                          \
                source = s1, out = o1;                                                                                \
                level = {h1, w1, c1, static_cast<unsigned int>(g1), planar};                                          \
            } else if (item - n1 < n2) {                                                                              \
                item -= n1;                                                                                           \
                source = s2, out = o2;                                                                                \
                level = {h2, w2, c2, static_cast<unsigned int>(g2), planar};                                          \
            } else {                                                                                                  \
                item -= n1 + n2;                                                                                      \
                source = s3, out = o3;                                                                                \
                level = {h3, w3, c3, static_cast<unsigned int>(g3), planar};                                          \
            }                                                                                                         \
        }                                                                                                             \
        warp_item<T, F>(flow_data, flow, slot, source, out, level, item, convention, unit_x, unit_y, padding, trusted);\
    }

FLOW_WARP(f32_f32, float, float)
FLOW_WARP(f16_f32, half_t, float)
FLOW_WARP(f16_f16, half_t, half_t)
