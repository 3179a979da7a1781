/* The backend `far`, in builds for tests (-DMIXMAE_FAR=ON): the cpu backend's kernels (or ref's) on memory of
 * their own, as a device has it. What it is for: every tensor, layout and index table that reaches an op must
 * lie in an attached block, and host code that forgets to upload or download computes with old numbers or, on
 * the arena, ends the program. Whoever changes model or training finds that out without a device. */
#include "ops/backend.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    char *memory;
    size_t bytes;
} block;

struct mx_device {
    block *item;
    int count;
};

static mx_device *device_make(mx_error *e) {
    mx_device *d = calloc(1, sizeof *d);
    if (!d) mx_fail(e, MX_ERR_MEMORY, "out of memory for a device");
    return d;
}

static void device_free(mx_device *d) {
    for (int i = 0; i < d->count; i++) free(d->item[i].memory);
    free(d->item);
    free(d);
}

static void attach(mx_ctx *c, const void *name, size_t bytes) {
    mx_device *d = c->device;
    const char *first = name;
    for (int i = 0; i < d->count; i++)
        if (first < d->item[i].name + d->item[i].bytes && d->item[i].name < first + bytes) {
            mx_fail(&c->error, MX_ERR_ARGUMENT, "a block of %zu bytes overlaps one that is attached", bytes);
            return;
        }
    block *grown = realloc(d->item, sizeof *grown * (size_t)(d->count + 1));
    if (grown) d->item = grown;
    size_t room = (bytes + MX_ALIGN - 1) / MX_ALIGN * MX_ALIGN;
    char *memory = grown ? aligned_alloc(MX_ALIGN, room) : NULL;
    if (!memory) {
        mx_fail(&c->error, MX_ERR_MEMORY, "cannot allocate %zu bytes on the device", bytes);
        return;
    }
    memset(memory, 0, room);
    d->item[d->count++] = (block){name, memory, bytes};
}

/* What lies behind [name, name + bytes); NULL for NULL, and with an error when it is not attached. */
static void *behind(mx_ctx *c, const void *name, size_t bytes) {
    const char *p = name;
    if (!p || !mx_ok(c)) return NULL;
    for (int i = 0; i < c->device->count; i++) {
        const block *b = &c->device->item[i];
        if (p >= b->name && p + bytes <= b->name + b->bytes) return b->memory + (p - b->name);
    }
    mx_fail(&c->error, MX_ERR_ARGUMENT,
            "an op was given %zu bytes of host memory that the device does not have", bytes);
    return NULL;
}

static void upload(mx_ctx *c, const void *name, const void *from, size_t bytes) {
    void *to = behind(c, name, bytes);
    if (to) memcpy(to, from, bytes);
}

static void download(mx_ctx *c, void *to, const void *name, size_t bytes) {
    const void *from = behind(c, name, bytes);
    if (from) memcpy(to, from, bytes);
}

/* ---- the ops: names become addresses, then the inner backend's function runs ------------------------------
 */

static mx_backend far_backend;
static const mx_backend *inner;

#define NEAR(t)         ((t).data = behind(c, (t).data, mx_bytes(t)))
#define NEAR_ROWS(p, n) ((p) = behind(c, p, sizeof *(p) * (size_t)(n)))
#define NEAR_WORK(p)    ((p) = behind(c, p, 1))
#define RUN(op, ...)    /* the inner backend finds itself in the context */                                  \
    do {                                                                                                     \
        if (!mx_ok(c)) break;                                                                                \
        const mx_backend *outer = c->backend;                                                                \
        c->backend = inner;                                                                                  \
        inner->op(c, __VA_ARGS__);                                                                           \
        c->backend = outer;                                                                                  \
    } while (0)

static mx_layout near_layout(mx_ctx *c, const mx_layout *lay) {
    mx_layout l = *lay;
    NEAR_ROWS(l.segment, l.segments + 1);
    NEAR_ROWS(l.raster, l.tokens);
    NEAR_ROWS(l.group, l.tokens);
    return l;
}

static void fill(mx_ctx *c, mx_tensor t, float value) {
    NEAR(t);
    RUN(fill, t, value);
}

static void copy(mx_ctx *c, mx_tensor y, mx_tensor x) {
    NEAR(y), NEAR(x);
    RUN(copy, y, x);
}

static void scale_samples(mx_ctx *c, mx_tensor y, mx_tensor x, mx_tensor keep) {
    NEAR(y), NEAR(x), NEAR(keep);
    RUN(scale_samples, y, x, keep);
}

static void gather_rows(mx_ctx *c, mx_tensor y, mx_tensor x, const int32_t *index) {
    NEAR(y), NEAR(x), NEAR_ROWS(index, y.dim[1]);
    RUN(gather_rows, y, x, index);
}

static void scatter_rows(mx_ctx *c, mx_tensor dx, mx_tensor dy, const int32_t *index) {
    NEAR(dx), NEAR(dy), NEAR_ROWS(index, dy.dim[1]);
    RUN(scatter_rows, dx, dy, index);
}

static void patch_rows(mx_ctx *c, mx_tensor y, mx_tensor images, const mx_layout *lay, int p) {
    const mx_layout l = near_layout(c, lay);
    NEAR(y), NEAR(images);
    RUN(patch_rows, y, images, &l, p);
}

static void add_position(mx_ctx *c, mx_tensor x, mx_tensor pos, const mx_layout *lay) {
    const mx_layout l = near_layout(c, lay);
    NEAR(x), NEAR(pos);
    RUN(add_position, x, pos, &l);
}

static void linear(mx_ctx *c, mx_tensor y, mx_tensor h, mx_tensor r, mx_tensor x, mx_tensor w, mx_tensor b,
                   mx_tensor keep, void *work) {
    NEAR(y), NEAR(h), NEAR(r), NEAR(x), NEAR(w), NEAR(b), NEAR(keep), NEAR_WORK(work);
    RUN(linear, y, h, r, x, w, b, keep, work);
}

static void gelu(mx_ctx *c, mx_tensor y, mx_tensor h) {
    NEAR(y), NEAR(h);
    RUN(gelu, y, h);
}

static void linear_back(mx_ctx *c, mx_tensor dx, mx_tensor dw, mx_tensor db, mx_tensor dy, mx_tensor x,
                        mx_tensor h, mx_tensor w, void *work) {
    NEAR(dx), NEAR(dw), NEAR(db), NEAR(dy), NEAR(x), NEAR(h), NEAR(w), NEAR_WORK(work);
    RUN(linear_back, dx, dw, db, dy, x, h, w, work);
}

static void layernorm(mx_ctx *c, mx_tensor y, mx_tensor mean, mx_tensor rstd, mx_tensor x, mx_tensor gamma,
                      mx_tensor beta) {
    NEAR(y), NEAR(mean), NEAR(rstd), NEAR(x), NEAR(gamma), NEAR(beta);
    RUN(layernorm, y, mean, rstd, x, gamma, beta);
}

static void layernorm_back(mx_ctx *c, mx_tensor dx, mx_tensor dgamma, mx_tensor dbeta, mx_tensor dy,
                           mx_tensor x, mx_tensor mean, mx_tensor rstd, mx_tensor gamma, bool add,
                           void *work) {
    NEAR(dx), NEAR(dgamma), NEAR(dbeta), NEAR(dy), NEAR(x), NEAR(mean), NEAR(rstd), NEAR(gamma);
    NEAR_WORK(work);
    RUN(layernorm_back, dx, dgamma, dbeta, dy, x, mean, rstd, gamma, add, work);
}

static void attention(mx_ctx *c, mx_tensor out, mx_tensor lse, mx_tensor qkv, mx_tensor table,
                      const mx_layout *lay, void *work) {
    const mx_layout l = near_layout(c, lay);
    NEAR(out), NEAR(lse), NEAR(qkv), NEAR(table), NEAR_WORK(work);
    RUN(attention, out, lse, qkv, table, &l, work);
}

static void attention_back(mx_ctx *c, mx_tensor dqkv, mx_tensor dtable, mx_tensor dout, mx_tensor out,
                           mx_tensor lse, mx_tensor qkv, mx_tensor table, const mx_layout *lay, void *work) {
    const mx_layout l = near_layout(c, lay);
    NEAR(dqkv), NEAR(dtable), NEAR(dout), NEAR(out), NEAR(lse), NEAR(qkv), NEAR(table), NEAR_WORK(work);
    RUN(attention_back, dqkv, dtable, dout, out, lse, qkv, table, &l, work);
}

static void unmix(mx_ctx *c, mx_tensor y, mx_tensor z, mx_tensor token, mx_tensor pos, const mx_layout *lay) {
    const mx_layout l = near_layout(c, lay);
    NEAR(y), NEAR(z), NEAR(token), NEAR(pos);
    RUN(unmix, y, z, token, pos, &l);
}

static void unmix_back(mx_ctx *c, mx_tensor dz, mx_tensor dtoken, mx_tensor dy, const mx_layout *lay,
                       void *work) {
    const mx_layout l = near_layout(c, lay);
    NEAR(dz), NEAR(dtoken), NEAR(dy), NEAR_WORK(work);
    RUN(unmix_back, dz, dtoken, dy, &l, work);
}

static void pixel_loss(mx_ctx *c, mx_tensor loss, mx_tensor dpred, mx_tensor pred, mx_tensor images,
                       const mx_targets *targets, float scale, void *work) {
    mx_targets t = *targets;
    NEAR_ROWS(t.image, mx_rows(pred)), NEAR_ROWS(t.patch, mx_rows(pred));
    NEAR(loss), NEAR(dpred), NEAR(pred), NEAR(images), NEAR_WORK(work);
    RUN(pixel_loss, loss, dpred, pred, images, &t, scale, work);
}

static void soft_cross_entropy(mx_ctx *c, mx_tensor loss, mx_tensor dlogits, mx_tensor logits,
                               mx_tensor targets, float scale) {
    NEAR(loss), NEAR(dlogits), NEAR(logits), NEAR(targets);
    RUN(soft_cross_entropy, loss, dlogits, logits, targets, scale);
}

static void mean_rows(mx_ctx *c, mx_tensor y, mx_tensor x) {
    NEAR(y), NEAR(x);
    RUN(mean_rows, y, x);
}

static void mean_rows_back(mx_ctx *c, mx_tensor dx, mx_tensor dy) {
    NEAR(dx), NEAR(dy);
    RUN(mean_rows_back, dx, dy);
}

static void square_sum(mx_ctx *c, mx_tensor sum, mx_tensor g) {
    NEAR(sum), NEAR(g);
    RUN(square_sum, sum, g);
}

static void update_begin(mx_ctx *c, mx_tensor u, mx_tensor log, mx_tensor loss, double clip) {
    NEAR(u), NEAR(log), NEAR(loss);
    RUN(update_begin, u, log, loss, clip);
}

static void adamw(mx_ctx *c, mx_tensor w, mx_tensor m, mx_tensor v, mx_tensor g, mx_tensor u,
                  const mx_adamw_args *a) {
    NEAR(w), NEAR(m), NEAR(v), NEAR(g), NEAR(u);
    RUN(adamw, w, m, v, g, u, a);
}

/* ---- scratch memory: the inner backend's ------------------------------------------------------------------
 */

#define ASK(c, op, ...) /* bytes */                                                                          \
    mx_ctx *own = (mx_ctx *)(uintptr_t)(c);                                                                  \
    const mx_backend *outer = own->backend;                                                                  \
    own->backend = inner;                                                                                    \
    size_t bytes = inner->op ? inner->op(own, __VA_ARGS__) : 0;                                              \
    own->backend = outer;                                                                                    \
    return bytes

static size_t linear_work(const mx_ctx *c, int64_t rows, int64_t out, int64_t in, mx_dtype x) {
    ASK(c, linear_work, rows, out, in, x);
}
static size_t linear_back_work(const mx_ctx *c, int64_t rows, int64_t out, int64_t in, mx_dtype x) {
    ASK(c, linear_back_work, rows, out, in, x);
}
static size_t layernorm_back_work(const mx_ctx *c, int64_t rows, int64_t width) {
    ASK(c, layernorm_back_work, rows, width);
}
static size_t attention_work(const mx_ctx *c, const mx_layout *lay, int64_t batch, int64_t heads, int64_t d,
                             bool biased, bool backward) {
    ASK(c, attention_work, lay, batch, heads, d, biased, backward);
}
static size_t unmix_back_work(const mx_ctx *c, int64_t rows, int64_t width) {
    ASK(c, unmix_back_work, rows, width);
}
static size_t pixel_loss_work(const mx_ctx *c, int64_t rows, int64_t width) {
    ASK(c, pixel_loss_work, rows, width);
}

static mx_backend far_backend = {.name = "far",
                                 .device_make = device_make,
                                 .device_free = device_free,
                                 .attach = attach,
                                 .upload = upload,
                                 .download = download,
                                 .fill = fill,
                                 .copy = copy,
                                 .scale_samples = scale_samples,
                                 .gather_rows = gather_rows,
                                 .scatter_rows = scatter_rows,
                                 .patch_rows = patch_rows,
                                 .add_position = add_position,
                                 .linear = linear,
                                 .linear_work = linear_work,
                                 .gelu = gelu,
                                 .linear_back = linear_back,
                                 .linear_back_work = linear_back_work,
                                 .layernorm = layernorm,
                                 .layernorm_back = layernorm_back,
                                 .layernorm_back_work = layernorm_back_work,
                                 .attention = attention,
                                 .attention_back = attention_back,
                                 .attention_work = attention_work,
                                 .unmix = unmix,
                                 .unmix_back = unmix_back,
                                 .unmix_back_work = unmix_back_work,
                                 .pixel_loss = pixel_loss,
                                 .pixel_loss_work = pixel_loss_work,
                                 .soft_cross_entropy = soft_cross_entropy,
                                 .mean_rows = mean_rows,
                                 .mean_rows_back = mean_rows_back,
                                 .square_sum = square_sum,
                                 .update_begin = update_begin,
                                 .adamw = adamw};

static void begin(void) {
    inner = mx_backend_find("cpu");
    if (!inner) inner = &mx_backend_ref;
    far_backend.isa = inner->isa, far_backend.bf16 = inner->bf16;
}

const mx_backend *mx_backend_test_far(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, begin);
    return &far_backend;
}
