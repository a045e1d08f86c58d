// The openings of a face, mouth and eyes: their outlines as smooth polygons, what a frame's layers need to know, and
// their anti-aliased masks. Twin of live/render/opening.py and of what eyes.py and mouth.py prepare per frame.
#include "face.cuh"

#define OPENINGS 3
#define RING_MOST 20

// Block-wide scratch of one opening.
struct Ring {
    float x[RING_MOST], y[RING_MOST];  // edge points; where both edges crossed they meet half-way
    float gap[RING_MOST];
    float across_x, across_y;
    float outline_x[OUTLINE_MOUTH], outline_y[OUTLINE_MOUTH];
    float change[RING_MOST];
    float depth[256];
};

// Point k of a row of `count` with its end points mirrored outwards.
LIVE_DEVICE float spline_value(const float* v, const int* order, int count, int k) {
    if (k < 0) return 2.0f * v[order[0]] - v[order[1]];
    if (k >= count) return 2.0f * v[order[count - 1]] - v[order[count - 2]];
    return v[order[k]];
}

LIVE_DEVICE float catmull_rom(float p0, float p1, float p2, float p3, float t) {
    return 0.5f * (2.0f * p1 + (p2 - p0) * t + (2.0f * p0 - 5.0f * p1 + 4.0f * p2 - p3) * t * t +
                   (3.0f * p1 - p0 - 3.0f * p2 + p3) * t * t * t);
}

// Corner i of the outline around a ring of `length` points, four per edge point.
LIVE_DEVICE void outline_corner(const Ring& ring, int length, int i, float* x, float* y) {
    const int half = length / 2, segment = i / 4;
    const float t = 0.25f * static_cast<float>(i % 4);
    int order[RING_MOST / 2 + 1];
    for (int k = 0; k <= half; ++k) order[k] = segment < half ? k : (half + k) % length;
    const int s = segment % half;
    float vx[4], vy[4];
    for (int k = 0; k < 4; ++k) {
        vx[k] = spline_value(ring.x, order, half + 1, s - 1 + k);
        vy[k] = spline_value(ring.y, order, half + 1, s - 1 + k);
    }
    *x = catmull_rom(vx[0], vx[1], vx[2], vx[3], t);
    *y = catmull_rom(vy[0], vy[1], vy[2], vy[3], t);
}

LIVE_DEVICE float clamp_float(float v, float low, float high) { return fminf(fmaxf(v, low), high); }

// Box, window and bounds of a layer; false when there is nothing to draw.
LIVE_DEVICE bool layer_box(const Ring& ring, int corners, float extent, float margin, int window, float* layer) {
    float low_x = 1e30f, low_y = 1e30f, high_x = -1e30f, high_y = -1e30f;
    for (int i = 0; i < corners; ++i) {
        low_x = fminf(low_x, ring.outline_x[i]);
        high_x = fmaxf(high_x, ring.outline_x[i]);
        low_y = fminf(low_y, ring.outline_y[i]);
        high_y = fmaxf(high_y, ring.outline_y[i]);
    }
    layer[LAYER_BOUNDS] = low_x;
    layer[LAYER_BOUNDS + 1] = low_y;
    layer[LAYER_BOUNDS + 2] = high_x;
    layer[LAYER_BOUNDS + 3] = high_y;
    const float left = clamp_float(floorf(low_x * extent) - margin, 0.0f, extent);
    const float top = clamp_float(floorf(low_y * extent) - margin, 0.0f, extent);
    const float right = clamp_float(ceilf(high_x * extent) + margin, 0.0f, extent);
    const float bottom = clamp_float(ceilf(high_y * extent) + margin, 0.0f, extent);
    // A box that is larger than the window keeps its middle.
    const float side = static_cast<float>(window);
    const float window_x = right - left > side ? floorf(0.5f * (left + right - side)) : left;
    const float window_y = bottom - top > side ? floorf(0.5f * (top + bottom - side)) : top;
    layer[LAYER_ORIGIN] = window_x;
    layer[LAYER_ORIGIN + 1] = window_y;
    layer[LAYER_BOX] = fmaxf(left, window_x);
    layer[LAYER_BOX + 1] = fmaxf(top, window_y);
    layer[LAYER_BOX + 2] = fminf(right, window_x + side);
    layer[LAYER_BOX + 3] = fminf(bottom, window_y + side);
    const bool drawn = right - left >= 2.0f && bottom - top >= 2.0f;
    layer[LAYER_DRAWN] = drawn ? 1.0f : 0.0f;
    return drawn;
}

// mouth.py: `_likeness`, `_lip_shadow`, `_lay_photo_teeth` (the plane of the teeth) and `_close_gaps`, per frame.
LIVE_DEVICE void mouth_row(const Ring& ring, const float* frame, const float* avatar, float extent, float side,
                           float front, float* layer) {
    const float scale = frame[FRAME_SCALE];
    float change = 0.0f;
    for (int k = 0; k < 20; ++k) change = fmaxf(change, ring.change[k]);
    layer[LAYER_LIKE] = smooth_step(change, 0.25f, 0.05f);  // SAME_MOUTH_CM
    layer[LAYER_FRONT] = front;
    layer[LAYER_EDGE_SIGMA] = fmaxf(extent / 700.0f, 0.5f);
    const float reach = fmaxf(0.22f * scale * extent, 0.7f);
    layer[LAYER_SHADOW_SIGMA] = reach;
    layer[LAYER_DROP] = fminf(rintf(0.5f * reach), extent);
    // GAP_CM, at twice the size; bounded, since pixels are searched so far.
    layer[LAYER_REACH] = fminf(fmaxf(rintf(0.06f * scale * extent * 2.0f), 1.0f), 64.0f);
    // Least squares from driven to photo of points whose covariance is known: (Σ a a')⁻¹ Σ a b'.
    const Axes after = picture_axes(frame + FRAME_ROTATION, scale);
    const Axes before = picture_axes(avatar + AVATAR_SOURCE_ROTATION, avatar[AVATAR_SOURCE_SCALE]);
    const float *mean = avatar + AVATAR_TEETH_MEAN, *spread = avatar + AVATAR_TEETH_SPREAD;
    const float xx = spread_between(after.x, spread, after.x), xy = spread_between(after.x, spread, after.y);
    const float yy = spread_between(after.y, spread, after.y), determinant = xx * yy - xy * xy;
    const float inverse = determinant > 0.0f ? 1.0f / determinant : 0.0f;
    const float middle_x = dot3(after.x, mean) + frame[FRAME_OFFSET];
    const float middle_y = dot3(after.y, mean) + frame[FRAME_OFFSET + 1];
    for (int k = 0; k < 2; ++k) {
        const float* axis = k == 0 ? before.x : before.y;
        const float bx = spread_between(after.x, spread, axis), by = spread_between(after.y, spread, axis);
        const float ax = (yy * bx - xy * by) * inverse, ay = (xx * by - xy * bx) * inverse;
        const float middle = dot3(axis, mean) + avatar[AVATAR_SOURCE_OFFSET + k];
        float* row = layer + LAYER_AFFINE + 3 * k;
        row[0] = ax * side;
        row[1] = ay * side;
        row[2] = (middle - ax * middle_x - ay * middle_y) * side - avatar[AVATAR_TEETH_ORIGIN + k] - 0.5f;
    }
}

// eyes.py: `_draw_one` and `_draw_lashes` up to their pixels.
LIVE_DEVICE void eye_row(const Ring& ring, const float* corners, int eye, const float* frame, const float* avatar,
                         const float* motion, const int* looks, float extent, float side, float* layer) {
    const float scale = frame[FRAME_SCALE], own = avatar[AVATAR_SOURCE_SCALE];
    layer[LAYER_EDGE_SIGMA] = fmaxf(extent / 640.0f, 0.5f);
    const float ax = corners[2] - corners[0], ay = corners[3] - corners[1], length = ax * ax + ay * ay;
    const float width = sqrtf(length);
    float gap = 0.0f;
    for (int k = 1; k < 8; ++k) gap = fmaxf(gap, ring.gap[k]);
    const float aperture = gap / fmaxf(width, 1e-6f);
    layer[LAYER_CLOSED] = smooth_step(aperture / fmaxf(avatar[AVATAR_EYES_APERTURE + eye], 0.05f), 0.5f, 0.05f);
    layer[LAYER_LASH_WIDTH] = 0.10f * scale * extent;  // LASH_CM
    layer[LAYER_COLUMNS] = corners[0] * extent;
    layer[LAYER_COLUMNS + 1] = corners[2] * extent;
    layer[LAYER_COMPOSED] = length < 1e-8f ? 0.0f : 1.0f;
    layer[LAYER_SHADOW_SIGMA] = fmaxf(0.05f * width * extent, 0.6f);
    const float* old = avatar + AVATAR_EYES_CORNERS + 4 * eye;
    const float bx = old[2] - old[0], by = old[3] - old[1];
    const float before = fmaxf(sqrtf(bx * bx + by * by), 1e-12f), after = fmaxf(width, 1e-12f);
    const float ratio = own / scale, square = fmaxf(length, 1e-12f);
    const float mx = -by / before, my = bx / before, nx = -ay / after, ny = ax / after;  // across each line
    float* matrix = layer + LAYER_MATRIX;
    matrix[0] = (bx * ax / square + ratio * mx * nx) * side;
    matrix[1] = (bx * ay / square + ratio * mx * ny) * side;
    matrix[2] = (by * ax / square + ratio * my * nx) * side;
    matrix[3] = (by * ay / square + ratio * my * ny) * side;
    for (int k = 0; k < 2; ++k) {
        layer[LAYER_AWAY + k] = 0.5f * (corners[k] + corners[2 + k]);
        layer[LAYER_START + k] = 0.5f * (old[k] + old[2 + k]) * side - avatar[AVATAR_EYES_ORIGIN + 2 * eye + k] - 0.5f;
    }
    float look[4];
    for (int k = 0; k < 4; ++k) look[k] = motion[looks[4 * eye + k]] - avatar[AVATAR_EYES_LOOK + 4 * eye + k];
    const float shift_x = 0.62f * (look[0] - look[1]), shift_y = 0.42f * (look[3] - look[2]);  // LOOK_CM
    layer[LAYER_SHIFT] = shift_x * own * side;
    layer[LAYER_SHIFT + 1] = shift_y * own * side;
    const float moved = sqrtf(shift_x * shift_x + shift_y * shift_y);
    layer[LAYER_KEEP] = 1.0f - smooth_step(moved, 0.015f, 0.1f);  // SAME_GAZE_CM
}

// One block of 256 threads per image and opening; count = batch * 3 * 256. points (batch, stacked, 3) → outlines
// (batch, OUTLINES, 2) in crop sides, layers (batch, 3, LAYER_SIZE). extent: side of the picture; side: of the portrait.
extern "C" __global__ void face_outlines(const float* points, int stacked, const int* index, const int* teeth,
                                         int tooth_count, const float* motion, const int* slots, const float* avatars,
                                         const float* frames, float* outlines, float* layers, float extent, float side,
                                         int mouth_window, int eye_window) {
    __shared__ Ring ring;
    const int opening = static_cast<int>(blockIdx.x % OPENINGS), t = static_cast<int>(threadIdx.x);
    const u64 n = blockIdx.x / OPENINGS;
    const int length = opening == 0 ? 20 : 16, half = length / 2;
    const int* numbers = index + (opening == 0 ? INDEX_MOUTH_RING : opening == 1 ? INDEX_RIGHT_RING : INDEX_LEFT_RING);
    const float* mesh = points + n * stacked * 3;
    const float* frame = frames + n * FRAME_SIZE;
    const float* avatar = avatars + static_cast<u64>(slots[n]) * AVATAR_SIZE;
    float* layer = layers + (n * OPENINGS + opening) * LAYER_SIZE;
    if (t < length) {
        const float* p = mesh + 3 * numbers[t];
        ring.x[t] = p[0];
        ring.y[t] = p[1];
        if (opening == 0) {
            // How far the lip is from where it was in the photo, seen from the front teeth, cm.
            const float* r = frame + FRAME_ROTATION;
            const float scale = frame[FRAME_SCALE];
            const float* mean = avatar + AVATAR_TEETH_MEAN;
            const float away[3] = {p[0] - (scale * dot3(r, mean) + frame[FRAME_OFFSET]),
                                   p[1] - (frame[FRAME_OFFSET + 1] - scale * dot3(r + 3, mean)),
                                   p[2] - scale * dot3(r + 6, mean)};
            float most = 0.0f;
            for (int k = 0; k < 2; ++k) {
                const float head = (away[0] * r[k] - away[1] * r[3 + k] + away[2] * r[6 + k]) / scale;
                most = fmaxf(most, fabsf(head - avatar[AVATAR_LIPS_BEFORE + 2 * t + k]));
            }
            ring.change[t] = most;
        }
    }
    float depth = -1e30f;
    if (opening == 0)
        for (int k = t; k < tooth_count; k += 256) depth = fmaxf(depth, mesh[3 * teeth[k] + 2]);
    ring.depth[t] = depth;
    __syncthreads();
    if (t == 0) {
        const float lx = ring.x[half] - ring.x[0], ly = ring.y[half] - ring.y[0], line = sqrtf(lx * lx + ly * ly);
        const float ax = line < 1e-9f ? 0.0f : -ly / line, ay = line < 1e-9f ? 1.0f : lx / line;
        ring.across_x = ay >= 0.0f ? ax : -ax;
        ring.across_y = ay >= 0.0f ? ay : -ay;
    }
    for (int step = 128; step > 0; step >>= 1) {
        __syncthreads();
        if (t < step) ring.depth[t] = fmaxf(ring.depth[t], ring.depth[t + step]);
    }
    __syncthreads();
    float corners[4];  // kept before crossed edges are moved: the corners themselves never are
    corners[0] = ring.x[0];
    corners[1] = ring.y[0];
    corners[2] = ring.x[half];
    corners[3] = ring.y[half];
    if (t >= 1 && t < half) {
        const int other = length - t;
        const float gap = (ring.x[other] - ring.x[t]) * ring.across_x + (ring.y[other] - ring.y[t]) * ring.across_y;
        const float crossed = 0.5f * fminf(gap, 0.0f);
        ring.gap[t] = gap;
        ring.x[t] += crossed * ring.across_x;
        ring.y[t] += crossed * ring.across_y;
        ring.x[other] -= crossed * ring.across_x;
        ring.y[other] -= crossed * ring.across_y;
    }
    __syncthreads();
    const int count = outline_length(opening);
    if (t < count) {
        float x, y;
        outline_corner(ring, length, t, &x, &y);
        ring.outline_x[t] = x;
        ring.outline_y[t] = y;
        float* to = outlines + (n * OUTLINES + outline_start(opening) + t) * 2;
        to[0] = x;
        to[1] = y;
    }
    __syncthreads();
    if (t != 0) return;
    for (int k = 0; k < LAYER_SIZE; ++k) layer[k] = 0.0f;
    const bool drawn = layer_box(ring, count, extent, opening == 0 ? 4.0f : 6.0f, opening == 0 ? mouth_window : eye_window,
                                 layer);
    if (opening == 0) {
        mouth_row(ring, frame, avatar, extent, side, ring.depth[0], layer);
        return;
    }
    eye_row(ring, corners, opening - 1, frame, avatar, motion + n * MOTION_VALUES, index + INDEX_LOOKS, extent, side,
            layer);
    if (!drawn || avatar[AVATAR_EYES_SHOWN + opening - 1] == 0.0f) layer[LAYER_DRAWN] = 0.0f;
}

// count = batch * (mouth_window² + 2 eye_window²): how much of each pixel of the layers' windows the opening covers.
extern "C" __global__ void window_masks(const float* outlines, const float* layers, float* masks, unsigned int count,
                                        float extent, int mouth_window, int eye_window) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const WindowPixel at = window_pixel({mouth_window, eye_window}, i);
    const float* layer = layers + (at.n * OPENINGS + at.opening) * LAYER_SIZE;
    const float x = static_cast<float>(at.x) + layer[LAYER_ORIGIN];
    const float y = static_cast<float>(at.y) + layer[LAYER_ORIGIN + 1];
    const float* bounds = layer + LAYER_BOUNDS;
    float cover = 0.0f;
    if (layer[LAYER_DRAWN] != 0.0f && x > bounds[0] * extent - 3.0f && x < bounds[2] * extent + 2.0f &&
        y > bounds[1] * extent - 3.0f && y < bounds[3] * extent + 2.0f)
        cover = outline_cover(outlines + (at.n * OUTLINES + outline_start(at.opening)) * 2,
                              outline_length(at.opening), extent, static_cast<int>(x), static_cast<int>(y));
    masks[i] = cover;
}

// The same count: the masks blurred along their rows, narrowly for the layer's edge and widely for the shadow on it →
// (batch, windows, 2). What lies outside a window is not covered.
extern "C" __global__ void window_blur(const float* masks, const float* layers, float* blurred, unsigned int count,
                                       int mouth_window, int eye_window) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const WindowPixel at = window_pixel({mouth_window, eye_window}, i);
    const float* layer = layers + (at.n * OPENINGS + at.opening) * LAYER_SIZE;
    const int x = at.x;
    const float* row = masks + i - x;
    for (int s = 0; s < 2; ++s) {
        float sum = 0.0f;
        if (layer[LAYER_DRAWN] != 0.0f) {
            const float sigma = layer[s == 0 ? LAYER_EDGE_SIGMA : LAYER_SHADOW_SIGMA];
            const int radius = gauss_radius(sigma);
            float total = 0.0f;
            for (int k = -radius; k <= radius; ++k) {
                const float w = gauss(k, sigma);
                total += w;
                if (x + k >= 0 && x + k < at.side) sum += w * row[x + k];
            }
            sum /= total;
        }
        blurred[2 * static_cast<u64>(i) + s] = sum;
    }
}
