// Poses many people's faces at once, the device's twin of live/render/posed.py and contact.py: coefficients → points in
// the crop, and what else a frame's pose says (similarity of the skull, crops of mouth and eyes).
#include "face.cuh"

// Images per thread of pose_shape: the expression shapes are read once for all of them.
#define SHAPE_GROUP 4

// Coefficient k of 68 (expression, residual) in a motion row, which has rotation and translation between them.
LIVE_DEVICE float shape_weight(const float* motion, int k) { return load(motion + (k < 52 ? k : k + 6)); }

// count = ceil(batch / 4) * values. rest (slots, values) and moves (68, values) → shape (batch, values): stacked points
// in head coordinates, before lips and lids are made to meet.
extern "C" __global__ void pose_shape(const float* motion, const int* slots, const float* rest, const float* moves,
                                      float* shape, unsigned int count, int batch, int values) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const unsigned int j = i % values;
    const int first = static_cast<int>(i / values) * SHAPE_GROUP;
    float sum[SHAPE_GROUP] = {0.0f, 0.0f, 0.0f, 0.0f};
    const float* row[SHAPE_GROUP];
    for (int g = 0; g < SHAPE_GROUP; ++g)  // places beyond the batch repeat its last image and are not stored
        row[g] = motion + static_cast<u64>(first + g < batch ? first + g : batch - 1) * MOTION_VALUES;
    for (int k = 0; k < 68; ++k) {
        const float move = load(moves + static_cast<u64>(k) * values + j);
#pragma unroll
        for (int g = 0; g < SHAPE_GROUP; ++g) sum[g] += shape_weight(row[g], k) * move;
    }
    for (int g = 0; g < SHAPE_GROUP && first + g < batch; ++g)
        shape[static_cast<u64>(first + g) * values + j] =
            load(rest + static_cast<u64>(slots[first + g]) * values + j) + sum[g];
}

LIVE_DEVICE float clamp01(float v) { return fminf(fmaxf(v, 0.0f), 1.0f); }

// contact.py, `steer`, for one pair of opposite edge points: how far each moves, cm upwards.
LIVE_DEVICE void steer_pair(const float* motion, const float* model, const float* avatar, const int* index,
                            const float* shape, int pair, float* moves) {
    const int* edges = index + INDEX_EDGES;
    if (pair < LIP_PAIRS) {
        const float drop = fmaxf(load(motion + index[INDEX_JAW]) - fmaxf(avatar[AVATAR_JAW_PHOTO], 0.0f), 0.0f);
        const float rounding = drop * model[MODEL_LIP_ROUNDING + pair];
        const float gap = shape[3 * edges[pair] + 1] - shape[3 * edges[LIP_PAIRS + pair] + 1] + rounding;
        const float bare = gap - avatar[AVATAR_LIPS_CORRECTION + pair];
        const float open = clamp01((bare - avatar[AVATAR_LIPS_SHUT + pair]) / avatar[AVATAR_LIPS_SPAN + pair]);
        const float closing = (open - 1.0f) * avatar[AVATAR_LIPS_EXCESS + pair];
        const float wanted = gap + closing - avatar[AVATAR_LIPS_PHOTO + pair];
        const float change = fmaxf(wanted, 0.0f) - gap;
        moves[pair] = 0.5f * change;
        moves[LIP_PAIRS + pair] = -0.5f * change - rounding;
        return;
    }
    const int eye = (pair - LIP_PAIRS) / LID_PAIRS, k = (pair - LIP_PAIRS) % LID_PAIRS;
    const int upper = 2 * LIP_PAIRS + eye * 2 * LID_PAIRS + k, lower = upper + LID_PAIRS;
    const float gap = shape[3 * edges[upper] + 1] - shape[3 * edges[lower] + 1];
    const float photo = avatar[AVATAR_LIDS_PHOTO + eye];
    const float closing =
        clamp01((load(motion + index[INDEX_BLINKS + eye]) - photo) / fmaxf(1.0f - photo, 0.2f));
    const float change = fmaxf(gap - closing * avatar[AVATAR_LIDS_OPEN + eye * LID_PAIRS + k], 0.0f) - gap;
    moves[upper] = 0.85f * change;  // LID_SHARE
    moves[lower] = -0.15f * change;
}

LIVE_DEVICE void write_box(float* to, const float* centre, float rx, float ry, float dx, float dy) {
    to[0] = centre[0];
    to[1] = centre[1];
    to[2] = rx;
    to[3] = ry;
    to[4] = dx;
    to[5] = dy;
}

// `Avatar.posed`, `prior.rigid_displacement` and `regions.RegionFinder.place` for one frame.
LIVE_DEVICE void pose_row(const float* motion, const float* model, const float* avatar, float* frame, float* boxes) {
    const float cp = cosf(motion[52]), sp = sinf(motion[52]), cy = cosf(motion[53]), sy = sinf(motion[53]);
    const float cr = cosf(motion[54]), sr = sinf(motion[54]);
    const float r[9] = {cr * cy, cr * sy * sp - sr * cp, cr * sy * cp + sr * sp,
                        sr * cy, sr * sy * sp + cr * cp, sr * sy * cp - cr * sp,
                        -sy,     cy * sp,                cy * cp};
    const float own = avatar[AVATAR_SCALE], scale = own * expf(fminf(fmaxf(motion[57], -3.0f), 3.0f));
    const float ox = avatar[AVATAR_OFFSET] + motion[55] * own, oy = avatar[AVATAR_OFFSET + 1] - motion[56] * own;
    for (int k = 0; k < 9; ++k) frame[FRAME_ROTATION + k] = r[k];
    frame[FRAME_SCALE] = scale;
    frame[FRAME_OFFSET] = ox;
    frame[FRAME_OFFSET + 1] = oy;
    // Best similarity of the skull's points between both poses, from their mean and covariance.
    const Axes after = picture_axes(r, scale);
    const Axes before = picture_axes(avatar + AVATAR_SOURCE_ROTATION, avatar[AVATAR_SOURCE_SCALE]);
    const float *mean = model + MODEL_SKULL_MEAN, *spread = model + MODEL_SKULL_SPREAD;
    const float norm = spread_between(after.x, spread, after.x) + spread_between(after.y, spread, after.y);
    const float along = spread_between(after.x, spread, before.x) + spread_between(after.y, spread, before.y);
    const float across = spread_between(after.x, spread, before.y) - spread_between(after.y, spread, before.x);
    float* similarity = frame + FRAME_SIMILARITY;
    similarity[0] = along / norm - 1.0f;
    similarity[1] = across / norm;
    similarity[2] = dot3(after.x, mean) + ox;
    similarity[3] = dot3(after.y, mean) + oy;
    similarity[4] = dot3(before.x, mean) + avatar[AVATAR_SOURCE_OFFSET] - similarity[2];
    similarity[5] = dot3(before.y, mean) + avatar[AVATAR_SOURCE_OFFSET + 1] - similarity[3];
    const float turn = fmaxf(sqrtf(r[3] * r[3] + r[4] * r[4]), 1e-12f);
    frame[FRAME_ROLL] = r[4] / turn;
    frame[FRAME_ROLL + 1] = r[3] / turn;
    const float upright = scale / fmaxf(sqrtf(r[1] * r[1] + r[4] * r[4]), 1e-6f);
    const float dx = -r[1] * upright, dy = r[4] * upright;
    for (int k = 0; k < 3; ++k) {
        const float* anchor = avatar + AVATAR_ANCHORS + 3 * k;
        const float centre[2] = {dot3(after.x, anchor) + ox, dot3(after.y, anchor) + oy};
        const float side = k == 0 ? 8.5f : 5.0f, way = k == 2 ? -side : side;  // MOUTH_SIDE_CM, EYE_SIDE_CM
        write_box(boxes + 6 * k, centre, dy * way, -dx * way, dx * side, dy * side);
    }
}

// count = batch * (PAIRS + 1): per pair of edge points its moves (batch, EDGES), and per image frame row and boxes
// (batch, 3, 6).
extern "C" __global__ void pose_frame(const float* motion, const int* slots, const float* model, const float* avatars,
                                      const int* index, const float* shape, float* moves, float* frames, float* boxes,
                                      unsigned int count, int values) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const u64 n = i / (PAIRS + 1);
    const int item = static_cast<int>(i % (PAIRS + 1));
    const float* avatar = avatars + static_cast<u64>(slots[n]) * AVATAR_SIZE;
    const float* row = motion + n * MOTION_VALUES;
    if (item == PAIRS) pose_row(row, model, avatar, frames + n * FRAME_SIZE, boxes + n * 18);
    else steer_pair(row, model, avatar, index, shape + n * values, item, moves + n * EDGES);
}

// count = batch * points. Moves what follows lips and lids (rows of a sparse matrix: starts (points + 1), columns,
// weights) and places the points in the crop: x right, y down, crop sides; z towards the viewer.
extern "C" __global__ void pose_place(const float* shape, const float* moves, const float* frames, const int* starts,
                                      const int* columns, const float* weights, float* points, unsigned int count,
                                      int stacked) {
    const unsigned int i = thread_index();
    if (i >= count) return;
    const u64 n = i / stacked;
    const int p = static_cast<int>(i % stacked);
    const float* from = shape + static_cast<u64>(i) * 3;
    float at[3] = {from[0], from[1], from[2]};
    for (int k = starts[p]; k < starts[p + 1]; ++k) at[1] += weights[k] * moves[n * EDGES + columns[k]];
    const float* frame = frames + n * FRAME_SIZE;
    const float* r = frame + FRAME_ROTATION;
    const float scale = frame[FRAME_SCALE];
    float* to = points + static_cast<u64>(i) * 3;
    to[0] = scale * dot3(r, at) + frame[FRAME_OFFSET];
    to[1] = frame[FRAME_OFFSET + 1] - scale * dot3(r + 3, at);
    to[2] = scale * dot3(r + 6, at);
}
