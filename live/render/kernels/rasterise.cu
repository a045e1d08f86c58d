// Mesh rasteriser with a z-buffer, the device's twin of live/render/rasterise.py: one thread per triangle writes packed
// (depth, triangle) keys with a 64-bit minimum, so the nearest face wins whatever the order of threads, and among equals
// the first face; a second pass reads the winners' attributes.
#include "mesh.cuh"

extern "C" __global__ void raster_clear(u64* keys, unsigned int count) {
    const unsigned int i = thread_index();
    if (i < count) keys[i] = NOTHING_DRAWN;
}

// count = batch * faces. points (batch, stride, 3), of which the faces use what they name; (sx, sy, sz) turns them into
// pixels.
extern "C" __global__ void raster_keys(const float* points, int stride, const int* faces, int face_count, u64* keys,
                                       unsigned int count, int height, int width, float sx, float sy, float sz) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const unsigned int face = i % face_count;
    const u64 image = i / face_count;
    const float* mesh = points + image * stride * 3;
    const Point a = mesh_point(mesh, faces[3 * face], sx, sy, sz);
    const Point b = mesh_point(mesh, faces[3 * face + 1], sx, sy, sz);
    const Point c = mesh_point(mesh, faces[3 * face + 2], sx, sy, sz);
    // Negative for front faces because y points down; false for NaN.
    const float area = twice_area(a, b, c);
    if (!(area < 0.0f)) return;
    const float low_x = fminf(a.x, fminf(b.x, c.x)), high_x = fmaxf(a.x, fmaxf(b.x, c.x));
    const float low_y = fminf(a.y, fminf(b.y, c.y)), high_y = fmaxf(a.y, fmaxf(b.y, c.y));
    // Clamped on both sides as floats: a wild coordinate does not fit an int.
    const float columns = static_cast<float>(width), rows = static_cast<float>(height);
    const int left = static_cast<int>(fminf(fmaxf(ceilf(low_x - 0.5f), 0.0f), columns));
    const int right = static_cast<int>(fmaxf(fminf(floorf(high_x - 0.5f), columns - 1.0f), -1.0f));
    const int top = static_cast<int>(fminf(fmaxf(ceilf(low_y - 0.5f), 0.0f), rows));
    const int bottom = static_cast<int>(fmaxf(fminf(floorf(high_y - 0.5f), rows - 1.0f), -1.0f));
    if (left >= width || top >= height) return;
    const float scale = 1.0f / area;
    const float dwa = mul(b.y - c.y, scale), dwb = mul(c.y - a.y, scale);
    const float dza = a.z - c.z, dzb = b.z - c.z;
    u64* image_keys = keys + image * height * width;
    for (int y = top; y <= bottom; ++y) {
        Weights w = weights_at(a, b, c, static_cast<float>(left) + 0.5f, static_cast<float>(y) + 0.5f, scale);
        for (int x = left; x <= right; ++x) {
            if (w.a >= 0.0f && w.b >= 0.0f && add(w.a, w.b) <= 1.0f) {
                const float z = add(add(c.z, mul(w.a, dza)), mul(w.b, dzb));
                if (z == z) atomicMin(image_keys + y * width + x, raster_key(z, face));
            }
            w.a = add(w.a, dwa);
            w.b = add(w.b, dwb);
        }
    }
}

// count = batch * height * width. attributes (batch, stride, channels) → values (batch, height, width, channels),
// triangles (-1 where nothing is drawn) and depth (-inf there). Null outputs are left out.
extern "C" __global__ void raster_resolve(const u64* keys, const float* points, int stride, const int* faces,
                                          const float* attributes, float* values, int* triangles, float* depth,
                                          unsigned int count, int height, int width, int channels, float sx,
                                          float sy) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const u64 key = keys[i];
    const bool drawn = key != NOTHING_DRAWN;
    const unsigned int face = static_cast<unsigned int>(key);
    if (triangles) triangles[i] = drawn ? static_cast<int>(face) : -1;
    if (depth) depth[i] = drawn ? key_depth(key) : __uint_as_float(0xff800000u);
    if (!values) return;
    float* to = values + static_cast<u64>(i) * channels;
    if (!drawn) {
        for (int k = 0; k < channels; ++k) to[k] = 0.0f;
        return;
    }
    const u64 image = i / (static_cast<unsigned int>(width) * height);
    const float px = static_cast<float>(i % width) + 0.5f, py = static_cast<float>((i / width) % height) + 0.5f;
    const float* mesh = points + image * stride * 3;
    const Hit hit = hit_at(mesh, faces, face, px, py, sx, sy);
    const float* table = attributes + image * stride * channels;
    for (int k = 0; k < channels; ++k) to[k] = at_hit(table, hit, channels, k);
}
