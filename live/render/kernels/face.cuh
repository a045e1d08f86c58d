// Shared by the kernels that draw a face by geometry: ramps, Gaussian weights, cubic sampling, outlines.
#ifndef LIVE_FACE_CUH
#define LIVE_FACE_CUH
#include "common.cuh"
#include "tables.h"

// Cubic ramp, 0 at `zero` and beyond, 1 at `one` and beyond.
LIVE_DEVICE float smooth_step(float value, float zero, float one) {
    const float t = fminf(fmaxf((value - zero) / (one - zero), 0.0f), 1.0f);
    return t * t * (3.0f - 2.0f * t);
}

LIVE_DEVICE float dot3(const float* a, const float* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// x'·S·y with S symmetric (xx, xy, xz, yy, yz, zz).
LIVE_DEVICE float spread_between(const float* x, const float* s, const float* y) {
    return x[0] * (s[0] * y[0] + s[1] * y[1] + s[2] * y[2]) + x[1] * (s[1] * y[0] + s[3] * y[1] + s[4] * y[2]) +
           x[2] * (s[2] * y[0] + s[4] * y[1] + s[5] * y[2]);
}

// The two rows that turn head coordinates (y up) into the picture (y down).
struct Axes {
    float x[3], y[3];
};
LIVE_DEVICE Axes picture_axes(const float* rotation, float scale) {
    Axes axes;
    for (int k = 0; k < 3; ++k) {
        axes.x[k] = rotation[k] * scale;
        axes.y[k] = -rotation[3 + k] * scale;
    }
    return axes;
}

// OpenCV's radius of a Gaussian kernel for float pictures. Bounded: whatever motion a session hands in, the card that all
// share must not be kept busy by it (also with NaN, for which fminf takes the bound).
#define WIDEST_SIGMA 100.0f
LIVE_DEVICE int gauss_radius(float sigma) {
    return (static_cast<int>(rintf(fminf(sigma, WIDEST_SIGMA) * 8.0f + 1.0f)) | 1) / 2;
}
LIVE_DEVICE float gauss(int k, float sigma) {
    const float t = static_cast<float>(k) / sigma;
    return expf(-0.5f * t * t);
}

// Mirrored without repeating the outermost value, as OpenCV's default border; any distance outside.
LIVE_DEVICE int mirrored(int i, int length) {
    if (length == 1) return 0;
    const int period = 2 * (length - 1);
    i = (i < 0 ? -i : i) % period;
    return i < length ? i : period - i;
}

// Share of a Gaussian below `t` standard deviations.
LIVE_DEVICE float gauss_share(float t) { return 0.5f * (1.0f + erff(t * 0.70710678f)); }

// Four cubic weights (Keys, a = −3/4, as OpenCV has them) for a position `t` of 0…1 between the middle two.
LIVE_DEVICE void cubic_weights(float t, float* w) {
    const float a = -0.75f, u = t + 1.0f, v = 1.0f - t;
    w[0] = ((a * u - 5.0f * a) * u + 8.0f * a) * u - 4.0f * a;
    w[1] = ((a + 2.0f) * t - (a + 3.0f)) * t * t + 1.0f;
    w[2] = ((a + 2.0f) * v - (a + 3.0f)) * v * v + 1.0f;
    w[3] = 1.0f - w[0] - w[1] - w[2];
}

// Cubic sampling of the first three of `stride` interleaved channels at pixel indices (x, y); the border is repeated.
template <typename T>
LIVE_DEVICE void sample_cubic(const T* image, int width, int height, int stride, float x, float y, float* rgb) {
    x = fminf(fmaxf(x, -2.0f), static_cast<float>(width) + 1.0f);  // NaN becomes −2; further out all is border
    y = fminf(fmaxf(y, -2.0f), static_cast<float>(height) + 1.0f);
    const float left = floorf(x), top = floorf(y);
    float wx[4], wy[4];
    cubic_weights(x - left, wx);
    cubic_weights(y - top, wy);
    const int x0 = static_cast<int>(left) - 1, y0 = static_cast<int>(top) - 1;
    rgb[0] = rgb[1] = rgb[2] = 0.0f;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
        const int v = y0 + j < 0 ? 0 : (y0 + j > height - 1 ? height - 1 : y0 + j);
        const T* row = image + static_cast<u64>(v) * width * stride;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int u = x0 + i < 0 ? 0 : (x0 + i > width - 1 ? width - 1 : x0 + i);
            const float w = wx[i] * wy[j];
#pragma unroll
            for (int c = 0; c < 3; ++c) rgb[c] += w * load(row + u * stride + c);
        }
    }
}

// Signed distance of a point to a closed outline, positive inside, in the unit that `extent` makes of crop sides.
LIVE_DEVICE float outline_distance(const float* outline, int corners, float extent, float x, float y) {
    float nearest = 1e30f;
    bool inside = false;
    float ax = load(outline + 2 * (corners - 1)) * extent, ay = load(outline + 2 * (corners - 1) + 1) * extent;
    for (int i = 0; i < corners; ++i) {
        const float bx = load(outline + 2 * i) * extent, by = load(outline + 2 * i + 1) * extent;
        const float ux = bx - ax, uy = by - ay, px = x - ax, py = y - ay;
        const float length = ux * ux + uy * uy;
        const float t = fminf(fmaxf((px * ux + py * uy) / fmaxf(length, 1e-12f), 0.0f), 1.0f);
        const float qx = px - t * ux, qy = py - t * uy;
        nearest = fminf(nearest, qx * qx + qy * qy);
        if ((ay <= y) != (by <= y) && ax + py * ux / uy < x) inside = !inside;
        ax = bx;
        ay = by;
    }
    return inside ? sqrtf(nearest) : -sqrtf(nearest);
}

// How far OpenCV's anti-aliased polygons reach beyond their outline, and over which width they fade, in their pixels.
#define OUTLINE_GROWTH 0.7f
#define OUTLINE_FADE 1.5f

// Share of pixel (x, y) of a picture of side `extent` that an outline covers: the mean over 2×2 points, each as OpenCV
// would draw it at twice the size (`live.render.opening.opening_mask`).
LIVE_DEVICE float outline_cover(const float* outline, int corners, float extent, int x, int y) {
    const float middle_x = 2.0f * static_cast<float>(x) + 1.0f, middle_y = 2.0f * static_cast<float>(y) + 1.0f;
    const float middle = outline_distance(outline, corners, 2.0f * extent, middle_x, middle_y);
    if (middle > 1.0f) return 1.0f;
    if (middle < -2.5f) return 0.0f;
    float cover = 0.0f;
    for (int k = 0; k < 4; ++k) {
        const float d = outline_distance(outline, corners, 2.0f * extent, middle_x - 0.5f + static_cast<float>(k & 1),
                                         middle_y - 0.5f + static_cast<float>(k >> 1));
        cover += 0.25f * fminf(fmaxf(0.5f + (d + OUTLINE_GROWTH) / OUTLINE_FADE, 0.0f), 1.0f);
    }
    return cover;
}

// The openings in the order of `outlines` and of the layers: mouth, right eye, left eye.
LIVE_DEVICE int outline_start(int opening) { return opening == 0 ? 0 : OUTLINE_MOUTH + (opening - 1) * OUTLINE_EYE; }
LIVE_DEVICE int outline_length(int opening) { return opening == 0 ? OUTLINE_MOUTH : OUTLINE_EYE; }

// The layers' windows lie one behind the other in an image's part of the window memory: mouth_side², eye_side² twice.
struct Windows {
    int mouth, eye;
};
LIVE_DEVICE int window_side(const Windows& w, int opening) { return opening == 0 ? w.mouth : w.eye; }
LIVE_DEVICE int window_start(const Windows& w, int opening) {
    return opening == 0 ? 0 : w.mouth * w.mouth + (opening - 1) * w.eye * w.eye;
}
LIVE_DEVICE int windows_size(const Windows& w) { return w.mouth * w.mouth + 2 * w.eye * w.eye; }

// Pixel (x, y) of frame n's window of an opening.
struct WindowPixel {
    u64 n;
    int opening, side, x, y;
};

// The i-th pixel of all windows of a batch.
LIVE_DEVICE WindowPixel window_pixel(const Windows& w, unsigned int i) {
    const unsigned int size = windows_size(w);
    int place = static_cast<int>(i % size), opening = 0;
    while (opening < 2 && place >= window_start(w, opening + 1)) ++opening;
    place -= window_start(w, opening);
    const int side = window_side(w, opening);
    return {i / size, opening, side, place % side, place / side};
}

#endif
