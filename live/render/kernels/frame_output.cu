// The last step of a frame: network picture, blend mask and warped portrait become bytes, as RGB, I420 or NV12, in one
// pass. Each thread makes a 2×2 block of pixels, which share one pair of chroma values.
#include "common.cuh"

// A tensor of any layout, in values.
struct View {
    int height, width;
    int image_stride, channel_stride, row_stride, column_stride;
};

struct Corners {
    int offset[4];
    float weight[4];
};

// Bilinear with half-pixel centres when the picture is smaller than the frame, the pixel itself when it is as large.
LIVE_DEVICE Corners corners_at(const View& view, int x, int y, int width, int height) {
    const Neighbours nx = resize_neighbours(x, width, view.width), ny = resize_neighbours(y, height, view.height);
    Corners c;
    c.offset[0] = ny.first * view.row_stride + nx.first * view.column_stride;
    c.offset[1] = ny.first * view.row_stride + nx.second * view.column_stride;
    c.offset[2] = ny.second * view.row_stride + nx.first * view.column_stride;
    c.offset[3] = ny.second * view.row_stride + nx.second * view.column_stride;
    c.weight[0] = (1.0f - ny.fraction) * (1.0f - nx.fraction);
    c.weight[1] = (1.0f - ny.fraction) * nx.fraction;
    c.weight[2] = ny.fraction * (1.0f - nx.fraction);
    c.weight[3] = ny.fraction * nx.fraction;
    return c;
}

template <typename T>
LIVE_DEVICE float read_squashed(const T* plane, const Corners& c) {
    return tanhf(load(plane + c.offset[0])) * c.weight[0] + tanhf(load(plane + c.offset[1])) * c.weight[1] +
           tanhf(load(plane + c.offset[2])) * c.weight[2] + tanhf(load(plane + c.offset[3])) * c.weight[3];
}

template <typename T>
LIVE_DEVICE float read_corners(const T* plane, const Corners& c) {
    return load(plane + c.offset[0]) * c.weight[0] + load(plane + c.offset[1]) * c.weight[1] +
           load(plane + c.offset[2]) * c.weight[2] + load(plane + c.offset[3]) * c.weight[3];
}

// count = batch * (height/2) * (width/2). Values become bytes as value * gain + bias; with squash the picture (not the
// warp) goes through tanh first. mask and warp may be null: the picture is then the frame.
template <typename T>
LIVE_DEVICE void frame_output(const T* picture, const View& pv, const T* mask, const View& mv, const T* warp,
                              const View& wv, unsigned char* out, unsigned int count, int height, int width, float gain,
                              float bias, int squash, const Packing& packing) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const int half_width = width / 2, half_height = height / 2;
    const int bx = static_cast<int>(i % half_width), by = static_cast<int>((i / half_width) % half_height);
    const u64 n = i / (static_cast<unsigned int>(half_width) * half_height);
    const T* image_picture = picture + n * pv.image_stride;
    const T* image_mask = mask ? mask + n * mv.image_stride : mask;
    const T* image_warp = warp ? warp + n * wv.image_stride : warp;
    unsigned char* frame = out + n * packed_bytes(packing, width, height);

    float mean[3] = {0.0f, 0.0f, 0.0f};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        const int x = 2 * bx + (k & 1), y = 2 * by + (k >> 1);
        const Corners pc = corners_at(pv, x, y, width, height);
        float rgb[3];
        float share = 1.0f;
        if (image_mask) {
            const Corners mc = corners_at(mv, x, y, width, height);
            share = fminf(fmaxf(read_corners(image_mask, mc), 0.0f), 1.0f);
        }
#pragma unroll
        for (int c = 0; c < 3; ++c) {
            const T* plane = image_picture + c * pv.channel_stride;
            // A picture as large as the frame needs one tap, not four hyperbolic tangents.
            if (squash && pc.weight[0] == 1.0f) rgb[c] = tanhf(load(plane + pc.offset[0]));
            else rgb[c] = squash ? read_squashed(plane, pc) : read_corners(plane, pc);
        }
        if (image_warp) {
            const Corners wc = corners_at(wv, x, y, width, height);
#pragma unroll
            for (int c = 0; c < 3; ++c) {
                const float behind = read_corners(image_warp + c * wv.channel_stride, wc);
                rgb[c] = share * rgb[c] + (1.0f - share) * behind;
            }
        }
#pragma unroll
        for (int c = 0; c < 3; ++c) {
            rgb[c] = clamp_byte(rgb[c] * gain + bias);
            mean[c] += 0.25f * rgb[c];
        }
        pack_pixel(packing, frame, width, x, y, rgb);
    }
    pack_chroma(packing, frame, width, height, bx, by, mean);
}

#define FRAME_OUTPUT(suffix, T)                                                                                       \
    extern "C" __global__ void frame_output_##suffix(                                                                 \
        const T* picture, int ph, int pw, int pn, int pc, int py, int px, const T* mask, int mh, int mw, int mn,      \
        int mc, int my, int mx, const T* warp, int wh, int ww, int wn, int wc, int wy, int wx, unsigned char* out,    \
        unsigned int count, int height, int width, float gain, float bias, int squash, int format, float kr,          \
        float kb) {                                                                                                   \
        const View pv = {ph, pw, pn, pc, py, px}, mv = {mh, mw, mn, mc, my, mx}, wv = {wh, ww, wn, wc, wy, wx};       \
        const Packing packing = {format, kr, kb};                                                                     \
        frame_output<T>(picture, pv, mask, mv, warp, wv, out, count, height, width, gain, bias, squash, packing);     \
    }

FRAME_OUTPUT(f32, float)
FRAME_OUTPUT(f16, half_t)
