// Shared by the rasteriser and by kernels that read what it drew: keys, and barycentric weights in a fixed rounding.
#ifndef LIVE_MESH_CUH
#define LIVE_MESH_CUH
#include "common.cuh"

LIVE_DEVICE u64 raster_key(float z, unsigned int face) {
    const unsigned int bits = __float_as_uint(z);
    const unsigned int ascending = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return static_cast<u64>(~ascending) << 32 | face;  // nearest (largest z) first
}

LIVE_DEVICE float key_depth(u64 key) {
    const unsigned int ascending = ~static_cast<unsigned int>(key >> 32);
    return __uint_as_float(ascending & 0x80000000u ? ascending & 0x7fffffffu : ~ascending);
}

#define NOTHING_DRAWN (~0ull)

// a·b − c·d with each product rounded.
LIVE_DEVICE float difference(float a, float b, float c, float d) { return add(mul(a, b), -mul(c, d)); }

struct Point {
    float x, y, z;
};

LIVE_DEVICE Point mesh_point(const float* points, int vertex, float sx, float sy, float sz) {
    Point p;
    p.x = mul(load(points + 3 * vertex), sx);
    p.y = mul(load(points + 3 * vertex + 1), sy);
    p.z = mul(load(points + 3 * vertex + 2), sz);
    return p;
}

// Weights of a and b at a point; `scale` is one over twice the signed area.
struct Weights {
    float a, b;
};
LIVE_DEVICE Weights weights_at(const Point& a, const Point& b, const Point& c, float px, float py, float scale) {
    Weights w;
    w.a = mul(difference(b.x + -px, c.y + -py, c.x + -px, b.y + -py), scale);
    w.b = mul(difference(c.x + -px, a.y + -py, a.x + -px, c.y + -py), scale);
    return w;
}

LIVE_DEVICE float twice_area(const Point& a, const Point& b, const Point& c) {
    return difference(b.x - a.x, c.y - a.y, c.x - a.x, b.y - a.y);
}

// A drawn pixel's triangle and the weights of its corners.
struct Hit {
    int vertex[3];
    float weight[3];
};

LIVE_DEVICE Hit hit_at(const float* mesh, const int* faces, unsigned int face, float px, float py, float sx, float sy) {
    Hit h;
    for (int k = 0; k < 3; ++k) h.vertex[k] = faces[3 * face + k];
    const Point a = mesh_point(mesh, h.vertex[0], sx, sy, 1.0f), b = mesh_point(mesh, h.vertex[1], sx, sy, 1.0f),
                c = mesh_point(mesh, h.vertex[2], sx, sy, 1.0f);
    const Weights w = weights_at(a, b, c, px, py, 1.0f / twice_area(a, b, c));
    h.weight[0] = w.a;
    h.weight[1] = w.b;
    h.weight[2] = 1.0f - w.a - w.b;
    return h;
}

// Value `channel` of a table with `channels` values per vertex.
LIVE_DEVICE float at_hit(const float* table, const Hit& h, int channels, int channel) {
    return h.weight[0] * load(table + h.vertex[0] * channels + channel) +
           h.weight[1] * load(table + h.vertex[1] * channels + channel) +
           h.weight[2] * load(table + h.vertex[2] * channels + channel);
}

#endif
