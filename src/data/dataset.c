/* A data set as a numbered list: opens the index of a source (from the cache, or by listing it) and serves it. After
 * opening, only subset.c changes it, so any thread may use it. read.c reads the samples. */
#include "base/escape.h"
#include "base/parallel.h"
#include "data/source.h"
#include "base/again.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MX_HOLDERS_KEPT 256 /* most files with samples inside that stay open */

/* Hashes names and sizes; also labels if they come from a list, which may change while the files stay the same. */
static uint64_t fingerprint_of(const mx_index *x) {
    uint64_t h = (uint64_t)x->files;
    for (int64_t i = 0; i < x->files; i++) {
        for (const char *p = x->names + x->file[i].name; *p; p++)
            h = (h ^ (unsigned char)*p) * 0x100000001b3u; /* FNV */
        h = (h ^ (uint64_t)x->file[i].size) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 31;
        if (x->kind != MX_SOURCE_FOLDER) h = (h ^ (uint64_t)(uint32_t)x->file[i].label) * 0x100000001b3u;
    }
    return h;
}

/* Finds the first sample of each shard; a shard's samples are consecutive. */
static mx_status find_runs(mx_dataset *d, mx_error *e) {
    const mx_index *x = &d->index;
    free(d->run);
    d->run = NULL, d->runs = 0;
    if (x->kind != MX_SOURCE_TAR) return MX_OK;
    int64_t runs = 0;
    for (int64_t i = 0; i < x->files; i++) runs += !i || x->file[i].holder != x->file[i - 1].holder;
    if (!(d->run = malloc(((size_t)runs + 1) * sizeof *d->run)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for %lld shards", (long long)runs);
    for (int64_t i = 0; i < x->files; i++)
        if (!i || x->file[i].holder != x->file[i - 1].holder) d->run[d->runs++] = i;
    d->run[d->runs] = x->files;
    return MX_OK;
}

mx_status mx_dataset_settle(mx_dataset *d, mx_error *e) {
    d->fingerprint = fingerprint_of(&d->index);
    return find_runs(d, e);
}

static mx_status open_root(mx_dataset *d, mx_error *e) {
    struct stat st;
    char quoted[MX_QUOTE];
    const char *root = d->source.root;
    d->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->root_fd >= 0) return MX_OK;
    int error = errno;
    if (error == ENOTDIR && !mx_stat(root, &st))
        return mx_fail(e, MX_ERR_DATA, "expected a folder of images, found a file: %s",
                       mx_quote(quoted, root));
    return mx_fail(e, error == ENOENT ? MX_ERR_DATA : MX_ERR_IO, "cannot open the data folder %s: %s",
                   mx_quote(quoted, root), strerror(error));
}

/* Fails if no file of a list exists: then the path is wrong, not each image broken. */
static mx_status check_there(const mx_dataset *d, mx_error *e) {
    const mx_index *x = &d->index;
    char given[MX_QUOTE], path[MX_QUOTE], root[MX_QUOTE];
    if (!x->files) return mx_fail(e, MX_ERR_DATA, "%s lists no images", mx_quote(given, d->source.given));
    for (int64_t i = 0; i < x->files; i++)
        if (x->file[i].holder || x->file[i].size || x->file[i].mtime) return MX_OK;
    return mx_fail(e, MX_ERR_DATA,
                   "none of the %lld images that %s lists is there: the first would be %s in the folder %s",
                   (long long)x->files, mx_quote(given, d->source.given),
                   mx_quote(path, mx_dataset_path(d, 0)), mx_quote(root, d->source.root));
}

static mx_status list_and_probe(mx_dataset *d, const mx_index *old, mx_error *e) {
    static mx_source_lister *const list[MX_SOURCE_KINDS] = {
        [MX_SOURCE_FOLDER] = mx_list_folder, [MX_SOURCE_INAT] = mx_list_inat,
        [MX_SOURCE_PLACES] = mx_list_places, [MX_SOURCE_CIFAR] = mx_list_cifar,
        [MX_SOURCE_LIST] = mx_list_list,     [MX_SOURCE_TAR] = mx_list_tar};
    mx_index *x = &d->index;
    x->kind = d->source.kind;
    mx_status s = list[d->source.kind](x, &d->source, d->root_fd, e);
    if (s) return s;
    if (x->kind != MX_SOURCE_FOLDER) old = NULL; /* not sorted, so it cannot be searched */
    int cores = mx_cores();
    s = mx_index_probe(x, old, d->root_fd,
                       cores < 4    ? 4
                       : cores > 16 ? 16
                                    : cores,
                       e); /* more threads than cores: they wait for disks */
    if (s) return s;
    return check_there(d, e);
}

/* Takes the index from the cache if that is current; otherwise lists the source and writes the cache. */
static mx_status make_index(mx_dataset *d, const char *cache_path, mx_error *e) {
    mx_index old = {0};
    int64_t written;
    struct timespec now;
    mx_status s = MX_OK;
    char *identity = mx_source_identity(&d->source);
    if (!identity) return mx_fail(e, MX_ERR_MEMORY, "out of memory opening a data set");
    bool have =
        cache_path && mx_index_load(&old, &written, cache_path, identity) && old.kind == (int)d->source.kind;
    if (have && mx_index_current(&old, written, d->root_fd, 8)) {
        d->index = old;
        old = (mx_index){0};
        goto done;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    s = list_and_probe(d, have ? &old : NULL, e);
    if (!s && cache_path) /* if it cannot be written, the next run lists everything again */
        mx_index_save(&d->index, now.tv_sec * 1000000000 + now.tv_nsec, cache_path, identity);
done:
    mx_index_free(&old);
    free(identity);
    return s;
}

/* Fails if a file has a format that this build lacks. Otherwise such files would count as broken images later. */
static mx_status check_formats(const mx_dataset *d, mx_error *e) {
    char where[MX_WHERE];
    if (mx_image_all_formats()) return MX_OK;
    for (int64_t i = 0; i < d->index.files; i++)
        if (mx_image_name_check(mx_dataset_path(d, i), e))
            return mx_fail_where(e, "%s", mx_dataset_where(where, d, i));
    return MX_OK;
}

static mx_status keep_holders(mx_dataset *d, mx_error *e) {
    int64_t n = d->index.folders;
    if (d->source.kind == MX_SOURCE_FOLDER || n > MX_HOLDERS_KEPT) return MX_OK;
    if (!(d->holder_fd = malloc((size_t)n * sizeof *d->holder_fd)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory for %lld files", (long long)n);
    for (int64_t i = 0; i < n; i++) d->holder_fd[i] = -1;
    return MX_OK;
}

/* Opens the data set of a source, and takes ownership of the source's contents. */
static mx_status open_source(mx_dataset **out, mx_source *source, const char *cache_path, mx_error *e) {
    *out = NULL;
    mx_dataset *d = calloc(1, sizeof *d);
    if (!d) {
        mx_source_free(source);
        return mx_fail(e, MX_ERR_MEMORY, "out of memory opening a data set");
    }
    d->source = *source;
    d->root_fd = -1;
    mx_status s = open_root(d, e);
    if (!s) s = make_index(d, cache_path, e);
    if (!s && source->note) s = mx_index_note(&d->index, e, "%s", source->note);
    if (!s) s = check_formats(d, e);
    if (!s) s = keep_holders(d, e);
    if (!s) s = mx_dataset_settle(d, e);
    if (s)
        mx_dataset_close(d);
    else
        *out = d;
    return s;
}

/* Fails after a transient system error (base/again.h), which may have hidden images. */
static void check_met(const mx_data_request *r, mx_error *e) {
    char quoted[MX_QUOTE];
    int error = mx_met_error();
    if (!error) return;
    *e = (mx_error){0};
    mx_fail(e, mx_error_scarce(error) ? MX_ERR_MEMORY : MX_ERR_IO, "cannot look through %s: %s",
            mx_quote(quoted, r->spec), strerror(error));
}

mx_status mx_dataset_open_request(mx_dataset **out, const mx_data_request *r, mx_split split,
                                  const char *cache_path, mx_error *e) {
    mx_source s = {0};
    bool found = false;
    mx_error own = {0}; /* e may be NULL; readers add the place to the message */
    *out = NULL;
    mx_met_none();
    mx_source_find(&s, &found, r, split, &own);
    if (!own.status || own.status == MX_ERR_DATA) check_met(r, &own);
    if (!own.status && found)
        open_source(out, &s, cache_path, &own);
    else
        mx_source_free(&s);
    return own.status ? mx_fail(e, own.status, "%s", own.text) : MX_OK;
}

mx_status mx_dataset_open_split(mx_dataset **out, const char *spec, mx_split split, const char *cache_path,
                                mx_error *e) {
    const mx_data_request r = {.spec = spec};
    return mx_dataset_open_request(out, &r, split, cache_path, e);
}

mx_status mx_dataset_open(mx_dataset **out, const char *spec, const char *cache_path, mx_error *e) {
    return mx_dataset_open_split(out, spec, MX_SPLIT_ALL, cache_path, e);
}

void mx_dataset_close(mx_dataset *d) {
    if (!d) return;
    for (int64_t i = 0; d->holder_fd && i < d->index.folders; i++)
        if (d->holder_fd[i] >= 0) close(d->holder_fd[i]);
    free(d->holder_fd), free(d->run);
    mx_index_free(&d->index);
    mx_source_free(&d->source);
    if (d->root_fd >= 0) close(d->root_fd);
    free(d);
}

void mx_dataset_turn(mx_dataset *d, bool on) {
    if (d) d->turn = on;
}

const char *mx_dataset_unread(const mx_dataset *d) {
    return d->index.unread ? d->index.names + d->index.unread : "";
}

mx_status mx_dataset_check_classes(const mx_dataset *d, bool training, mx_error *e) {
    const mx_index *x = &d->index;
    char quoted[MX_QUOTE], first[MX_QUOTE];
    if (x->classes && x->lost)
        return mx_fail(e, MX_ERR_DATA, "%s: %s", mx_quote(quoted, d->source.given), x->names + x->lost);
    if (!training) return MX_OK;
    int64_t readable = 0;
    int64_t *of =
        calloc((size_t)x->classes + 1, 2 * sizeof *of); /* images of a class, and those with a header */
    if (!of) return mx_fail(e, MX_ERR_MEMORY, "out of memory for %lld classes", (long long)x->classes);
    for (int64_t i = 0; i < x->files; i++)
        if (x->file[i].label >= 0)
            of[2 * x->file[i].label]++, of[2 * x->file[i].label + 1] += x->file[i].width > 0;
    for (int64_t i = 0; i < x->files; i++) readable += x->file[i].width > 0;
    for (int64_t i = 0; i < x->files && !e->status && readable;
         i++) { /* if no image is readable, reading reports it */
        int32_t label = x->file[i].label;
        if (label >= 0 && of[2 * label] && !of[2 * label + 1])
            mx_fail(e, MX_ERR_DATA, "none of the %lld images of the class %s can be read, as %s",
                    (long long)of[2 * label], mx_quote(quoted, mx_dataset_class_name(d, label)),
                    mx_quote(first, mx_dataset_path(d, i)));
    }
    free(of);
    return e->status;
}

int64_t mx_dataset_count(const mx_dataset *d) { return d->index.files; }
const char *mx_dataset_path(const mx_dataset *d, int64_t i) { return d->index.names + d->index.file[i].name; }
const char *mx_dataset_where(char out[MX_WHERE], const mx_dataset *d, int64_t i) {
    char root[MX_QUOTE], path[MX_QUOTE];
    mx_quote(path, mx_dataset_path(d, i));
    size_t n = strlen(mx_quote(root, d->source.root));
    if (*path == '/' || !strcmp(root, "."))
        snprintf(out, MX_WHERE, "%s", path);
    else
        snprintf(out, MX_WHERE, "%s%s%s", root, n && root[n - 1] == '/' ? "" : "/", path);
    return out;
}

int mx_dataset_label(const mx_dataset *d, int64_t i) { return d->index.file[i].label; }
int mx_dataset_classes(const mx_dataset *d) { return (int)d->index.classes; }
const char *mx_dataset_class_name(const mx_dataset *d, int label) {
    return d->index.names + d->index.class_name[label];
}
const char *mx_dataset_root(const mx_dataset *d) { return d->source.given; }
const char *mx_dataset_note(const mx_dataset *d) { return d->index.note ? d->index.note : ""; }
uint64_t mx_dataset_fingerprint(const mx_dataset *d) { return d->fingerprint; }
const mx_index *mx_dataset_index(const mx_dataset *d) { return &d->index; }

int64_t mx_dataset_passed_over(const mx_dataset *d, const char **first) {
    *first = d->index.own ? d->index.names + d->index.own_name : "";
    return d->index.own;
}

unsigned mx_dataset_formats(const mx_dataset *d) {
    unsigned all = 0;
    for (int64_t i = 0; i < d->index.files && !mx_dataset_raw(d); i++) {
        const mx_entry *f = &d->index.file[i];
        all |= f->format ? 1u << f->format : f->width ? ~0u : 0; /* a file without a format is not decoded */
    }
    return all;
}

void mx_dataset_size(const mx_dataset *d, int64_t i, int *width, int *height) {
    *width = (int)d->index.file[i].width, *height = (int)d->index.file[i].height;
}

size_t mx_dataset_largest(const mx_dataset *d) {
    size_t most = 0;
    for (int64_t i = 0; i < d->index.files; i++) {
        const mx_entry *f = &d->index.file[i];
        size_t bytes =
            (size_t)f->width * f->height * f->channels * f->depth; /* at most 4 << 30, checked by the index */
        if (bytes > most) most = bytes;
    }
    return most;
}

const char *mx_quote(char out[MX_QUOTE], const char *name) {
    size_t length = strlen(name), at = 0, used = 0;
    while (used < length) {
        if (at >= 96 && at < 100 && length - used > 140) { /* keep both ends */
            memcpy(out + at, "...", 3);
            at += 3, used = length - 100;
            while ((name[used] & 0xc0) == 0x80) used++; /* to the start of a character */
            continue;
        }
        size_t n = mx_escape_plain(name + used);
        char one[5] = {0};
        if (at + sizeof one > MX_QUOTE) break;
        memcpy(one, name + used, n ? n : 1);
        mx_escape_into(out + at, sizeof one, one);
        at += n ? n : 4, used += n ? n : 1;
    }
    out[at] = 0;
    return out;
}
