// Push-pull extension of a field known only in places, the device's twin of live/render/extend.py (Gortler et al. 1996,
// "The Lumigraph", section 3.4). One launch per pyramid level.
#include "common.cuh"

// count = batch * rows * columns of the coarse level, which has half the fine one's size rounded up.
extern "C" __global__ void push_level(const float* fine, const float* fine_weight, float* coarse, float* coarse_weight,
                                      unsigned int count, int height, int width, int channels) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const int rows = (height + 1) / 2, columns = (width + 1) / 2;
    const int x = static_cast<int>(i % columns), y = static_cast<int>((i / columns) % rows);
    const u64 image = i / (static_cast<unsigned int>(columns) * rows);
    const float* weight = fine_weight + image * height * width;
    const float* values = fine + image * height * width * channels;
    float* to = coarse + static_cast<u64>(i) * channels;
    for (int k = 0; k < channels; ++k) to[k] = 0.0f;
    float total = 0.0f;
    for (int v = 2 * y; v < 2 * y + 2 && v < height; ++v) {
        for (int u = 2 * x; u < 2 * x + 2 && u < width; ++u) {
            const float w = weight[v * width + u];
            total += w;
            for (int k = 0; k < channels; ++k) to[k] += w * values[(v * width + u) * channels + k];
        }
    }
    if (total > 0.0f)
        for (int k = 0; k < channels; ++k) to[k] /= total;
    coarse_weight[i] = fminf(total * 0.5f, 1.0f);  // SATURATION of live/render/extend.py
}

// count = batch * height * width of the fine level, which is completed in place.
extern "C" __global__ void pull_level(const float* coarse, float* fine, const float* fine_weight, unsigned int count,
                                      int height, int width, int channels) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const float w = fine_weight[i];
    if (w >= 1.0f) return;
    const int rows = (height + 1) / 2, columns = (width + 1) / 2;
    const int x = static_cast<int>(i % width), y = static_cast<int>((i / width) % height);
    const u64 image = i / (static_cast<unsigned int>(width) * height);
    const float* values = coarse + image * rows * columns * channels;
    const int near_y = y / 2, near_x = x / 2;
    int far_y = near_y + (y % 2 ? 1 : -1), far_x = near_x + (x % 2 ? 1 : -1);
    far_y = far_y < 0 ? 0 : (far_y > rows - 1 ? rows - 1 : far_y);
    far_x = far_x < 0 ? 0 : (far_x > columns - 1 ? columns - 1 : far_x);
    float* to = fine + static_cast<u64>(i) * channels;
    for (int k = 0; k < channels; ++k) {
        const float near_row = 0.75f * values[(near_y * columns + near_x) * channels + k] +
                               0.25f * values[(near_y * columns + far_x) * channels + k];
        const float far_row = 0.75f * values[(far_y * columns + near_x) * channels + k] +
                              0.25f * values[(far_y * columns + far_x) * channels + k];
        to[k] = w * to[k] + (1.0f - w) * (0.75f * near_row + 0.25f * far_row);
    }
}
