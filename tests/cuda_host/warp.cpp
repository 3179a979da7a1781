/* What the lanes of a warp do together: wait for each other, exchange values, vote, multiply matrices.
 *
 * The last lane of the mask to come holds the meeting: it computes everybody's result, and all lanes become ready. */
#include "emulator.h"

/* ---- the meetings; `lane` has an entry for each lane of the mask ---- */

static void shuffle(mx_host_visit *const *lane, uint32_t mask) {
    uint64_t result[32];
    for (int i = 0; i < 32; i++) {
        if (!(mask >> i & 1)) continue;
        const int source = lane[i]->source;
        if (!(mask >> source & 1))
            mx_host_die("%s at %s:%d: lane %d reads lane %d, which is not in the mask %08x", lane[i]->name,
                        lane[i]->file, lane[i]->line, i, source, mask);
        result[i] = lane[source]->value;
    }
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1) lane[i]->value = result[i];
}

static void ballot(mx_host_visit *const *lane, uint32_t mask) {
    uint64_t votes = 0;
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1) votes |= lane[i]->value << i;
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1) lane[i]->value = votes;
}

static float low_half(uint32_t pair) { return __uint_as_float(pair << 16); }
static float high_half(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

/* PTX manual, "Matrix fragments for mma.m16n8k16 with floating point type". With g = lane / 4 and t = lane % 4, a lane
 * holds of A [16,16] the pairs a[0]: row g, columns 2t and 2t+1; a[1]: row g+8; a[2]: row g, columns 2t+8 and 2t+9;
 * a[3]: row g+8 of those columns. Of B [16,8], b[0]: rows 2t and 2t+1, column g; b[1]: rows 2t+8 and 2t+9. Of C and D
 * [16,8], 0 and 1: row g, columns 2t and 2t+1; 2 and 3: row g+8. */
MX_HOST_NO_ASAN static void mma(mx_host_visit *const *lane) {
    float a[16][16], b[16][8], c[16][8];
    for (int l = 0; l < 32; l++) {
        const int g = l / 4, t = l % 4;
        const uint32_t *ra = static_cast<const uint32_t *>(lane[l]->in[0]);
        const uint32_t *rb = static_cast<const uint32_t *>(lane[l]->in[1]);
        const float *rc = static_cast<const float *>(lane[l]->in[2]);
        for (int i = 0; i < 4; i++) {
            const int row = g + i % 2 * 8, column = 2 * t + i / 2 * 8;
            a[row][column] = low_half(ra[i]), a[row][column + 1] = high_half(ra[i]);
            c[g + i / 2 * 8][2 * t + i % 2] = rc[i];
        }
        for (int i = 0; i < 2; i++)
            b[2 * t + i * 8][g] = low_half(rb[i]), b[2 * t + i * 8 + 1][g] = high_half(rb[i]);
    }
    for (int row = 0; row < 16; row++)
        for (int k = 0; k < 16; k++)
            for (int column = 0; column < 8; column++) c[row][column] += a[row][k] * b[k][column];
    for (int l = 0; l < 32; l++) {
        float *d = static_cast<float *>(lane[l]->out);
        for (int i = 0; i < 4; i++) d[i] = c[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2];
    }
}

/* Lane l receives of each matrix row l / 4, elements 2 (l % 4) and the next one; of its transpose with .trans. */
static void ldmatrix(mx_host_visit *const *lane) {
    uint16_t m[4][8][8];
    for (int l = 0; l < 32; l++) {
        const void *row = lane[l]->in[0];
        if (reinterpret_cast<uintptr_t>(row) % 16 || !mx_host_is_shared(row, 16))
            mx_host_die("%s at %s:%d: the row of lane %d is not 16 aligned bytes of shared memory",
                        lane[l]->name, lane[l]->file, lane[l]->line, l);
        memcpy(m[l / 8][l % 8], row, 16);
    }
    for (int l = 0; l < 32; l++) {
        uint32_t *d = static_cast<uint32_t *>(lane[l]->out);
        for (int i = 0; i < 4; i++) {
            const int g = l / 4, t = l % 4 * 2;
            const bool transpose = lane[l]->source != 0;
            uint32_t low = transpose ? m[i][t][g] : m[i][g][t],
                     high = transpose ? m[i][t + 1][g] : m[i][g][t + 1];
            d[i] = low | high << 16;
        }
    }
}

static void hold(mx_host_visit *const *lane, const mx_host_visit *v) {
    switch (v->kind) {
    case MX_HOST_SYNC: break;
    case MX_HOST_SHUFFLE: shuffle(lane, v->mask); break;
    case MX_HOST_BALLOT: ballot(lane, v->mask); break;
    case MX_HOST_MMA: mma(lane); break;
    case MX_HOST_LDMATRIX: ldmatrix(lane); break;
    }
}

/* ---- coming together ---- */

static bool same_meeting(const mx_host_thread *t, const mx_host_visit *v) {
    return t->state == MX_HOST_AT_MEETING && t->visit->kind == v->kind && t->visit->mask == v->mask &&
           t->visit->line == v->line && t->visit->file == v->file;
}

static bool came(int number, const mx_host_visit *v) {
    return number < mx_host_running.threads && same_meeting(mx_host_running.thread + number, v);
}

/* By warp: the lane that had not come when somebody last looked. It is asked first, so that most lanes ask no other. */
static int missing[MX_HOST_MAX_THREADS / 32];

/* The first lane of the mask that has not come; -1: all have. */
static int first_missing(const mx_host_visit *v, int warp) {
    int *hint = &missing[warp / 32];
    if ((v->mask >> *hint & 1) && !came(warp + *hint, v)) return *hint;
    for (int i = 0; i < 32; i++)
        if ((v->mask >> i & 1) && !came(warp + i, v)) return *hint = i;
    return -1;
}

static void hold_meeting(const mx_host_visit *v, int warp) {
    mx_host_visit *lane[32] = {};
    mx_host_thread *come[32];
    int n = 0;
    for (int i = 0; i < 32; i++) {
        if (!(v->mask >> i & 1)) continue;
        come[n] = mx_host_running.thread + warp + i;
        lane[i] = come[n++]->visit;
    }
    hold(lane, v);
    mx_host_make_ready(come, n);
}

void mx_host_meet(mx_host_visit *v) {
    if (!mx_host_running.kernel) mx_host_die("%s outside a kernel, at %s:%d", v->name, v->file, v->line);
    mx_host_thread *t = mx_host_running.current;
    const int number = static_cast<int>(t - mx_host_running.thread), warp = number / 32 * 32;
    if (!(v->mask >> (number - warp) & 1))
        mx_host_die("%s at %s:%d: lane %d is not in its own mask %08x", v->name, v->file, v->line,
                    number - warp, v->mask);
    t->state = MX_HOST_AT_MEETING;
    t->visit = v, t->file = v->file, t->line = v->line;
    if (first_missing(v, warp) < 0) hold_meeting(v, warp);
    mx_host_wait();
}

void mx_host_check_width(const char *name, int width, const char *file, int line) {
    if (width < 1 || width > 32 || (width & (width - 1)))
        mx_host_die("%s at %s:%d: width %d is no power of two up to 32", name, file, line, width);
}
