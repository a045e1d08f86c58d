// The motion prior on the device, the twin of live/render/prior.py, from the rasterised mesh to the displacement of
// every pixel and to what the networks read. Between the steps: rasterise.cu (the mesh) and push_pull.cu (the rim).
#include "face.cuh"
#include "mesh.cuh"

#define HEAD_HALF_WIDTH_CM 9.5f
#define HEAD_ABOVE_CM 14.0f
#define HEAD_BELOW_CM 6.3f
#define STILL_FROM 2.6f
#define SPREAD_CM 7.5f
#define SMOOTH_CM 1.2f
#define BORDER 0.12f
#define RIM_RADIUS 4  // OpenCV's for a Gaussian of one pixel

// `prior.rigid_displacement` at a position in crop sides.
LIVE_DEVICE void rigid_at(const float* frame, float x, float y, float* d) {
    const float* s = frame + FRAME_SIMILARITY;
    const float scale = frame[FRAME_SCALE], cosine = frame[FRAME_ROLL], sine = frame[FRAME_ROLL + 1];
    const float dx = (x - frame[FRAME_OFFSET]) / scale, dy = (y - frame[FRAME_OFFSET + 1]) / scale;
    const float u = (dx * cosine - dy * sine) / HEAD_HALF_WIDTH_CM;
    float v = dx * sine + dy * cosine;
    v /= v < 0.0f ? HEAD_ABOVE_CM : HEAD_BELOW_CM;
    const float t = fminf(fmaxf((sqrtf(u * u + v * v) - STILL_FROM) / (1.0f - STILL_FROM), 0.0f), 1.0f);
    const float fade = t * t * (3.0f - 2.0f * t);
    const float ax = x - s[2], ay = y - s[3];
    d[0] = fade * (s[0] * ax - s[1] * ay + s[4]);
    d[1] = fade * (s[1] * ax + s[0] * ay + s[5]);
}

// Pixel of a batch of square grids.
struct Cell {
    u64 n;
    int x, y;
};
LIVE_DEVICE Cell cell_at(unsigned int i, int side) {
    Cell c;
    c.x = static_cast<int>(i % side);
    c.y = static_cast<int>((i / side) % side);
    c.n = i / (static_cast<unsigned int>(side) * side);
    return c;
}
LIVE_DEVICE float centre(int i, int side) { return (static_cast<float>(i) + 0.5f) / static_cast<float>(side); }

// count = batch * side². What the mesh shows: field (…, 2) displacement to the photo less the rigid one, states (…, 2)
// skin and known, uv (…, 2). source (slots, vertices, 3): x, y in the photo, and how well it is seen there.
extern "C" __global__ void prior_known(const u64* keys, const float* points, int stacked, const int* faces,
                                       const float* source, int vertices, const float* mesh_uv, const int* slots,
                                       const float* frames, float* field, float* states, float* uv, unsigned int count,
                                       int side) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const Cell cell = cell_at(i, side);
    const u64 key = keys[i];
    const u64 at = 2 * static_cast<u64>(i);
    float value[3] = {0.0f, 0.0f, 0.0f}, texture[2] = {0.0f, 0.0f};
    const bool skin = key != NOTHING_DRAWN;
    if (skin) {
        const float extent = static_cast<float>(side);
        const float* mesh = points + cell.n * stacked * 3;
        const Hit hit = hit_at(mesh, faces, static_cast<unsigned int>(key), static_cast<float>(cell.x) + 0.5f,
                               static_cast<float>(cell.y) + 0.5f, extent, extent);
        const float* photo = source + static_cast<u64>(slots[cell.n]) * vertices * 3;
        for (int k = 0; k < 3; ++k) value[k] = at_hit(photo, hit, 3, k);
        for (int k = 0; k < 2; ++k) {
            value[k] -= at_hit(mesh, hit, 3, k);
            texture[k] = at_hit(mesh_uv, hit, 2, k);
        }
    }
    float rigid[2];
    rigid_at(frames + cell.n * FRAME_SIZE, centre(cell.x, side), centre(cell.y, side), rigid);
    for (int k = 0; k < 2; ++k) {
        field[at + k] = value[k] - rigid[k];
        uv[at + k] = texture[k];
    }
    states[at] = skin ? 1.0f : 0.0f;
    states[at + 1] = skin && value[2] > 0.0f ? 1.0f : 0.0f;
}

// count = batch * side². Only the rim of what is known is extended: weight 1 where a known pixel has a neighbour that is
// not. filled: the field again, for push_pull.cu to complete in place.
extern "C" __global__ void prior_rim(const float* field, const float* states, float* filled, float* weight,
                                     unsigned int count, int side) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const Cell cell = cell_at(i, side);
    const float* known = states + cell.n * side * side * 2 + 1;
    float inner = known[2 * (cell.y * side + cell.x)];
    const float own = inner;
    const int dx[4] = {-1, 1, 0, 0}, dy[4] = {0, 0, -1, 1};
    for (int k = 0; k < 4; ++k) {
        const int x = cell.x + dx[k], y = cell.y + dy[k];
        const bool within = x >= 0 && x < side && y >= 0 && y < side;
        inner = fminf(inner, within ? known[2 * (y * side + x)] : 0.0f);
    }
    weight[i] = own - inner;
    for (int k = 0; k < 2; ++k) filled[2 * static_cast<u64>(i) + k] = field[2 * static_cast<u64>(i) + k];
}

// count = batch * side². Distance along the column to the nearest skin, pixels; `side` more than any where there is none.
extern "C" __global__ void prior_columns(const float* states, float* distance, unsigned int count, int side) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const Cell cell = cell_at(i, side);
    const float* skin = states + cell.n * side * side * 2;
    int d = 0;
    for (; d < side; ++d) {
        const int up = cell.y - d, down = cell.y + d;
        if (up >= 0 && skin[2 * (up * side + cell.x)] > 0.0f) break;
        if (down < side && skin[2 * (down * side + cell.x)] > 0.0f) break;
    }
    distance[i] = d < side ? static_cast<float>(d) : 4.0f * static_cast<float>(side);
}

// count = batch * side². map (…, 3): the field, filled where nothing is known, and the distance to the skin, crop sides.
extern "C" __global__ void prior_distance(const float* field, const float* filled, const float* states,
                                          const float* distance, float* map, unsigned int count, int side) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const Cell cell = cell_at(i, side);
    const float* row = distance + i - cell.x;
    float nearest = row[cell.x] * row[cell.x];
    // Further away in the row than the best so far nothing can be nearer.
    for (int d = 1; d < side && static_cast<float>(d * d) < nearest; ++d) {
        const float along = static_cast<float>(d * d);
        if (cell.x - d >= 0) nearest = fminf(nearest, along + row[cell.x - d] * row[cell.x - d]);
        if (cell.x + d < side) nearest = fminf(nearest, along + row[cell.x + d] * row[cell.x + d]);
    }
    const u64 at = 2 * static_cast<u64>(i);
    const float* from = states[at + 1] > 0.0f ? field : filled;
    float* to = map + 3 * static_cast<u64>(i);
    to[0] = from[at];
    to[1] = from[at + 1];
    to[2] = sqrtf(nearest) / static_cast<float>(side);
}

// A weighted mean of `channels` values along a row or column, borders mirrored.
LIVE_DEVICE void blur_line(const float* map, int channels, int place, int length, int stride, float sigma, float* out) {
    const int radius = gauss_radius(sigma);
    float total = 0.0f;
    for (int c = 0; c < channels; ++c) out[c] = 0.0f;
    for (int k = -radius; k <= radius; ++k) {
        const float w = gauss(k, sigma);
        const float* from = map + static_cast<u64>(mirrored(place + k, length)) * stride * channels;
        total += w;
        for (int c = 0; c < channels; ++c) out[c] += w * from[c];
    }
    for (int c = 0; c < channels; ++c) out[c] /= total;
}

// count = batch * side². map (…, 3) blurred along its rows.
extern "C" __global__ void prior_blur(const float* map, const float* frames, float* blurred, unsigned int count,
                                      int side) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const Cell cell = cell_at(i, side);
    const float sigma = SMOOTH_CM * frames[cell.n * FRAME_SIZE + FRAME_SCALE] * static_cast<float>(side);
    blur_line(map + (static_cast<u64>(i) - cell.x) * 3, 3, cell.x, side, 1, sigma, blurred + 3 * static_cast<u64>(i));
}

// count = batch * side². Blurs along the columns too, smooths with it what is filled in, and fades that out far from the
// mesh → field; and the openings → masks (…, 3): mouth, eyes, and head (skin or opening).
extern "C" __global__ void prior_smooth(const float* map, const float* blurred, const float* states,
                                        const float* frames, const float* outlines, const float* layers, float* field,
                                        float* masks, unsigned int count, int side) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const Cell cell = cell_at(i, side);
    const float scale = frames[cell.n * FRAME_SIZE + FRAME_SCALE], extent = static_cast<float>(side);
    float soft[3];
    blur_line(blurred + (cell.n * side * side + cell.x) * 3, 3, cell.y, side, side, SMOOTH_CM * scale * extent, soft);
    const float skin = states[2 * static_cast<u64>(i)];
    const float away = skin > 0.0f ? 0.0f : soft[2];
    const float smooth = smooth_step(away, 0.0f, SMOOTH_CM * scale);
    const float fade = smooth_step(away, SPREAD_CM * scale, 0.0f);
    for (int k = 0; k < 2; ++k) {
        const float own = map[3 * static_cast<u64>(i) + k];
        field[2 * static_cast<u64>(i) + k] = (own + (soft[k] - own) * smooth) * fade;
    }
    float cover[3];
    for (int opening = 0; opening < 3; ++opening) {
        const float* bounds = layers + (cell.n * 3 + opening) * LAYER_SIZE + LAYER_BOUNDS;
        const float x = static_cast<float>(cell.x), y = static_cast<float>(cell.y);
        cover[opening] = 0.0f;
        if (x > bounds[0] * extent - 3.0f && x < bounds[2] * extent + 2.0f && y > bounds[1] * extent - 3.0f &&
            y < bounds[3] * extent + 2.0f)
            cover[opening] = outline_cover(outlines + (cell.n * OUTLINES + outline_start(opening)) * 2,
                                           outline_length(opening), extent, cell.x, cell.y);
    }
    float* to = masks + 3 * static_cast<u64>(i);
    to[0] = cover[0];
    to[1] = fmaxf(cover[1], cover[2]);
    to[2] = fminf(skin + to[0] + to[1], 1.0f);
}

// 0 in the pixels at the border, 1 from BORDER inwards (`grid.border_fade`).
LIVE_DEVICE float border_fade(int x, int y, int side) {
    const float cx = centre(x, side), cy = centre(y, side);
    const float near = fminf(fminf(cx, 1.0f - cx), fminf(cy, 1.0f - cy));
    return smooth_step(near, 0.75f / static_cast<float>(side), BORDER);
}

// count = batch * side². Evens out the head's outline, adds the rigid motion → displacement (…, 2), crop sides.
extern "C" __global__ void prior_finish(const float* field, const float* masks, const float* frames,
                                        float* displacement, unsigned int count, int side) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const Cell cell = cell_at(i, side);
    const u64 image = cell.n * side * side;
    float weights[2 * RIM_RADIUS + 1], total = 0.0f;
    for (int k = -RIM_RADIUS; k <= RIM_RADIUS; ++k) total += weights[k + RIM_RADIUS] = gauss(k, 1.0f);
    float head = 0.0f;
    for (int v = -RIM_RADIUS; v <= RIM_RADIUS; ++v) {
        const float* row = masks + (image + static_cast<u64>(mirrored(cell.y + v, side)) * side) * 3 + 2;
        float sum = 0.0f;
        for (int u = -RIM_RADIUS; u <= RIM_RADIUS; ++u)
            sum += weights[u + RIM_RADIUS] * row[3 * mirrored(cell.x + u, side)];
        head += weights[v + RIM_RADIUS] * sum;
    }
    const float rim = fmaxf(1.0f - fabsf(2.0f * head / (total * total) - 1.0f), 0.0f);
    float soft[2] = {0.0f, 0.0f};
    if (rim > 0.0f) {  // most pixels are far from the outline
        for (int v = -RIM_RADIUS; v <= RIM_RADIUS; ++v) {
            const float* row = field + (image + static_cast<u64>(mirrored(cell.y + v, side)) * side) * 2;
            for (int u = -RIM_RADIUS; u <= RIM_RADIUS; ++u) {
                const float w = weights[v + RIM_RADIUS] * weights[u + RIM_RADIUS] / (total * total);
                const int at = 2 * mirrored(cell.x + u, side);
                soft[0] += w * row[at];
                soft[1] += w * row[at + 1];
            }
        }
    }
    float rigid[2];
    rigid_at(frames + cell.n * FRAME_SIZE, centre(cell.x, side), centre(cell.y, side), rigid);
    const float fade = border_fade(cell.x, cell.y, side);
    for (int k = 0; k < 2; ++k) {
        const float own = field[2 * static_cast<u64>(i) + k];
        displacement[2 * static_cast<u64>(i) + k] = (own + (soft[k] - own) * rim + rigid[k]) * fade;
    }
}

// count = batch * small². Means over (side/small)² pixels → packed (batch, small, small, 8), what the networks read
// (`live_network.inputs.pack_prior`).
extern "C" __global__ void prior_pack(const float* displacement, const float* states, const float* masks,
                                      const float* uv, float* packed, unsigned int count, int side, int small) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const Cell cell = cell_at(i, small);
    const int factor = side / small;
    float sum[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    for (int v = cell.y * factor; v < (cell.y + 1) * factor; ++v) {
        for (int u = cell.x * factor; u < (cell.x + 1) * factor; ++u) {
            const u64 at = (cell.n * side + v) * side + u;
            const float skin = states[2 * at];
            sum[0] += 2.0f * displacement[2 * at];
            sum[1] += 2.0f * displacement[2 * at + 1];
            sum[2] += skin;
            sum[3] += skin - states[2 * at + 1];
            sum[4] += masks[3 * at];
            sum[5] += masks[3 * at + 1];
            sum[6] += (2.0f * uv[2 * at] - 1.0f) * skin;
            sum[7] += (2.0f * uv[2 * at + 1] - 1.0f) * skin;
        }
    }
    const float share = 1.0f / static_cast<float>(factor * factor);
    for (int k = 0; k < 8; ++k) packed[8 * static_cast<u64>(i) + k] = sum[k] * share;
}
