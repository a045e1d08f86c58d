// Push-pull extension of a field known only in places, the device's twin of live/render/extend.py (Gortler et al. 1996,
// "The Lumigraph", section 3.4). One launch per large pyramid level; all small ones in one, a block per image.
#include "common.cuh"

// One coarse cell from up to four fine ones: weighted means, and their weight.
LIVE_DEVICE void push_cell(const float* values, const float* weight, int height, int width, int channels, int x, int y,
                           float* to, float* to_weight) {
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
    *to_weight = fminf(total * 0.5f, 1.0f);  // SATURATION of live/render/extend.py
}

// One fine cell, of weight w < 1, completed in place from the coarse level of rows × columns.
LIVE_DEVICE void pull_cell(const float* values, int rows, int columns, int channels, int x, int y, float w, float* to) {
    const int near_y = y / 2, near_x = x / 2;
    int far_y = near_y + (y % 2 ? 1 : -1), far_x = near_x + (x % 2 ? 1 : -1);
    far_y = far_y < 0 ? 0 : (far_y > rows - 1 ? rows - 1 : far_y);
    far_x = far_x < 0 ? 0 : (far_x > columns - 1 ? columns - 1 : far_x);
    for (int k = 0; k < channels; ++k) {
        const float near_row = 0.75f * values[(near_y * columns + near_x) * channels + k] +
                               0.25f * values[(near_y * columns + far_x) * channels + k];
        const float far_row = 0.75f * values[(far_y * columns + near_x) * channels + k] +
                              0.25f * values[(far_y * columns + far_x) * channels + k];
        to[k] = w * to[k] + (1.0f - w) * (0.75f * near_row + 0.25f * far_row);
    }
}

// count = batch * rows * columns of the coarse level, which has half the fine one's size rounded up.
extern "C" __global__ void push_level(const float* fine, const float* fine_weight, float* coarse, float* coarse_weight,
                                      unsigned int count, int height, int width, int channels) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const int rows = (height + 1) / 2, columns = (width + 1) / 2;
    const int x = static_cast<int>(i % columns), y = static_cast<int>((i / columns) % rows);
    const u64 image = i / (static_cast<unsigned int>(columns) * rows);
    push_cell(fine + image * height * width * channels, fine_weight + image * height * width, height, width, channels, x,
              y, coarse + static_cast<u64>(i) * channels, coarse_weight + i);
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
    pull_cell(coarse + image * rows * columns * channels, rows, columns, channels, x, y, w,
              fine + static_cast<u64>(i) * channels);
}

// Cells of the largest level that one block extends, of all its levels together (a row of 1,024 halves ten times), and
// channels.
#define SMALL_CELLS 1024
#define SMALL_PYRAMID 2048
#define SMALL_CHANNELS 2
#define SMALL_LEVELS 12

// One block of 256 threads per image: extends a level of at most SMALL_CELLS cells, in place, all coarser levels being in
// shared memory.
extern "C" __global__ void extend_small(float* fine, const float* fine_weight, int height, int width, int channels) {
    __shared__ float values[SMALL_PYRAMID * SMALL_CHANNELS];
    __shared__ float weights[SMALL_PYRAMID];
    const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
    const u64 image = blockIdx.x;
    float* field = fine + image * height * width * channels;
    const float* known = fine_weight + image * height * width;
    int rows[SMALL_LEVELS], columns[SMALL_LEVELS], start[SMALL_LEVELS], levels = 1;
    rows[0] = height;
    columns[0] = width;
    start[0] = 0;
    while (rows[levels - 1] > 1 || columns[levels - 1] > 1) {
        rows[levels] = (rows[levels - 1] + 1) / 2;
        columns[levels] = (columns[levels - 1] + 1) / 2;
        start[levels] = start[levels - 1] + rows[levels - 1] * columns[levels - 1];
        ++levels;
    }
    for (int i = thread; i < height * width; i += threads) {
        weights[i] = known[i];
        for (int k = 0; k < channels; ++k) values[i * channels + k] = field[i * channels + k];
    }
    for (int l = 1; l < levels; ++l) {
        __syncthreads();
        for (int i = thread; i < rows[l] * columns[l]; i += threads)
            push_cell(values + start[l - 1] * channels, weights + start[l - 1], rows[l - 1], columns[l - 1], channels,
                      i % columns[l], i / columns[l], values + (start[l] + i) * channels, weights + start[l] + i);
    }
    for (int l = levels - 2; l >= 0; --l) {
        __syncthreads();
        for (int i = thread; i < rows[l] * columns[l]; i += threads) {
            const float w = weights[start[l] + i];
            if (w < 1.0f)
                pull_cell(values + start[l + 1] * channels, rows[l + 1], columns[l + 1], channels, i % columns[l],
                          i / columns[l], w, values + (start[l] + i) * channels);
        }
    }
    // Each thread writes what it pulled itself.
    for (int i = thread; i < height * width; i += threads)
        for (int k = 0; k < channels; ++k) field[i * channels + k] = values[i * channels + k];
}
