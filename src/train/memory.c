/* Memory of a run, and how to fit it into a limit, see memory.h.
 *
 * Moving a block to a lower level saves bytes and costs work. Moves are made in order of work per byte until
 * the step fits; moves that prove unnecessary are undone. The peak is never estimated: after each move a dry
 * run plans the step, which takes about a millisecond. */
#include "train/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Process memory outside the plan: code and libraries, and for each thread its stack and the matrix library's
 * packing buffers. Measured, docs/SPEED.md "Memory". */
#define MX_PROCESS_BYTES    ((size_t)8 << 20)
#define MX_PACK_SIZE        256 /* the default of mixmae pack --size */
#define MX_PER_THREAD_BYTES ((size_t)3 << 19)

/* count images of d at once, each with n's worker. */
static void plan_images(mx_memory_plan *m, const mx_dataset *d, const mx_loader_needs *n, int count) {
    double all = (double)count * (double)n->worker;
    if (all <= (double)m->images) return;
    m->images = all < 0x1p62 ? (size_t)all : (size_t)1 << 62;
    m->from = d, m->image = n->largest, m->at_once = count;
}

/* Rings, and the images that are decoded at once: by training's workers, or while these pause by those of held-out
 * images, or one for a picture of reconstructions. */
static void plan_loader(mx_memory_plan *m, const mx_settings *s, const mx_model *model,
                        const mx_dataset *data, const mx_dataset *held) {
    mx_loader_config train = mx_settings_loader(s, data), whole = mx_settings_loader(s, held ? held : data);
    whole.transform.augment = false;
    const mx_loader_needs a = mx_loader_measure(&train), b = mx_loader_measure(&whole);
    plan_images(m, data, &a, a.pictures);
    plan_images(m, held ? held : data, &b, held ? b.pictures : 1);
    size_t view =
        s->picture_every >= 0 && s->objective->view_bytes ? s->objective->view_bytes(model, s->batch) : 0;
    double sum = (double)a.ring + (held ? (double)b.ring : 0) + (double)(m->images > view ? m->images : view);
    m->loader = sum < 0x1p62 ? (size_t)sum : (size_t)1 << 62;
}

void mx_plan_memory(mx_memory_plan *m, const mx_stepper *t, const mx_dataset *data, const mx_dataset *held) {
    const mx_settings *s = &t->settings;
    memset(m, 0, sizeof *m);
    m->arena = t->session.planned;
    m->state = mx_params_bytes(&t->model.params, mx_settings_params_use(&t->settings));
    m->tables = s->objective->bytes(&t->model, s->batch, held ? mx_dataset_count(held) : 0);
    m->process = MX_PROCESS_BYTES + MX_PER_THREAD_BYTES * (size_t)s->threads;
    if (mx_replay_records(&t->session.ctx)) /* the staging memory of its two recordings */
        m->process += 2 * (m->tables + sizeof(float) * (size_t)(s->batch * mx_image_floats(&s->model)));
    if (data) plan_loader(m, s, &t->model, data, held);
    m->total = m->arena + m->state + m->tables + m->loader + m->process;
    if (!mx_backend_is_device(t->session.ctx.backend)) return;
    m->device = m->arena + m->state + m->tables;
    m->device_free = mx_backend_available(&t->session.ctx);
    m->total -= m->arena;
}

mx_status mx_parse_bytes(const char *text, size_t *bytes, mx_error *e) {
    static const struct {
        const char *unit;
        double bytes;
    } units[] = {{"", 1},
                 {"k", 1e3},
                 {"K", 1e3},
                 {"M", 1e6},
                 {"G", 1e9},
                 {"T", 1e12},
                 {"kB", 1e3},
                 {"KB", 1e3},
                 {"MB", 1e6},
                 {"GB", 1e9},
                 {"TB", 1e12},
                 {"KiB", 1024},
                 {"MiB", 1048576.0},
                 {"GiB", 1073741824.0},
                 {"TiB", 1099511627776.0}};
    char *end;
    double v = strtod(text, &end);
    for (size_t i = 0; end != text && v > 0 && i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) || !(v * units[i].bytes < 1e18)) continue;
        *bytes = (size_t)(v * units[i].bytes);
        return MX_OK;
    }
    return mx_fail(e, MX_ERR_ARGUMENT, "--memory: expected an amount like 8G, 2500M or 7.5GiB, found %s",
                   *text ? text : "nothing");
}

/* ---- choosing ---- */

/* Block `block` goes from level `from` to `to`. */
typedef struct {
    int block;
    uint8_t from, to;
    double bytes, work;
} move;

typedef struct {
    mx_stepper *t;
    uint8_t *recompute;
    int blocks, count;
    move *moves;        /* [3 * blocks], in the order in which they are made */
    double flops;       /* of a step with all kept */
    double work_a_byte; /* of norms and GELU */
    mx_error *e;
} chooser;

/* Arena of a step at the present levels. */
static size_t peak(chooser *x) {
    mx_stepper_replan(x->t, x->recompute, x->e);
    return x->t->session.planned;
}

static size_t kept(const chooser *x, int block) {
    const mx_block_saved *s = &x->t->model.saved[block];
    return s->top - s->mark;
}

/* The moves of one block: those of the lower convex hull of work over bytes saved, so that a later one never
 * gives more for less. */
static void add_moves(chooser *x, int block) {
    double saved[MX_RECOMPUTE_LEVELS] = {0}, work[MX_RECOMPUTE_LEVELS] = {0};
    size_t all = kept(x, block);
    for (int level = 1; level < MX_RECOMPUTE_LEVELS && !x->e->status; level++) {
        x->recompute[block] = (uint8_t)level;
        peak(x);
        saved[level] = (double)(all - kept(x, block));
        work[level] = x->work_a_byte * saved[1] + x->t->session.flops - x->flops;
    }
    x->recompute[block] = MX_RECOMPUTE_NOTHING;
    for (int from = 0; from < MX_RECOMPUTE_LEVELS - 1;) {
        int best = from + 1;
        double least = INFINITY;
        for (int to = from + 1; to < MX_RECOMPUTE_LEVELS; to++) {
            double price = (work[to] - work[from]) / (saved[to] - saved[from]);
            if (price < least) least = price, best = to;
        }
        x->moves[x->count++] =
            (move){block, (uint8_t)from, (uint8_t)best, saved[best] - saved[from], work[best] - work[from]};
        from = best;
    }
}

/* Sorts by work per byte; on ties earlier blocks come first, because their activations are kept longest. */
static int by_price(const void *a, const void *b) {
    const move *m = a, *n = b;
    double p = m->work / m->bytes, q = n->work / n->bytes;
    if (fabs(p - q) > 1e-9 * (p + q)) return p < q ? -1 : 1;
    return m->block - n->block ? m->block - n->block : m->from - n->from;
}

/* Makes moves until the step fits; if it never does, only those up to the least peak. Returns the peak. */
static size_t make_moves(chooser *x, size_t limit) {
    size_t now = peak(x), least = now;
    int at = 0, made = 0;
    while (now > limit && at < x->count && !x->e->status) {
        const move *m = &x->moves[at++];
        x->recompute[m->block] = m->to;
        now = peak(x);
        if (now < least) least = now, made = at;
    }
    for (; at > made; at--) x->recompute[x->moves[at - 1].block] = x->moves[at - 1].from;
    return least;
}

/* Undoes unnecessary moves, the most costly first. */
static void take_back(chooser *x, size_t limit) {
    for (int i = x->count - 1; i >= 0 && !x->e->status; i--) {
        const move *m = &x->moves[i];
        if (x->recompute[m->block] != m->to) continue;
        x->recompute[m->block] = m->from;
        if (peak(x) > limit) x->recompute[m->block] = m->to;
    }
}

/* Is move i the last one made of its block (made), or the next one to make (not made)? */
static bool at_edge(const chooser *x, int i, bool made) {
    const move *m = &x->moves[i];
    return x->recompute[m->block] == (made ? m->to : m->from);
}

/* Exchanges a move made for a cheaper one not made, if the step still fits. This matters when blocks are few
 * and large. Tries only pairs whose saved bytes suggest a fit. */
static bool exchange(chooser *x, size_t limit) {
    double slack = (double)limit - (double)peak(x);
    for (int i = x->count - 1; i >= 0; i--)
        for (int j = 0; j < x->count && at_edge(x, i, true); j++) {
            const move *off = &x->moves[i], *on = &x->moves[j];
            bool worth = off->block != on->block && on->work < off->work && on->bytes + slack >= off->bytes;
            if (!worth || !at_edge(x, j, false)) continue;
            x->recompute[off->block] = off->from, x->recompute[on->block] = on->to;
            if (peak(x) <= limit && !x->e->status) return true;
            x->recompute[off->block] = off->to, x->recompute[on->block] = on->from;
        }
    return false;
}

static double extra_work(const chooser *x) {
    double work = 0;
    for (int i = 0; i < x->count; i++)
        if (x->recompute[x->moves[i].block] >= x->moves[i].to) work += x->moves[i].work;
    return work;
}

mx_status mx_memory_choose(mx_stepper *t, size_t arena, uint8_t *recompute, double *work, double *extra,
                           mx_error *e) {
    int blocks = mx_model_blocks(&t->model);
    chooser x = {
        .t = t, .recompute = recompute, .blocks = blocks < MX_MAX_BLOCKS ? blocks : MX_MAX_BLOCKS, .e = e};
    memset(recompute, MX_RECOMPUTE_NOTHING, MX_MAX_BLOCKS);
    *work = *extra = 0;
    if (!(x.moves = calloc((size_t)x.blocks * (MX_RECOMPUTE_LEVELS - 1), sizeof *x.moves)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory while fitting %d blocks into memory", blocks);
    size_t now = peak(&x);
    *work = x.flops = t->session.flops;
    x.work_a_byte = MX_WORK_A_BYTE * 4 / (double)mx_dtype_size(t->settings.activations);
    if (now > arena) {
        for (int i = 0; i < x.blocks && !e->status; i++) peak(&x), add_moves(&x, i);
        qsort(x.moves, (size_t)x.count, sizeof *x.moves, by_price);
        if (make_moves(&x, arena) <= arena) do
                take_back(&x, arena);
            while (exchange(&x, arena));
        peak(&x);
        *extra = extra_work(&x);
    }
    free(x.moves);
    return e->status;
}

/* Bytes of the run with the least recomputation that meets s->memory, or at least what it takes to the least. */
static size_t fit(mx_settings *s, mx_memory_plan *m, const mx_dataset *data, const mx_dataset *held,
                  mx_error *e) {
    mx_stepper t;
    double work, extra;
    size_t beside = 0;
    memset(s->recompute, MX_RECOMPUTE_NOTHING, sizeof s->recompute);
    s->extra_work = 0;
    if (!mx_stepper_make(&t, s, true, NULL, e)) {
        mx_plan_memory(m, &t, data, held);
        beside = (m->device ? m->device : m->total) - m->arena;
        size_t arena = s->memory > beside ? s->memory - beside : 0;
        if (!mx_memory_choose(&t, arena, s->recompute, &work, &extra, e)) s->extra_work = extra / work;
        beside += t.session.planned;
    }
    mx_stepper_free(&t);
    return beside;
}

/* The most loader threads below those of s with which it fits; -1: none. */
static int fewer_workers(const mx_settings *s, const mx_dataset *data, const mx_dataset *held) {
    for (int w = s->workers - 1; data && w >= 0; w = w > 8 ? w / 2 : w - 1) {
        mx_settings c = *s;
        mx_memory_plan m;
        mx_error e = {0};
        c.workers = w;
        if (fit(&c, &m, data, held, &e) <= s->memory && !e.status) return w;
    }
    return -1;
}

/* The largest half, quarter ... of the batch with which it fits, even where it was; 0: none. */
static int smaller_batch(const mx_settings *s, const mx_dataset *data, const mx_dataset *held) {
    for (int by = 2; s->batch / by > 0 && s->batch % by == 0; by *= 2) {
        mx_settings c = *s;
        mx_memory_plan m;
        mx_error e = {0};
        c.batch = s->batch / by, c.accum = s->accum * by;
        if (c.batch % 2 && s->batch % 2 == 0) break;
        if (fit(&c, &m, data, held, &e) <= s->memory && !e.status) return c.batch;
    }
    return 0;
}

/* Would it fit with images that `mixmae pack --size` has shrunk? */
static bool fits_packed(const mx_settings *s, const mx_memory_plan *m, size_t needed, const mx_dataset *data,
                        const mx_dataset *held) {
    mx_loader_config train = mx_settings_loader(s, data), whole = mx_settings_loader(s, held ? held : data);
    whole.transform.augment = false;
    train.packed = whole.packed = MX_PACK_SIZE;
    const mx_loader_needs a = mx_loader_measure(&train), b = mx_loader_measure(&whole);
    size_t images = (size_t)a.pictures * (a.worker > b.worker ? a.worker : b.worker);
    return images < m->images && needed - m->images + images <= s->memory;
}

/* Says what takes the memory, and what was found to help. */
static mx_status refuse(const mx_settings *s, const mx_memory_plan *m, size_t needed, const mx_dataset *data,
                        const mx_dataset *held, mx_error *e) {
    double need = ceil((double)needed / 1e6), fixed = (double)(m->state + (m->device ? 0 : m->process));
    bool large = mx_memory_of_images(m);
    char where[MX_WHERE];
    int width, height, workers = m->device ? -1 : fewer_workers(s, data, held),
                       batch = smaller_batch(s, data, held);
    if (large) {
        mx_dataset_size(m->from, m->image, &width, &height);
        mx_fail(
            e, MX_ERR_ARGUMENT,
            "--memory of %.0f MB is too small: the run needs %.0f MB, %.0f MB of them to read %d image%s as large "
            "as %s (%dx%d pixels)%s; give --memory %.0fM",
            (double)s->memory / 1e6, need, (double)m->images / 1e6, m->at_once, m->at_once > 1 ? "s" : "",
            mx_dataset_where(where, m->from, m->image), width, height, m->at_once > 1 ? " at once" : "",
            need);
    } else
        mx_fail(e, MX_ERR_ARGUMENT,
                "--memory of %.0f MB is too small: with everything computed again that can be, --batch-size "
                "%d needs %.0f MB (%.0f MB whatever the batch: weights, gradients, moments, program); give "
                "--memory %.0fM",
                (double)s->memory / 1e6, s->batch, need, fixed / 1e6, need);
    if (workers >= 0) mx_fail_way(e, "--workers %d fits", workers);
    if (large && fits_packed(s, m, needed, data, held))
        mx_fail_way(e, "images shrunk by mixmae pack --size %d fit", MX_PACK_SIZE);
    if (batch) mx_fail_way(e, "--batch-size %d --accum-steps %d fits", batch, s->accum * (s->batch / batch));
    return e->status;
}

bool mx_memory_of_images(const mx_memory_plan *m) {
    return m->from && !m->device && m->images > (m->total - m->images);
}

const char *mx_memory_way(const mx_memory_plan *m) {
    return mx_memory_of_images(m)
               ? "large images take most: fewer --workers, or images shrunk by mixmae pack, take less"
               : "--memory or a smaller --batch-size with more --accum-steps takes less";
}

mx_status mx_memory_fit(mx_settings *s, const mx_dataset *data, const mx_dataset *held, mx_error *e) {
    mx_memory_plan m;
    memset(s->recompute, MX_RECOMPUTE_NOTHING, sizeof s->recompute);
    s->extra_work = 0;
    if (!s->memory) return MX_OK;
    size_t needed = fit(s, &m, data, held, e);
    return e->status || needed <= s->memory ? e->status : refuse(s, &m, needed, data, held, e);
}

void mx_memory_text(const mx_settings *s, int blocks, char *out, size_t size) {
    static const char *const what[MX_RECOMPUTE_LEVELS] = {"", "norms and GELU", "the MLP up to GELU",
                                                          "the whole block"};
    size_t n = 0;
    out[0] = 0;
    for (int level = 1; level < MX_RECOMPUTE_LEVELS; level++) {
        int count = 0;
        for (int i = 0; i < blocks && i < MX_MAX_BLOCKS; i++) count += s->recompute[i] == level;
        if (count && n < size)
            n += (size_t)snprintf(out + n, size - n, "%s%s in %d", n ? ", " : "", what[level], count);
    }
    if (n && n < size)
        snprintf(out + n, size - n, " of %d blocks: %.1f %% more work", blocks, 100 * s->extra_work);
}
