/* `mixmae pack`: writes any data set as tar shards of smaller pictures (docs/DATA.md). Shards are read nearly in
 * sequence, and no epoch decodes large originals.
 *
 * Samples are made on all processors, a block at a time, and written in order, so the same data and options
 * give the same bytes with any number of threads. Training samples are packed in a random order: readers
 * shuffle only as far as a few shards. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parallel.h"
#include "base/say.h"
#include "command/command.h"
#include "data/index.h"
#include "data/pack.h"
#include "io/file.h"
#include "train/open_data.h"
#include "base/again.h"
#include "base/text_stream.h"

#define MX_BLOCK_PER_THREAD 16
#define MX_TAR_BLOCK        512 /* bytes, POSIX's */
#define MX_TAR_RECORD       10240
#define MX_TAR_MOST         ((size_t)077777777777) /* that eleven octal digits hold */

typedef struct {
    void *bytes;
    size_t size;
    const char *extension;
    int64_t sample;
    mx_error error;
} packed;

typedef struct {
    const mx_options *o;
    const mixmae_sink *sink;
    const mx_dataset *data;
    const char *part; /* "train" or "val" */
    const uint32_t *order;
    packed *block;
    int64_t from;            /* index of the block's first sample */
    int64_t written, broken; /* samples */
    int64_t in_shard, shards;
    double bytes;
    mx_file *file;  /* the shard being written; NULL between shards */
    size_t in_file; /* bytes so far */
    mx_error *e;
} packing;

static const char zeros[MX_TAR_RECORD + 2 * MX_TAR_BLOCK];

static mx_status put(packing *p, const void *bytes, size_t size) {
    p->in_file += size;
    return mx_file_put(p->file, bytes, size, p->e);
}

static mx_status begin_shard(packing *p) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s-%06" PRId64 ".tar", p->o->output, p->part, p->shards) < 0)
        return mx_fail(p->e, MX_ERR_MEMORY, "out of memory");
    mx_status s = mx_file_begin(&p->file, path, p->e);
    free(path);
    if (s) return s;
    p->in_shard = 0;
    p->in_file = 0;
    return MX_OK;
}

/* Writes the end of the open shard, or drops it after an error. */
static mx_status end_shard(packing *p) {
    if (p->file && !p->e->status) { /* two empty blocks, then zeros up to a whole record */
        size_t end = (MX_TAR_RECORD - (p->in_file + 2 * MX_TAR_BLOCK) % MX_TAR_RECORD) % MX_TAR_RECORD;
        put(p, zeros, end + 2 * MX_TAR_BLOCK);
    }
    if (p->file && p->e->status)
        mx_file_drop(p->file);
    else if (p->file && !mx_file_commit(p->file, p->e))
        mx_notice(p->sink, "%s/%s-%06" PRId64 ".tar  %" PRId64 " images", p->o->output, p->part, p->shards++,
                  p->in_shard);
    p->file = NULL;
    return p->e->status;
}

/* POSIX's ustar header. Not by libarchive, which ends the program if it has no memory for a name. */
typedef struct {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100], magic[6],
        version[2], uname[32], gname[32], major[8], minor[8], prefix[155], end[12];
} ustar;

/* Writes one member. Its header holds nothing that differs from run to run. */
static mx_status add_member(packing *p, const char *key, const char *extension, const void *bytes,
                            size_t size) {
    ustar h = {.mode = "000644 ",
               .uid = "000000 ",
               .gid = "000000 ",
               .mtime = "00000000000 ",
               .sum = "        ",
               .type = '0',
               .magic = "ustar",
               .version = "00",
               .major = "000000 ",
               .minor = "000000 "};
    char number[24];
    int n = snprintf(h.name, sizeof h.name, "%s.%s", key, extension);
    if (n >= (int)sizeof h.name || size > MX_TAR_MOST)
        return mx_fail(p->e, MX_ERR_DATA, "%s.%s: a name of %d characters or %zu bytes do not fit tar", key,
                       extension, n, size);
    snprintf(number, sizeof number, "%011zo ", size);
    memcpy(h.size, number, sizeof h.size);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof h; i++) sum += ((const unsigned char *)&h)[i];
    snprintf(h.sum, 7, "%06o", sum);
    if (!put(p, &h, sizeof h) && !put(p, bytes, size))
        put(p, zeros, (MX_TAR_BLOCK - size % MX_TAR_BLOCK) % MX_TAR_BLOCK);
    p->bytes += (double)size;
    return p->e->status;
}

/* Fields in sorted order, like WebDataset's writer: cls sorts before every image's extension. */
static mx_status add_sample(packing *p, const packed *s) {
    char key[128], stem[96], label[16];
    if (!p->file && begin_shard(p)) return p->e->status;
    mx_pack_stem(p->data, s->sample, stem);
    snprintf(key, sizeof key, "%08" PRId64 "_%s", p->written, stem);
    if (mx_dataset_classes(p->data)) {
        int n = snprintf(label, sizeof label, "%d", mx_dataset_label(p->data, s->sample));
        if (add_member(p, key, "cls", label, (size_t)n)) return p->e->status;
    }
    if (add_member(p, key, s->extension, s->bytes, s->size)) return p->e->status;
    p->written++;
    return ++p->in_shard == p->o->shard_size ? end_shard(p) : MX_OK;
}

static void make_sample(void *user, int64_t k, int thread) {
    (void)thread;
    packing *p = user;
    packed *s = &p->block[k];
    s->sample = p->order ? p->order[p->from + k] : p->from + k;
    mx_pack_sample(p->data, s->sample, (int)p->o->size, (int)p->o->quality, &s->bytes, &s->size,
                   &s->extension, &s->error);
}

/* Writes the readable images and names the others. */
static mx_status write_block(packing *p, int64_t n) {
    for (int64_t k = 0; k < n && !p->e->status; k++) {
        const packed *s = &p->block[k];
        if (!s->error.status) {
            add_sample(p, s);
            continue;
        }
        if (s->error.status == MX_ERR_MEMORY) return mx_fail(p->e, MX_ERR_MEMORY, "%s", s->error.text);
        p->broken++;
        char where[MX_WHERE];
        mx_notice(p->sink, "left out: %s: %s", mx_dataset_where(where, p->data, s->sample), s->error.text);
    }
    return p->e->status;
}

static mx_status pack_all(packing *p, int threads) {
    int64_t count = mx_dataset_count(p->data), room = (int64_t)threads * MX_BLOCK_PER_THREAD;
    if (!(p->block = calloc((size_t)room, sizeof *p->block)))
        return mx_fail(p->e, MX_ERR_MEMORY, "out of memory for %" PRId64 " images", room);
    for (p->from = 0; p->from < count && !p->e->status; p->from += room) {
        int64_t n = count - p->from < room ? count - p->from : room;
        memset(p->block, 0, (size_t)room * sizeof *p->block);
        mx_parallel(threads, n, make_sample, p);
        write_block(p, n);
        for (int64_t k = 0; k < n; k++) free(p->block[k].bytes);
        if (p->sink->stop && p->sink->stop(p->sink->user))
            mx_fail(p->e, MX_ERR_INTERRUPTED,
                    "stopped after %" PRId64 " of %" PRId64 " images: nothing is written", p->written, count);
    }
    free(p->block);
    if (!p->e->status && p->written == 0)
        mx_fail(p->e, MX_ERR_DATA, "no image of %s can be read", mx_dataset_root(p->data));
    if (!p->e->status && (double)p->broken > p->o->max_bad * (double)count)
        mx_fail(p->e, MX_ERR_DATA, "%" PRId64 " of %" PRId64 " images of %s cannot be read (--max-bad %g)",
                p->broken, count, mx_dataset_root(p->data), p->o->max_bad);
    return end_shard(p);
}

static mx_status pack_part(const mx_dataset *data, const char *part, const mx_options *o,
                           const mixmae_sink *sink, mx_error *e) {
    packing p = {.o = o, .sink = sink, .data = data, .part = part, .e = e};
    int threads = o->threads ? (int)o->threads : mx_cores();
    uint32_t *order = NULL;
    if (!strcmp(part, "train")) {
        int64_t count = mx_dataset_count(data);
        if (!(order = malloc((size_t)count * sizeof *order)))
            return mx_fail(e, MX_ERR_MEMORY, "out of memory for the order of %" PRId64 " images", count);
        mx_pack_order(count, (uint64_t)o->seed, order);
    }
    p.order = order;
    if (!pack_all(&p, threads)) {
        mx_say(sink, "%-5s  %" PRId64 " images of %d classes in %" PRId64 " shards, %.1f MB%s", part,
               p.written, mx_dataset_classes(data), p.shards, p.bytes / 1e6,
               p.broken ? "; some left out" : "");
    }
    free(order);
    return e->status;
}

static mx_status write_classes(const mx_dataset *d, const char *folder, mx_error *e) {
    char *text = NULL, *path = NULL;
    size_t size = 0;
    if (!mx_dataset_classes(d)) return MX_OK;
    FILE *f = mx_text_stream(&text, &size);
    if (!f) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    for (int c = 0; c < mx_dataset_classes(d); c++) {
        const char *name = mx_dataset_class_name(d, c);
        if (!*name || strpbrk(name, "\r\n"))
            mx_fail(e, MX_ERR_DATA, "class %d: expected a name of one line", c);
        fprintf(f, "%s\n", name);
    }
    bool bad = ferror(f);
    if (fclose(f) || bad || asprintf(&path, "%s/classes.txt", folder) < 0) {
        path = NULL;
        mx_fail(e, MX_ERR_MEMORY, "out of memory");
    }
    if (!e->status) mx_file_write(path, text, size, e);
    free(text), free(path);
    return e->status;
}

static mx_status check(const mx_options *o, mx_error *e) {
    if (!o->data || !o->output)
        return mx_fail(e, MX_ERR_ARGUMENT, "pack needs both: mixmae pack --data DATA --output DIR");
    if (mx_path_exists(o->output) && !mx_folder_empty(o->output))
        return mx_fail(e, MX_ERR_ARGUMENT, "--output %s: expected a new or empty folder", o->output);
    if (o->size > 0 && mx_image_jpeg_check(e))
        return mx_fail_where(e, "--size %lld (0 keeps files as they are)", (long long)o->size);
    return MX_OK;
}

/* Removes a partial data set, which would look like a whole one and block the next attempt. */
static void take_back(const char *folder, bool made, mx_error *e) {
    static const char *const begins[] = {"train-", "val-", "classes.txt"};
    DIR *d = mx_open_folder(folder);
    bool empty = d != NULL;
    for (struct dirent *x; d && (x = mx_next_name(d));)
        for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
            if (!strncmp(x->d_name, begins[i], strlen(begins[i])) && unlinkat(dirfd(d), x->d_name, 0))
                empty = false;
    if (d) closedir(d);
    if (!empty) mx_fail_way(e, "%s could not be emptied: it holds a part of the data set, remove it", folder);
    if (made) rmdir(folder);
}

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    mx_dataset *train = NULL, *val = NULL;
    if (check(o, e) || mx_open_spec(&train, o, o->data, MX_SPLIT_TRAIN, NULL, e) ||
        mx_open_spec(&val, o, o->val_data ? o->val_data : o->data, MX_SPLIT_VAL, NULL, e))
        goto done;
    if (!val && o->val_data && mx_open_spec(&val, o, o->val_data, MX_SPLIT_TRAIN, NULL, e)) goto done;
    mx_notice_data(sink, train, val);
    if (mx_dataset_raw(train) && mx_image_png_check(e)) goto done;
    bool labels = mx_dataset_classes(train) > 0;
    if (val && labels != (mx_dataset_classes(val) > 0)) {
        mx_fail(e, MX_ERR_DATA, "expected both parts labelled or neither, found labels only in %s",
                mx_dataset_root(labels ? train : val));
        goto done;
    }
    if (val && labels && mx_dataset_same_classes(train, val, e)) goto done;
    bool made = !mx_path_exists(o->output);
    if (mx_folder_make(o->output, e)) goto done;
    if (!write_classes(train, o->output, e) && !pack_part(train, "train", o, sink, e) && val)
        pack_part(val, "val", o, sink, e);
    if (e->status) take_back(o->output, made, e);
done:
    mx_dataset_close(val);
    mx_dataset_close(train);
    return e->status;
}

const mx_command_about mx_about_pack = {
    .brief = "any data set to tar shards of smaller images, for fast reading",
    .usage = "mixmae pack --data DATA --output DIR [--size S] [--quality Q] [--shard-size N]",
    .text = "Writes DIR/train-000000.tar ..., DIR/val-000000.tar ... and DIR/classes.txt in WebDataset's "
            "layout; --data DIR reads them back. Pictures of 8 bits, grey or RGB, are resized; all others "
            "keep their bytes. The same data and options give the same bytes.",
    .examples = {"mixmae pack --data imagenet --output shards --size 256",
                 "mixmae pack --data inat:downloads/inat2018 --output inat --size 320 --quality 90"},
    .stoppable = true,
    .run = run,
};
