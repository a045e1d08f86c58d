// LivePIRenderer's frame around its networks: from the geometric picture to what the networks read, and from what they
// say to finished bytes. The processor's twins are live/render/live_network/inputs.py and blending.py.
//
// "Folded" maps hold 2×2 pixels as four times the channels, channel c at c·4 + 2·(y & 1) + (x & 1), as torch's
// pixel_unshuffle orders them and as the networks read and write full resolution.
#include "common.cuh"

// A turned square in the picture, in picture sides: centre x, y; right x, y; down x, y.
struct Box {
    float cx, cy, rx, ry, dx, dy;
};

LIVE_DEVICE Box load_box(const float* boxes, u64 index) {
    const float* p = boxes + 6 * index;
    Box b = {load(p), load(p + 1), load(p + 2), load(p + 3), load(p + 4), load(p + 5)};
    return b;
}

// Index of value c of pixel (x, y) in a folded map of `columns` cells with `channels` values each.
LIVE_DEVICE u64 folded(int x, int y, int c, int columns, int channels) {
    return (static_cast<u64>(y >> 1) * columns + (x >> 1)) * channels + 4 * c + 2 * (y & 1) + (x & 1);
}

// count = batch * (side/2)². picture uint8 (batch, S, S, 3) → composite (batch, side/2, side/2, 16) folded, −1…1, means
// over (S/side)² pixels; the last four values are zero.
template <typename T>
LIVE_DEVICE void live_composite(const unsigned char* picture, T* composite, unsigned int count, int picture_side,
                                int side) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const int cells = side / 2, factor = picture_side / side;
    const int x = static_cast<int>(i % cells), y = static_cast<int>((i / cells) % cells);
    const u64 n = i / (static_cast<unsigned int>(cells) * cells);
    const unsigned char* from = picture + n * picture_side * picture_side * 3;
    T* to = composite + static_cast<u64>(i) * 16;
    const float gain = 2.0f / (255.0f * static_cast<float>(factor * factor));
    for (int k = 0; k < 4; ++k) {
        const int left = (2 * x + (k & 1)) * factor, top = (2 * y + (k >> 1)) * factor;
        int sum[3] = {0, 0, 0};
        for (int v = top; v < top + factor; ++v)
            for (int u = left; u < left + factor; ++u)
#pragma unroll
                for (int c = 0; c < 3; ++c) sum[c] += from[(static_cast<u64>(v) * picture_side + u) * 3 + c];
#pragma unroll
        for (int c = 0; c < 3; ++c) store(to + 4 * c + k, static_cast<float>(sum[c]) * gain - 1.0f);
        store(to + 12 + k, 0.0f);
    }
}

// count = batch * per_image * (crop/2)². Cuts boxes out of picture and guides (prior (batch, grid, grid, 8) without its
// first two channels) → crops (batch * per_image, crop/2, crop/2, 40) folded: three colours −1…1, six guides, zeros.
// boxes (batch, 3, 6), of which this uses per_image from `first` on. Edges are repeated.
template <typename T>
LIVE_DEVICE void live_crops(const unsigned char* picture, const float* prior, const float* boxes, T* crops,
                            unsigned int count, int picture_side, int grid, int crop, int first, int per_image) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const int cells = crop / 2;
    const int x = static_cast<int>(i % cells), y = static_cast<int>((i / cells) % cells);
    const unsigned int which = i / (static_cast<unsigned int>(cells) * cells);
    const u64 n = which / per_image;
    const Box box = load_box(boxes, n * 3 + first + which % per_image);
    const unsigned char* from = picture + n * picture_side * picture_side * 3;
    const float* guides = prior + n * grid * grid * 8;
    T* to = crops + static_cast<u64>(i) * 40;
    for (int k = 0; k < 4; ++k) {
        const float tx = (static_cast<float>(2 * x + (k & 1)) + 0.5f) / static_cast<float>(crop) - 0.5f;
        const float ty = (static_cast<float>(2 * y + (k >> 1)) + 0.5f) / static_cast<float>(crop) - 0.5f;
        const float px = box.cx + box.rx * tx + box.dx * ty, py = box.cy + box.ry * tx + box.dy * ty;
        const Taps sharp = make_taps(px * picture_side - 0.5f, py * picture_side - 0.5f, picture_side, picture_side, 1);
        const Taps coarse = make_taps(px * grid - 0.5f, py * grid - 0.5f, grid, grid, 1);
#pragma unroll
        for (int c = 0; c < 3; ++c) {
            float sum = 0.0f;
#pragma unroll
            for (int t = 0; t < 4; ++t) sum += from[static_cast<u64>(sharp.offset[t]) * 3 + c] * sharp.weight[t];
            store(to + 4 * c + k, sum * (2.0f / 255.0f) - 1.0f);
        }
        for (int c = 0; c < 6; ++c) store(to + 12 + 4 * c + k, gather(guides, coarse, c + 2, 8, 1));
        store(to + 36 + k, 0.0f);
    }
}

LIVE_DEVICE float sigmoid(float v) { return 1.0f / (1.0f + expf(-v)); }

// count = batch * side². What the base network adds and where → base (batch, side, side, 4): the head's colour
// (batch, side/2, side/2, 16 folded) times its mask, and the mask.
template <typename T>
LIVE_DEVICE void live_base(const T* head, T* base, unsigned int count, int side) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const int x = static_cast<int>(i % side), y = static_cast<int>((i / side) % side), cells = side / 2;
    const u64 n = i / (static_cast<unsigned int>(side) * side);
    const T* from = head + n * cells * cells * 16;
    T* to = base + static_cast<u64>(i) * 4;
    const float mask = sigmoid(load(from + folded(x, y, 3, cells, 16)) - 1.0f);
    for (int c = 0; c < 3; ++c) store(to + c, mask * load(from + folded(x, y, c, cells, 16)));
    store(to + 3, mask);
}

// count = crops * crop². What a region network adds → patch (crops, crop, crop, 5): change times mask, mask, and how much of
// the geometric picture's own detail stays. input (crops, crop/2, crop/2, 40) and head (…, 16) folded; window (crop, crop)
// fades the mask out at the edge; `guide` is the guide that says where the picture is drawn, none if negative.
template <typename T>
LIVE_DEVICE void live_patch(const T* input, const T* head, const float* window, T* patch, unsigned int count, int crop,
                            int guide, float gain, float shown) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const int x = static_cast<int>(i % crop), y = static_cast<int>((i / crop) % crop), cells = crop / 2;
    const u64 n = i / (static_cast<unsigned int>(crop) * crop);
    const T* seen = input + n * cells * cells * 40;
    const T* change = head + n * cells * cells * 16;
    const float drawn = guide < 0 ? 0.0f : fminf(gain * load(seen + folded(x, y, 3 + guide, cells, 40)), 1.0f);
    const float mask =
        sigmoid(load(change + folded(x, y, 3, cells, 16))) * load(window + y * crop + x) * (1.0f - shown * drawn);
    T* to = patch + static_cast<u64>(i) * 5;
    for (int c = 0; c < 3; ++c) {
        const float old = load(seen + folded(x, y, c, cells, 40));
        store(to + c, (load(change + folded(x, y, c, cells, 16)) + drawn * (old + 1.0f)) * mask);
    }
    store(to + 3, mask);
    store(to + 4, mask * (1.0f - drawn));
}

// Lays the changed geometric picture (`pixel`, 0…255) over `rgb` at (px, py), picture sides; nothing outside the box.
template <typename T>
LIVE_DEVICE void lay_patch(const T* patch, const Box& box, float px, float py, int crop, const unsigned char* pixel,
                           float* rgb) {
    const float qx = px - box.cx, qy = py - box.cy;
    const float tx = (qx * box.rx + qy * box.ry) / (box.rx * box.rx + box.ry * box.ry);
    const float ty = (qx * box.dx + qy * box.dy) / (box.dx * box.dx + box.dy * box.dy);
    const float u = (tx + 0.5f) * crop - 0.5f, v = (ty + 0.5f) * crop - 0.5f;
    if (!(u > -1.0f && u < crop && v > -1.0f && v < crop)) return;
    const Taps taps = make_taps(u, v, crop, crop, 0);
    const float mask = gather(patch, taps, 3, 5, 1), kept = gather(patch, taps, 4, 5, 1);
    for (int c = 0; c < 3; ++c)
        rgb[c] = rgb[c] * (1.0f - mask) + pixel[c] * kept + gather(patch, taps, c, 5, 1) * 127.5f;
}

// count = batch * (S/2)². The geometric picture displaced by the residual, the base network's picture enlarged over it
// by its mask, mouth and eyes over that; as bytes. mouth (batch, M, M, 5),
// eyes (batch * 2, E, E, 5), boxes (batch, 3, 6): mouth, right eye, left eye.
template <typename T>
LIVE_DEVICE void live_finish(const unsigned char* picture, const float* residual, const T* base, const T* mouth,
                             const T* eyes, const float* boxes, unsigned char* out, unsigned int count, int size,
                             int flow_height, int flow_width, int side, int mouth_crop, int eye_crop,
                             const Packing& packing) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const int half = size / 2;
    const int bx = static_cast<int>(i % half), by = static_cast<int>((i / half) % half);
    const u64 n = i / (static_cast<unsigned int>(half) * half);
    const u64 area = static_cast<u64>(size) * size;
    const unsigned char* from = picture + n * area * 3;
    const T* network = base + n * side * side * 4;
    unsigned char* frame = out + n * packed_bytes(packing, size, size);
    const Box mouth_box = load_box(boxes, n * 3), right_box = load_box(boxes, n * 3 + 1),
              left_box = load_box(boxes, n * 3 + 2);
    float mean[3] = {0.0f, 0.0f, 0.0f};
    for (int k = 0; k < 4; ++k) {
        const int x = 2 * bx + (k & 1), y = 2 * by + (k >> 1);
        const Neighbours nx = resize_neighbours(x, size, flow_width), ny = resize_neighbours(y, size, flow_height);
        float move[2];
        for (int c = 0; c < 2; ++c) {
            const float* plane = residual + (n * 2 + c) * flow_height * flow_width;
            const float* top = plane + ny.first * flow_width;
            const float* bottom = plane + ny.second * flow_width;
            const float a = load(top + nx.first) * (1.0f - nx.fraction) + load(top + nx.second) * nx.fraction;
            const float b = load(bottom + nx.first) * (1.0f - nx.fraction) + load(bottom + nx.second) * nx.fraction;
            move[c] = a * (1.0f - ny.fraction) + b * ny.fraction;
        }
        const float reach = 0.5f * static_cast<float>(size);
        const Taps taps = make_taps(static_cast<float>(x) + move[0] * reach, static_cast<float>(y) + move[1] * reach,
                                    size, size, 1);
        const Neighbours mx = resize_neighbours(x, size, side), my = resize_neighbours(y, size, side);
        Taps map;
        map.offset[0] = my.first * side + mx.first;
        map.offset[1] = my.first * side + mx.second;
        map.offset[2] = my.second * side + mx.first;
        map.offset[3] = my.second * side + mx.second;
        map.weight[0] = (1.0f - my.fraction) * (1.0f - mx.fraction);
        map.weight[1] = (1.0f - my.fraction) * mx.fraction;
        map.weight[2] = my.fraction * (1.0f - mx.fraction);
        map.weight[3] = my.fraction * mx.fraction;
        float rgb[3];
        for (int c = 0; c < 3; ++c) {
            float under = 0.0f;
            for (int t = 0; t < 4; ++t) under += from[static_cast<u64>(taps.offset[t]) * 3 + c] * taps.weight[t];
            rgb[c] = under + gather(network, map, c, 4, 1) * 127.5f;
        }
        const float px = (static_cast<float>(x) + 0.5f) / static_cast<float>(size);
        const float py = (static_cast<float>(y) + 0.5f) / static_cast<float>(size);
        const unsigned char* pixel = from + (static_cast<u64>(y) * size + x) * 3;
        lay_patch(mouth + n * mouth_crop * mouth_crop * 5, mouth_box, px, py, mouth_crop, pixel, rgb);
        lay_patch(eyes + 2 * n * eye_crop * eye_crop * 5, right_box, px, py, eye_crop, pixel, rgb);
        lay_patch(eyes + (2 * n + 1) * eye_crop * eye_crop * 5, left_box, px, py, eye_crop, pixel, rgb);
        for (int c = 0; c < 3; ++c) {
            rgb[c] = fminf(fmaxf(rgb[c], 0.0f), 255.0f);
            mean[c] += 0.25f * rgb[c];
        }
        pack_pixel(packing, frame, size, x, y, rgb);
    }
    pack_chroma(packing, frame, size, size, bx, by, mean);
}

#define LIVE_FRAME(suffix, T)                                                                                         \
    extern "C" __global__ void live_composite_##suffix(const unsigned char* picture, T* composite, unsigned int count, \
                                                       int picture_side, int side) {                                  \
        live_composite<T>(picture, composite, count, picture_side, side);                                             \
    }                                                                                                                 \
    extern "C" __global__ void live_crops_##suffix(const unsigned char* picture, const float* prior,                  \
                                                   const float* boxes, T* crops, unsigned int count,                  \
                                                   int picture_side, int grid, int crop, int first, int per_image) {  \
        live_crops<T>(picture, prior, boxes, crops, count, picture_side, grid, crop, first, per_image);               \
    }                                                                                                                 \
    extern "C" __global__ void live_base_##suffix(const T* head, T* base, unsigned int count, int side) {             \
        live_base<T>(head, base, count, side);                                                                        \
    }                                                                                                                 \
    extern "C" __global__ void live_patch_##suffix(const T* input, const T* head, const float* window, T* patch,      \
                                                   unsigned int count, int crop, int guide, float gain,               \
                                                   float shown) {                                                     \
        live_patch<T>(input, head, window, patch, count, crop, guide, gain, shown);                                   \
    }                                                                                                                 \
    extern "C" __global__ void live_finish_##suffix(                                                                  \
        const unsigned char* picture, const float* residual, const T* base, const T* mouth, const T* eyes,            \
        const float* boxes, unsigned char* out, unsigned int count, int size, int flow_height, int flow_width,        \
        int side, int mouth_crop, int eye_crop, int format, float kr, float kb) {                                     \
        const Packing packing = {format, kr, kb};                                                                     \
        live_finish<T>(picture, residual, base, mouth, eyes, boxes, out, count, size, flow_height, flow_width, side,  \
                       mouth_crop, eye_crop, packing);                                                                \
    }

LIVE_FRAME(f32, float)
LIVE_FRAME(f16, half_t)
