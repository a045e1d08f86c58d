// Draws a face by geometry, the device's twin of live/render/geometric.py from the warp on: skin warped at full
// resolution, eyes (eyes.py) and the inside of the mouth (mouth.py) laid into their openings. One pass over the picture.
#include "face.cuh"
#include "mesh.cuh"

// count = batch * used. Mouth mesh: vertices lit (`MouthLayer._interior`) → window points (batch, used, 3) in pixels of
// the mouth's window at twice the size, colours (batch, used, 3). looks (used, 6): ambient, depth of fade, is tooth,
// normal of the arch. Around each vertex: its faces, face_starts (used + 1) and around.
extern "C" __global__ void mouth_vertices(const float* points, int stacked, const int* used, int used_count,
                                          const int* faces, const int* face_starts, const int* around,
                                          const float* looks, const float* albedo, const int* slots,
                                          const float* frames, const float* layers, float* window, float* colours,
                                          unsigned int count, float extent) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const u64 n = i / used_count;
    const int v = static_cast<int>(i % used_count);
    const float* mesh = points + n * stacked * 3;
    const float* layer = layers + n * 3 * LAYER_SIZE;
    const float* frame = frames + n * FRAME_SIZE;
    const float* own = mesh + 3 * used[v];
    float* to = window + 3 * static_cast<u64>(i);
    if (layer[LAYER_DRAWN] == 0.0f || layer[LAYER_LIKE] >= 1.0f) {  // not a number: the rasteriser leaves it out
        for (int k = 0; k < 3; ++k) to[k] = __uint_as_float(0x7fc00000u);
        return;
    }
    to[0] = 2.0f * (own[0] * extent - layer[LAYER_ORIGIN]);
    to[1] = 2.0f * (own[1] * extent - layer[LAYER_ORIGIN + 1]);
    to[2] = 2.0f * (own[2] * extent);
    float normal[3] = {0.0f, 0.0f, 0.0f};
    for (int k = face_starts[v]; k < face_starts[v + 1]; ++k) {
        const float *a = mesh + 3 * used[faces[3 * around[k]]], *b = mesh + 3 * used[faces[3 * around[k] + 1]],
                    *c = mesh + 3 * used[faces[3 * around[k] + 2]];
        const float ux = b[0] - a[0], uy = a[1] - b[1], uz = b[2] - a[2];
        const float vx = c[0] - a[0], vy = a[1] - c[1], vz = c[2] - a[2];
        normal[0] += uy * vz - uz * vy;
        normal[1] += uz * vx - ux * vz;
        normal[2] += ux * vy - uy * vx;
    }
    const float length = fmaxf(sqrtf(dot3(normal, normal)), 1e-12f);
    const float* look = looks + 6 * v;
    // LIGHT of mouth.py; teeth are lit as one arch.
    float facing = (0.45f * normal[1] + 0.89f * normal[2]) / length;
    if (look[2] != 0.0f) facing = dot3(look + 3, frame + FRAME_ROTATION + 6);
    facing = fminf(fmaxf(facing, 0.0f), 1.0f);
    const float depth = fmaxf(layer[LAYER_FRONT] - own[2], 0.0f) / frame[FRAME_SCALE];
    const float shade = expf(-depth / look[1]) * (look[0] + (1.0f - look[0]) * facing);
    const float* colour = albedo + (static_cast<u64>(slots[n]) * used_count + v) * 3;
    for (int k = 0; k < 3; ++k) colours[3 * static_cast<u64>(i) + k] = colour[k] * shade;
}

// What the mouth's window shows, at twice the picture's size.
struct Interior {
    const u64* keys;
    const float *points, *colours;
    const int* faces;
    const unsigned char* is_tooth;
    int side, reach;
};

LIVE_DEVICE bool tooth_at(const Interior& m, int x, int y) {
    const u64 key = m.keys[static_cast<u64>(y) * m.side + x];
    return key != NOTHING_DRAWN && m.is_tooth[static_cast<unsigned int>(key)] != 0;
}

LIVE_DEVICE void drawn_at(const Interior& m, int x, int y, float* rgb) {
    const u64 key = m.keys[static_cast<u64>(y) * m.side + x];
    const Hit hit = hit_at(m.points, m.faces, static_cast<unsigned int>(key), static_cast<float>(x) + 0.5f,
                           static_cast<float>(y) + 0.5f, 1.0f, 1.0f);
    for (int k = 0; k < 3; ++k) rgb[k] = at_hit(m.colours, hit, 3, k);
}

// Whether (x, y), no tooth itself, lies in a slit of at most 2 reach between two teeth (`MouthLayer._close_gaps`:
// a morphological closing along the row).
LIVE_DEVICE bool in_slit(const Interior& m, int x, int y) {
    const int widest = 2 * m.reach + 1;
    int left = 1, right = 1;
    while (left <= widest && x - left >= 0 && !tooth_at(m, x - left, y)) ++left;
    if (left > widest || x - left < 0) return false;
    while (left + right <= widest && x + right < m.side && !tooth_at(m, x + right, y)) ++right;
    return left + right <= widest && x + right < m.side;
}

LIVE_DEVICE void interior_at(const Interior& m, int x, int y, const float* cavity, float* rgb) {
    const bool empty = m.keys[static_cast<u64>(y) * m.side + x] == NOTHING_DRAWN;
    if (!empty && tooth_at(m, x, y)) {
        drawn_at(m, x, y, rgb);
        return;
    }
    // As in mouth.py, what nothing covers stays the cavity, also between teeth.
    if (!empty && in_slit(m, x, y)) {
        float most[3] = {0.0f, 0.0f, 0.0f};
        for (int u = x - m.reach; u <= x + m.reach; ++u) {
            if (u < 0 || u >= m.side || !tooth_at(m, u, y)) continue;
            float there[3];
            drawn_at(m, u, y, there);
            for (int k = 0; k < 3; ++k) most[k] = fmaxf(most[k], there[k]);
        }
        for (int k = 0; k < 3; ++k) rgb[k] = 0.8f * most[k];
        return;
    }
    if (empty) {
        for (int k = 0; k < 3; ++k) rgb[k] = 0.3f * cavity[k];
        return;
    }
    drawn_at(m, x, y, rgb);
}

// Column-wise second half of window_blur at a pixel of a window.
LIVE_DEVICE float blurred_at(const float* blurred, int which, int x, int y, int side, float sigma) {
    const int radius = gauss_radius(sigma);
    float sum = 0.0f, total = 0.0f;
    for (int k = -radius; k <= radius; ++k) {
        const float w = gauss(k, sigma);
        total += w;
        if (y + k >= 0 && y + k < side) sum += w * blurred[2 * ((y + k) * side + x) + which];
    }
    return sum / total;
}

// blend_patch of warp.py for one pixel: rounded to bytes, as layer upon layer is on the processor.
LIVE_DEVICE void lay(float* rgb, const float* patch, float alpha) {
    for (int k = 0; k < 3; ++k) rgb[k] = floorf(clamp_byte(rgb[k] + (patch[k] - rgb[k]) * alpha) + 0.5f);
}

// `EyeLayer._draw_lashes`: a line of the lashes' width along the upper lid, blurred; shorter lashes at the inner corner.
LIVE_DEVICE void lay_lashes(float* rgb, const float* outline, const float* layer, const float* colour, float extent,
                            float x, float y) {
    const float closed = layer[LAYER_CLOSED], width = layer[LAYER_LASH_WIDTH];
    if (closed < 0.02f) return;
    float nearest = 1e30f;
    for (int i = 0; i < OUTLINE_EYE / 2; ++i) {
        const float ax = outline[2 * i] * extent, ay = outline[2 * i + 1] * extent;
        const float ux = outline[2 * i + 2] * extent - ax, uy = outline[2 * i + 3] * extent - ay;
        const float px = x - ax, py = y - ay;
        const float t = fminf(fmaxf((px * ux + py * uy) / fmaxf(ux * ux + uy * uy, 1e-12f), 0.0f), 1.0f);
        const float qx = px - t * ux, qy = py - t * uy;
        nearest = fminf(nearest, qx * qx + qy * qy);
    }
    const float distance = sqrtf(nearest), sigma = fmaxf(0.5f * width, 0.5f);
    // The line's half width: a whole number of pixels at twice the size, and what anti-aliasing adds.
    const float half = 0.25f * fmaxf(rintf(2.0f * width), 1.0f) + 0.5f * 0.35f;
    const float line = gauss_share((distance + half) / sigma) - gauss_share((distance - half) / sigma);
    const float left = layer[LAYER_COLUMNS], right = layer[LAYER_COLUMNS + 1];
    const float along = (x - left) / (right - left + 1e-6f);
    lay(rgb, colour, line * smooth_step(along, 1.0f, 0.55f) * 0.75f * closed);  // LASH_STRENGTH
}

// `EyeLayer._draw_one` for one pixel.
LIVE_DEVICE void lay_eye(float* rgb, const half_t* eye, const float* layer, const float* avatar, int which,
                         const float* blurred, int window, float extent, int x, int y) {
    const int wx = x - static_cast<int>(layer[LAYER_ORIGIN]), wy = y - static_cast<int>(layer[LAYER_ORIGIN + 1]);
    const float alpha = blurred_at(blurred, 0, wx, wy, window, layer[LAYER_EDGE_SIGMA]);
    if (alpha < 1e-4f || layer[LAYER_COMPOSED] == 0.0f) return;
    const float ax = (static_cast<float>(x) + 0.5f) / extent - layer[LAYER_AWAY];
    const float ay = (static_cast<float>(y) + 0.5f) / extent - layer[LAYER_AWAY + 1];
    const float* m = layer + LAYER_MATRIX;
    const float px = ax * m[0] + ay * m[1] + layer[LAYER_START], py = ax * m[2] + ay * m[3] + layer[LAYER_START + 1];
    const int width = static_cast<int>(avatar[AVATAR_EYES_SIZE + 2 * which]);
    const int height = static_cast<int>(avatar[AVATAR_EYES_SIZE + 2 * which + 1]);
    const Taps here = make_taps(px, py, width, height, 1), seen = make_taps(px, py, width, height, 0);
    const Taps there = make_taps(px - layer[LAYER_SHIFT], py - layer[LAYER_SHIFT + 1], width, height, 0);
    const float iris = gather(eye, there, 9, EYE_CHANNELS, 1), known = gather(eye, seen, 10, EYE_CHANNELS, 1);
    const float shadow = blurred_at(blurred, 1, wx, wy, window, layer[LAYER_SHADOW_SIGMA]);
    const float light = 1.0f - 0.3f * (1.0f - smooth_step(shadow, 0.2f, 0.9f));  // LID_SHADOW
    const float keep = smooth_step(known, 0.3f, 0.7f) * layer[LAYER_KEEP];
    float photo[3] = {0.0f, 0.0f, 0.0f}, patch[3];
    if (keep > 0.0f) sample_cubic(eye, width, height, EYE_CHANNELS, px, py, photo);
    for (int k = 0; k < 3; ++k) {
        const float white = gather(eye, here, 3 + k, EYE_CHANNELS, 1);
        const float composed = (white * (1.0f - iris) + gather(eye, there, 6 + k, EYE_CHANNELS, 1)) * light;
        patch[k] = composed + (photo[k] - composed) * keep;
    }
    lay(rgb, patch, alpha);
}

// `MouthLayer.draw` for one pixel; (px, py): where the pixel comes from in the portrait.
LIVE_DEVICE void lay_mouth(float* rgb, const Interior& mouth, const half_t* teeth, const unsigned char* portrait,
                           const float* layer, const float* avatar, const float* blurred, int window, float extent,
                           int side, int x, int y, float px, float py) {
    const int wx = x - static_cast<int>(layer[LAYER_ORIGIN]), wy = y - static_cast<int>(layer[LAYER_ORIGIN + 1]);
    const float alpha = blurred_at(blurred, 0, wx, wy, window, layer[LAYER_EDGE_SIGMA]);
    if (alpha < 1e-4f) return;
    const float like = layer[LAYER_LIKE];
    float inside[3] = {0.0f, 0.0f, 0.0f};
    if (like < 1.0f) {
        for (int k = 0; k < 4; ++k) {
            float part[3];
            interior_at(mouth, 2 * wx + (k & 1), 2 * wy + (k >> 1), avatar + AVATAR_CAVITY, part);
            for (int c = 0; c < 3; ++c) inside[c] += 0.25f * part[c];
        }
        const int drop = static_cast<int>(layer[LAYER_DROP]);
        const float sigma = layer[LAYER_SHADOW_SIGMA];
        const float near = blurred_at(blurred, 1, wx, wy, window, sigma);
        // Darker under the upper lip, which keeps out the light from above; above the box there is none.
        const bool within = y - drop >= static_cast<int>(layer[LAYER_BOX + 1]);
        const float above = within ? blurred_at(blurred, 1, wx, wy - drop, window, sigma) : 0.0f;
        const float shade = 1.0f - 0.3f * (1.0f - smooth_step(fminf(near, above), 0.25f, 0.95f));  // LIP_SHADOW
        for (int c = 0; c < 3; ++c) inside[c] *= shade;
        if (avatar[AVATAR_TEETH_SHOWN] != 0.0f) {
            const float u = (static_cast<float>(x) + 0.5f) / extent, v = (static_cast<float>(y) + 0.5f) / extent;
            const float* a = layer + LAYER_AFFINE;
            const float tx = a[0] * u + a[1] * v + a[2], ty = a[3] * u + a[4] * v + a[5];
            const int width = static_cast<int>(avatar[AVATAR_TEETH_SIZE]);
            const int height = static_cast<int>(avatar[AVATAR_TEETH_SIZE + 1]);
            const float share = gather(teeth, make_taps(tx, ty, width, height, 0), 3, TEETH_CHANNELS, 1);
            if (share > 0.0f) {
                float colour[3];
                sample_cubic(teeth, width, height, TEETH_CHANNELS, tx, ty, colour);
                for (int c = 0; c < 3; ++c) inside[c] += (colour[c] - inside[c]) * share;
            }
        }
    }
    if (like > 0.0f) {
        float photo[3];
        sample_cubic(portrait, side, side, 3, px, py, photo);
        for (int c = 0; c < 3; ++c) {
            photo[c] = floorf(clamp_byte(photo[c]) + 0.5f);
            inside[c] += (photo[c] - inside[c]) * like;
        }
    }
    lay(rgb, inside, alpha);
}

LIVE_DEVICE bool in_box(const float* layer, int x, int y) {
    const float* box = layer + LAYER_BOX;
    const float fx = static_cast<float>(x), fy = static_cast<float>(y);
    return layer[LAYER_DRAWN] != 0.0f && fx >= box[0] && fy >= box[1] && fx < box[2] && fy < box[3];
}

// What a picture is drawn from. displacement (batch, grid, grid, 2); skins and portraits uint8 (slots, side, side, 3),
// the portrait without and with its openings; eyes (slots, 2, eye_values) and teeth (slots, teeth_values) pictures of
// their own; keys, window points and colours of the mouth.
struct Drawing {
    const float* displacement;
    const unsigned char *skins, *portraits;
    const half_t *eyes, *teeth;
    int eye_values, teeth_values;
    const u64* keys;
    const float *window_points, *colours;
    int used_count;
    const int* faces;
    const unsigned char* is_tooth;
    const float *blurred, *outlines, *layers, *avatars;
    const int* slots;
    int size, grid, side;
    Windows windows;
};

// Pixel (x, y) of picture n, 0…255, not yet rounded.
LIVE_DEVICE void face_pixel(const Drawing& d, u64 n, int x, int y, float* rgb) {
    const u64 slot = static_cast<u64>(d.slots[n]);
    const int size = d.size, grid = d.grid, side = d.side;
    const float extent = static_cast<float>(size);
    const float* avatar = d.avatars + slot * AVATAR_SIZE;
    const float* rows = d.layers + n * 3 * LAYER_SIZE;
    // The displacement is enlarged, not the position: the position's ramp would flatten at the border.
    const Neighbours nx = resize_neighbours(x, size, grid), ny = resize_neighbours(y, size, grid);
    const float* map = d.displacement + n * grid * grid * 2;
    float at[2];
    for (int k = 0; k < 2; ++k) {
        const float top = map[2 * (ny.first * grid + nx.first) + k] * (1.0f - nx.fraction) +
                          map[2 * (ny.first * grid + nx.second) + k] * nx.fraction;
        const float bottom = map[2 * (ny.second * grid + nx.first) + k] * (1.0f - nx.fraction) +
                             map[2 * (ny.second * grid + nx.second) + k] * nx.fraction;
        const float move = top * (1.0f - ny.fraction) + bottom * ny.fraction;
        const float own = (static_cast<float>(k == 0 ? x : y) + 0.5f) / extent;
        at[k] = (own + move) * static_cast<float>(side) - 0.5f;
    }
    const u64 area = static_cast<u64>(side) * side * 3;
    sample_cubic(d.skins + slot * area, side, side, 3, at[0], at[1], rgb);
    for (int k = 0; k < 3; ++k) rgb[k] = floorf(clamp_byte(rgb[k]) + 0.5f);
    const u64 window = n * windows_size(d.windows);
    for (int which = 0; which < 2; ++which) {
        const float* layer = rows + (1 + which) * LAYER_SIZE;
        if (!in_box(layer, x, y)) continue;
        lay_lashes(rgb, d.outlines + (n * OUTLINES + outline_start(1 + which)) * 2, layer,
                   avatar + AVATAR_EYES_LASH + 3 * which, extent, static_cast<float>(x) + 0.5f,
                   static_cast<float>(y) + 0.5f);
        lay_eye(rgb, d.eyes + (2 * slot + which) * d.eye_values, layer, avatar, which,
                d.blurred + 2 * (window + window_start(d.windows, 1 + which)), d.windows.eye, extent, x, y);
    }
    if (in_box(rows, x, y)) {
        const u64 sampled = 4 * static_cast<u64>(d.windows.mouth) * d.windows.mouth;
        const u64 corner = n * d.used_count * 3;
        const Interior mouth = {d.keys + n * sampled, d.window_points + corner, d.colours + corner, d.faces,
                                d.is_tooth,           2 * d.windows.mouth, static_cast<int>(rows[LAYER_REACH])};
        lay_mouth(rgb, mouth, d.teeth + slot * d.teeth_values, d.portraits + slot * area, rows, avatar,
                  d.blurred + 2 * window, d.windows.mouth, extent, side, x, y, at[0], at[1]);
    }
}

#define DRAWING_PARAMETERS                                                                                            \
    const float *displacement, const unsigned char *skins, const unsigned char *portraits, const half_t *eyes,        \
        int eye_values, const half_t *teeth, int teeth_values, const u64 *keys, const float *window_points,           \
        const float *colours, int used_count, const int *faces, const unsigned char *is_tooth, const float *blurred,  \
        const float *outlines, const float *layers, const float *avatars, const int *slots, unsigned char *picture,   \
        unsigned int count, int size, int grid, int side, int mouth_window, int eye_window
#define DRAWING                                                                                                       \
    {displacement, skins,     portraits, eyes,  teeth,    eye_values, teeth_values, keys, window_points, colours,     \
     used_count,   faces,     is_tooth,  blurred, outlines, layers,   avatars,      slots, size,         grid,        \
     side,         {mouth_window, eye_window}}

// count = batch * size² → picture uint8 (batch, size, size, 3).
extern "C" __global__ void face_picture(DRAWING_PARAMETERS) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const Drawing drawing = DRAWING;
    float rgb[3];
    face_pixel(drawing, i / (static_cast<unsigned int>(size) * size), static_cast<int>(i % size),
               static_cast<int>((i / size) % size), rgb);
    unsigned char* to = picture + static_cast<u64>(i) * 3;
    for (int k = 0; k < 3; ++k) to[k] = to_byte(rgb[k]);
}

// count = batch * (size/2)², the same as an encoder takes it: each thread makes a 2×2 block, which shares its chroma.
extern "C" __global__ void face_frame(DRAWING_PARAMETERS, int format, float kr, float kb) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const Drawing drawing = DRAWING;
    const Packing packing = {format, kr, kb};
    const int half = size / 2;
    const int bx = static_cast<int>(i % half), by = static_cast<int>((i / half) % half);
    const u64 n = i / (static_cast<unsigned int>(half) * half);
    unsigned char* frame = picture + n * packed_bytes(packing, size, size);
    float mean[3] = {0.0f, 0.0f, 0.0f};
    for (int k = 0; k < 4; ++k) {
        const int x = 2 * bx + (k & 1), y = 2 * by + (k >> 1);
        float rgb[3];
        face_pixel(drawing, n, x, y, rgb);
        for (int c = 0; c < 3; ++c) {
            rgb[c] = clamp_byte(rgb[c]);
            mean[c] += 0.25f * rgb[c];
        }
        pack_pixel(packing, frame, size, x, y, rgb);
    }
    pack_chroma(packing, frame, size, size, bx, by, mean);
}
