/* The loader: turns files into an ordered stream of batches, with worker threads that work ahead of training.
 *
 * A worker draws a ticket, the number of one sample, and decodes that sample into its place in a ring of batches. The
 * consumer waits for the batch at the head. A sample is a function of its ticket, so neither the number of workers nor
 * their timing can change a byte. Only the consumer handles broken files, in sample order. Tickets are drawn in order
 * under the lock, so one permutation (4 bytes per image) serves all workers: the worker that draws the first ticket of
 * an epoch makes it, and each ticket contains its file's number.
 *
 * The last batch returned stays in the ring until the next call, so the ring has ahead + 1 batches. */
#include "base/arena.h"
#include "base/clock.h"
#include "data/index.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MX_ATTEMPTS   16
#define MX_BAD_LISTED 20
#define MX_BAD_GRACE                                                                                         \
    1000 /* the share counts of at least so many images, since two in the first ten prove nothing */
#define MX_WORKERS_MAX 1024
#define MX_WORKER_HEAP ((size_t)2 << 20) /* small blocks that malloc keeps for a thread, see cli/main.c */

/* The broken files of one sample; only the consumer reads it. */
typedef struct {
    int count;     /* broken files met */
    bool empty;    /* no attempt gave a usable file */
    bool short_of; /* the last attempt lacked memory or file descriptors, so the run ends */
    int64_t file[MX_ATTEMPTS];
    char *text[MX_ATTEMPTS]; /* NULL: out of memory for the message */
} trouble;

typedef struct {
    float *images;
    int64_t *index;
    int32_t *label;
    trouble *trouble; /* [batch] */
    int done;         /* samples finished; under the lock */
} slot;

typedef struct {
    int64_t sample; /* number in the run */
    int64_t epoch, k, file;
} ticket;

struct mx_loader {
    mx_loader_config c;
    slot *ring;
    int slots;
    int64_t count, epoch_samples;
    size_t image_size; /* floats */

    pthread_mutex_t lock;
    pthread_cond_t room, ready; /* workers wait for a free slot, the consumer for a full one */
    pthread_cond_t idle;        /* mx_loader_pause waits for the workers */
    bool paused;                /* under the lock, as is the number of workers that have noticed it */
    int parked;
    atomic_bool stop;
    int64_t next;        /* sample of the next ticket; under the lock, as is the permutation */
    int64_t order_epoch; /* epoch of the permutation; -1: none made yet */
    uint32_t *order;
    int64_t head; /* batch that the consumer gets next; it still uses head - 1 */

    pthread_t *worker;
    int workers;
    mx_scratch scratch; /* for the caller's thread, if there are no workers */
    int64_t seen, bad;
    int64_t listed[MX_BAD_LISTED];
    int listed_count;
    mx_error error; /* returned by every later call */
};

static int64_t order_room(const mx_loader_config *c) {
    return c->balance > 0 ? mx_dataset_balanced_room(c->data) : mx_dataset_order_room(c->data);
}

static void make_order(mx_loader *l, int64_t epoch) {
    if (l->c.balance > 0)
        mx_dataset_order_balanced(l->c.data, l->c.balance, l->c.seed, epoch, l->order);
    else
        mx_dataset_order(l->c.data, l->c.seed, epoch, l->order);
}

/* Draws the next ticket. Call it under the lock, or without workers. */
static ticket draw(mx_loader *l) {
    ticket t = {.sample = l->next++};
    t.epoch = t.sample / l->epoch_samples;
    t.k = t.sample % l->epoch_samples;
    if (!l->c.transform.augment)
        t.file = t.sample % l->count;
    else {
        if (t.epoch != l->order_epoch) make_order(l, l->order_epoch = t.epoch);
        t.file = l->order[t.k % l->count]; /* a longer epoch repeats the list */
    }
    return t;
}

static slot *slot_of(mx_loader *l, int64_t batch) { return &l->ring[batch % l->slots]; }

static void note(trouble *w, int64_t file, const mx_error *e) {
    w->file[w->count] = file;
    w->text[w->count++] = strdup(e->text);
}

static bool tried(const trouble *w, int64_t file) {
    for (int i = 0; i < w->count; i++)
        if (w->file[i] == file) return true;
    return false;
}

/* Decodes the ticket's file, or the first readable replacement, into its place in the ring. */
static void produce(mx_loader *l, const ticket *t, mx_scratch *scratch) {
    int place = (int)(t->sample % l->c.batch);
    slot *s = slot_of(l, t->sample / l->c.batch);
    float *chw = s->images + (size_t)place * l->image_size;
    trouble *w = &s->trouble[place];
    mx_rng replace = mx_rng_make(l->c.seed, MX_RNG_REPLACE, (uint64_t)t->epoch, (uint32_t)t->k);
    int64_t file = t->file;
    for (int attempt = 0; attempt < MX_ATTEMPTS && !atomic_load(&l->stop); attempt++) {
        mx_error e = {0};
        mx_rng r = mx_rng_make(l->c.seed, MX_RNG_AUGMENT, (uint64_t)t->epoch, (uint32_t)t->k);
        if (!tried(w, file)) { /* a broken file counts once per sample */
            if (!mx_transform_file(l->c.data, &l->c.transform, file, r, scratch, chw, &e)) {
                s->index[place] = file;
                s->label[place] = mx_dataset_label(l->c.data, file);
                return;
            }
            note(w, file, &e);
            if ((w->short_of = e.status == MX_ERR_MEMORY)) return;
        }
        if (l->c.no_replacement) {
            memset(chw, 0, l->image_size * sizeof *chw);
            s->index[place] = s->label[place] = -1;
            return;
        }
        file = (int64_t)mx_rng_below(&replace, (uint64_t)l->count);
    }
    w->empty = true;
}

/* Waits, under the lock, until a sample can be drawn: the slot of batch b is free once b - slots has left the
 * consumer's hands, that is head > b - slots + 1. While paused it holds no memory. */
static void await_room(mx_loader *l, mx_scratch *scratch) {
    while (!atomic_load(&l->stop) && (l->paused || l->next / l->c.batch - l->slots + 1 >= l->head)) {
        bool park = l->paused;
        if (park) {
            mx_scratch_free(scratch);
            l->parked++;
            pthread_cond_signal(&l->idle);
        }
        pthread_cond_wait(&l->room, &l->lock);
        while (park && l->paused && !atomic_load(&l->stop)) pthread_cond_wait(&l->room, &l->lock);
        l->parked -= park;
    }
}

static void *work(void *p) {
    mx_loader *l = p;
    mx_scratch scratch = {0};
    pthread_mutex_lock(&l->lock);
    for (;;) {
        await_room(l, &scratch);
        if (atomic_load(&l->stop)) break;
        ticket t = draw(l);
        pthread_mutex_unlock(&l->lock);
        produce(l, &t, &scratch);
        pthread_mutex_lock(&l->lock);
        if (++slot_of(l, t.sample / l->c.batch)->done == l->c.batch) pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->lock);
    mx_scratch_free(&scratch);
    return NULL;
}

static void clear_trouble(slot *s, int batch) {
    for (int i = 0; i < batch; i++) {
        trouble *w = &s->trouble[i];
        while (w->count > 0) free(w->text[--w->count]);
        w->empty = w->short_of = false;
    }
}

/* True if more files are broken than mx_loader_config.bad_share allows. */
static bool too_many(const mx_loader *l) {
    int64_t passes = l->seen ? (l->seen - 1) / l->count + 1 : 1;
    int64_t judged = l->count < MX_BAD_GRACE ? l->count : MX_BAD_GRACE;
    if (l->seen > judged) judged = l->seen;
    double limit = l->c.bad_share * (double)judged;
    return (double)l->bad > (limit > (double)passes ? limit : (double)passes);
}

/* Remembers the first few different broken files for the message that ends the run. */
static void list_broken(mx_loader *l, int64_t file) {
    for (int i = 0; i < l->listed_count; i++)
        if (l->listed[i] == file) return;
    if (l->listed_count < MX_BAD_LISTED) l->listed[l->listed_count++] = file;
}

static void say(mx_loader *l, const trouble *w, int i, int64_t used) {
    char line[MX_WHERE + MX_QUOTE + 1200], bad[MX_WHERE], good[MX_QUOTE], end[MX_QUOTE + 32] = "";
    if (!l->c.log) return;
    if (i == w->count - 1 && !w->empty && used >= 0)
        snprintf(end, sizeof end, " (used instead: %s)", mx_quote(good, mx_dataset_path(l->c.data, used)));
    snprintf(line, sizeof line, "broken file: %s: %s%s", mx_dataset_where(bad, l->c.data, w->file[i]),
             w->text[i] ? w->text[i] : "out of memory", end);
    l->c.log(l->c.user, line);
}

/* Fails with the message that ends the run: the counts, and as many files as fit. */
static mx_status give_up(mx_loader *l, const char *why) {
    char names[900] = "", quoted[MX_QUOTE], root[MX_QUOTE];
    size_t used = 0;
    for (int i = 0; i < l->listed_count; i++) {
        const char *name = mx_quote(quoted, mx_dataset_path(l->c.data, l->listed[i]));
        if (used + strlen(name) + 8 > sizeof names) {
            used += (size_t)snprintf(names + used, sizeof names - used, ", ...");
            break;
        }
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", name);
    }
    return mx_fail(&l->error, MX_ERR_DATA, "%s: %lld broken among %lld images of %s: %s", why,
                   (long long)l->bad, (long long)l->seen, mx_quote(root, mx_dataset_root(l->c.data)), names);
}

static mx_status scarce(mx_loader *l, const trouble *w) {
    char where[MX_WHERE];
    const char *text = w->text[w->count - 1];
    return mx_fail(&l->error, MX_ERR_MEMORY, "%s: %s",
                   mx_dataset_where(where, l->c.data, w->file[w->count - 1]), text ? text : "out of memory");
}

/* Counts and logs the broken files of a finished batch, in sample order. */
static mx_status settle(mx_loader *l, slot *s) {
    for (int i = 0; i < l->c.batch; i++) {
        const trouble *w = &s->trouble[i];
        /* The last batch repeats images at its end; these do not count again. */
        if (l->c.no_replacement && (l->head - 1) * l->c.batch + i >= l->count) break;
        if (w->short_of) return scarce(l, w);
        l->seen++;
        for (int k = 0; k < w->count; k++) {
            l->bad++;
            list_broken(l, w->file[k]);
            say(l, w, k, s->index[i]);
        }
        if (w->empty) return give_up(l, "a broken image could not be replaced by any of 15 others");
        if (w->count && too_many(l)) return give_up(l, "too many broken images");
    }
    return MX_OK;
}

static size_t images_bytes(const mx_loader *l) { return (size_t)l->c.batch * l->image_size * sizeof(float); }

/* Each evaluation opens a loader of its own, so batches are mapped pages, which return to the system (arena.h). */
static bool make_slot(slot *s, const mx_loader *l) {
    size_t batch = (size_t)l->c.batch;
    s->images = mx_pages_map(images_bytes(l));
    s->index = calloc(batch, sizeof *s->index);
    s->label = calloc(batch, sizeof *s->label);
    s->trouble = calloc(batch, sizeof *s->trouble);
    return s->images && s->index && s->label && s->trouble;
}

/* Fails if RandAugment or colour jitter, which need 8-bit images, would meet others. Otherwise each such image would
 * count as a broken file. */
static mx_status check_depth(const mx_loader_config *c, mx_error *e) {
    const mx_transform *t = &c->transform;
    const mx_index *x = mx_dataset_index(c->data);
    char where[MX_WHERE];
    if (!t->augment || !(t->randaugment.on || t->color_jitter > 0)) return MX_OK;
    for (int64_t i = 0; i < x->files; i++)
        if (x->file[i].width && x->file[i].depth > 1)
            return mx_fail(e, MX_ERR_DATA,
                           "RandAugment and colour jitter expect 8-bit images, found %d bits in %s: "
                           "--aa none --color-jitter 0 leaves them out",
                           8 * x->file[i].depth, mx_dataset_where(where, c->data, i));
    return MX_OK;
}

static mx_status check(const mx_loader_config *c, mx_error *e) {
    if (!c->data || mx_dataset_count(c->data) < 1)
        return mx_fail(e, MX_ERR_ARGUMENT, "loader: expected a data set");
    if (c->batch < 1 || c->batches_per_epoch < 1 || c->first_batch < 0 || c->bad_seen < 0 || c->bad_count < 0)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "loader: expected a batch size and batches per epoch of at least 1 and "
                       "counters of at least 0, found %d, %lld, %lld, %lld, %lld",
                       c->batch, (long long)c->batches_per_epoch, (long long)c->first_batch,
                       (long long)c->bad_seen, (long long)c->bad_count);
    if (c->batch > 1 << 20 || c->batches_per_epoch > UINT32_MAX / c->batch ||
        c->first_batch > INT64_MAX / 2 / c->batch)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "loader: expected an epoch of at most %u images, found %lld batches of %d", UINT32_MAX,
                       (long long)c->batches_per_epoch, c->batch);
    if (c->workers < 0 || c->workers > MX_WORKERS_MAX || c->ahead < 0 || c->ahead > 1 << 16)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "loader: expected 0 to %d workers and 0 to 65536 batches ahead, found %d, %d",
                       MX_WORKERS_MAX, c->workers, c->ahead);
    if (!(c->bad_share >= 0 && c->bad_share <= 1))
        return mx_fail(e, MX_ERR_ARGUMENT, "loader: expected a share of broken files in [0,1], found %g",
                       c->bad_share);
    if (!(c->balance >= 0 && c->balance <= 1))
        return mx_fail(e, MX_ERR_ARGUMENT, "loader: expected a balance in [0,1], found %g", c->balance);
    mx_status s = mx_transform_check(&c->transform, e);
    return s ? s : check_depth(c, e);
}

static mx_status start(mx_loader *l, mx_error *e) {
    sigset_t all, before; /* workers block signals, so that the program's own threads receive them */
    int failed = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (!failed && l->workers < l->c.workers)
        if (!(failed = pthread_create(&l->worker[l->workers], NULL, work, l))) l->workers++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) return MX_OK;
    return mx_fail(e, MX_ERR_MEMORY, "cannot start loader thread %d of %d: %s", l->workers + 1, l->c.workers,
                   strerror(failed));
}

mx_status mx_loader_open(mx_loader **out, const mx_loader_config *config, mx_error *e) {
    *out = NULL;
    mx_status s = check(config, e);
    if (s) return s;
    mx_loader *l = calloc(1, sizeof *l);
    if (!l) return mx_fail(e, MX_ERR_MEMORY, "out of memory for the loader");
    l->c = *config;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->room, NULL), pthread_cond_init(&l->ready, NULL);
    pthread_cond_init(&l->idle, NULL);
    atomic_init(&l->stop, false);
    l->count = mx_dataset_count(config->data);
    l->epoch_samples = config->batches_per_epoch * config->batch;
    l->image_size = (size_t)config->transform.channels * (size_t)config->transform.height *
                    (size_t)config->transform.width;
    l->head = config->first_batch;
    l->next = config->first_batch * config->batch;
    l->order_epoch = -1;
    l->seen = config->bad_seen, l->bad = config->bad_count;
    l->slots = config->workers ? config->ahead + 1 : 1;
    l->ring = calloc((size_t)l->slots, sizeof *l->ring);
    l->order = malloc((size_t)order_room(config) * sizeof *l->order);
    l->worker = calloc((size_t)config->workers + 1, sizeof *l->worker);
    bool good = l->ring && l->order && l->worker;
    for (int i = 0; good && i < l->slots; i++) good = make_slot(&l->ring[i], l);
    if (!good)
        s = mx_fail(e, MX_ERR_MEMORY,
                    "no memory for the loader's %d batches of %d images: expected %zu bytes", l->slots,
                    config->batch, mx_loader_memory(config));
    if (!s) s = start(l, e);
    if (s)
        mx_loader_close(l);
    else
        *out = l;
    return s;
}

/* Waits for the batch at the head. Without workers, decodes it here. */
static void await(mx_loader *l, slot *s) {
    if (!l->workers) {
        while (s->done < l->c.batch) {
            ticket t = draw(l);
            produce(l, &t, &l->scratch);
            s->done++;
        }
        return;
    }
    pthread_mutex_lock(&l->lock);
    while (s->done < l->c.batch) pthread_cond_wait(&l->ready, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

mx_status mx_loader_next(mx_loader *l, mx_batch *out, mx_error *e) {
    double before = mx_clock_now();
    *out = (mx_batch){0};
    if (l->error.status) return mx_fail(e, l->error.status, "%s", l->error.text);
    pthread_mutex_lock(&l->lock);
    int64_t batch = l->head++;
    slot *s = slot_of(l, batch);
    if (batch > l->c.first_batch) { /* the caller no longer uses the last batch */
        slot *old = slot_of(l, batch - 1);
        clear_trouble(old, l->c.batch);
        old->done = 0;
    }
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
    await(l, s);
    double waited = mx_clock_now() - before;
    if (settle(l, s)) return mx_fail(e, l->error.status, "%s", l->error.text);
    *out = (mx_batch){.images = s->images,
                      .index = s->index,
                      .label = s->label,
                      .number = batch,
                      .bad_seen = l->seen,
                      .bad_count = l->bad,
                      .wait_seconds = waited};
    return MX_OK;
}

void mx_loader_pause(mx_loader *l, bool on) {
    pthread_mutex_lock(&l->lock);
    l->paused = on;
    pthread_cond_broadcast(&l->room);
    while (on && l->parked < l->workers) pthread_cond_wait(&l->idle, &l->lock);
    pthread_mutex_unlock(&l->lock);
    if (on) mx_scratch_free(&l->scratch);
}

void mx_loader_close(mx_loader *l) {
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    atomic_store(&l->stop, true);
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
    while (l->workers > 0) pthread_join(l->worker[--l->workers], NULL);
    for (int i = 0; l->ring && i < l->slots; i++) {
        slot *s = &l->ring[i];
        if (s->trouble) clear_trouble(s, l->c.batch);
        mx_pages_unmap(s->images, images_bytes(l)), free(s->index), free(s->label), free(s->trouble);
    }
    mx_scratch_free(&l->scratch);
    free(l->ring), free(l->order), free(l->worker);
    pthread_cond_destroy(&l->room), pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->idle);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

mx_loader_needs mx_loader_measure(const mx_loader_config *c) {
    mx_loader_needs n;
    double image = 4.0 * c->transform.channels * c->transform.height * c->transform.width;
    double sample = image + sizeof(int64_t) + sizeof(int32_t) + sizeof(trouble);
    double ring = (c->workers ? c->ahead + 1.0 : 1.0) * (sample * c->batch + sizeof(slot) + 64) +
                  4.0 * (double)order_room(c) + sizeof(mx_loader);
    n.pictures = c->workers ? c->workers : 1;
    ring += n.pictures * (double)MX_WORKER_HEAP;
    n.worker = mx_transform_memory(c->data, &c->transform, c->packed, &n.largest);
    n.ring = ring < 0x1p62 ? (size_t)ring + 1 : SIZE_MAX;
    return n;
}

size_t mx_loader_memory(const mx_loader_config *c) {
    const mx_loader_needs n = mx_loader_measure(c);
    double sum = (double)n.ring + (double)n.pictures * (double)n.worker;
    return sum < 0x1p62 ? n.ring + (size_t)n.pictures * n.worker : SIZE_MAX;
}
