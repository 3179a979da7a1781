/* CIFAR-10 and CIFAR-100 in their binary files. A record is a label (CIFAR-100: a coarse and a fine label, of which the
 * fine one counts) and 3072 bytes of planes. Labels are read once; read.c reads the planes from the file. */
#include "base/again.h"
#include "data/source.h"
#include "data/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MX_CIFAR_BATCHES 5
#define MX_READ_RECORDS  256 /* records read at a time */

static bool there(const char *folder, const char *name) {
    char *path = mx_text_make("%s/%s", folder, name);
    bool yes = path && mx_there(path);
    free(path);
    return yes;
}

static bool is_ten(const char *folder) {
    return there(folder, "data_batch_1.bin") || there(folder, "test_batch.bin");
}

static bool is_hundred(const char *folder) {
    return there(folder, "train.bin") && (there(folder, "test.bin") || there(folder, "fine_label_names.txt"));
}

char *mx_sign_cifar(const char *folder) {
    return is_ten(folder)       ? mx_text_make("data_batch_1.bin")
           : is_hundred(folder) ? mx_text_make("train.bin")
                                : NULL;
}

mx_status mx_find_cifar(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e) {
    bool ten = is_ten(path), hundred = is_hundred(path);
    char quoted[MX_QUOTE];
    if (ten == hundred)
        return mx_fail(e, MX_ERR_DATA,
                       "cifar: expected either CIFAR-10's data_batch_1.bin to data_batch_5.bin or "
                       "CIFAR-100's train.bin and test.bin in %s, found %s",
                       mx_quote(quoted, path), ten ? "both" : "neither");
    const char *names = ten ? "batches.meta.txt" : "fine_label_names.txt";
    if (!(s->root = strdup(path)) || (there(path, names) && !(s->classes = strdup(names))))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    if (split == MX_SPLIT_VAL) {
        const char *name = ten ? "test_batch.bin" : "test.bin";
        return (*found = there(path, name)) ? mx_source_add(s, name, e) : MX_OK;
    }
    *found = true;
    if (hundred) return mx_source_add(s, "train.bin", e);
    mx_status st = MX_OK;
    for (int i = 1; i <= MX_CIFAR_BATCHES && !st; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        st = there(path, name) ? mx_source_add(s, name, e)
                               : mx_fail(e, MX_ERR_DATA, "cifar: expected %d batches in %s, found no %s",
                                         MX_CIFAR_BATCHES, mx_quote(quoted, path), name);
    }
    return st;
}

/* Adds one record. labels: number of its labels; the last one counts. */
static mx_status add_record(mx_index *x, const char *name, const unsigned char *record, int labels,
                            int64_t number, mx_error *e) {
    char path[64];
    int label = record[labels - 1], size = MX_CIFAR_RECORD + labels;
    if (label >= x->classes)
        return mx_fail(e, MX_ERR_FORMAT, "%s, byte %lld: expected a label below %lld, found %d", name,
                       (long long)(number * size + labels - 1), (long long)x->classes, label);
    snprintf(path, sizeof path, "%s/%05lld", name, (long long)number);
    mx_status s = mx_text_sample(x, path, label, e);
    if (s) return s;
    mx_entry *f = &x->file[x->files - 1];
    f->size = MX_CIFAR_RECORD, f->offset = number * size + labels;
    f->holder = (uint32_t)x->folders;
    f->width = f->height = 32, f->channels = 3, f->depth = 1;
    return MX_OK;
}

mx_status mx_cifar_file(mx_index *x, int fd, const char *name, int64_t size, int labels, mx_error *e) {
    size_t record = MX_CIFAR_RECORD + (size_t)labels;
    mx_status s = MX_OK;
    if (!size || size % (int64_t)record)
        return mx_fail(e, MX_ERR_FORMAT, "%s: expected records of %zu bytes, found %lld bytes", name, record,
                       (long long)size);
    unsigned char *block = malloc(record * MX_READ_RECORDS);
    if (!block) return mx_fail(e, MX_ERR_MEMORY, "out of memory reading %s", name);
    for (int64_t done = 0, all = size / (int64_t)record; done < all && !s;) {
        int64_t now = all - done < MX_READ_RECORDS ? all - done : MX_READ_RECORDS;
        size_t want = (size_t)now * record, have = 0;
        for (ssize_t n; have < want && (n = read(fd, block + have, want - have)) > 0;) have += (size_t)n;
        if (have < want)
            s = mx_fail(e, MX_ERR_IO, "%s: expected %lld bytes, found the end or an error after %lld", name,
                        (long long)size, (long long)(done * (int64_t)record + (int64_t)have));
        for (int64_t i = 0; i < now && !s; i++)
            s = add_record(x, name, block + (size_t)i * record, labels, done + i, e);
        done += now;
    }
    free(block);
    return s;
}

mx_status mx_list_cifar(mx_index *x, const mx_source *s, int root_fd, mx_error *e) {
    bool ten = strstr(s->file[0], "batch") != NULL;
    int64_t classes = ten ? 10 : 100, size = 0;
    mx_status st = MX_OK;
    if (s->classes && mx_text_classes(x, root_fd, s->classes, e)) return e->status;
    if (s->classes && x->classes != classes)
        return mx_fail(e, MX_ERR_FORMAT, "%s: expected %lld class names, found %lld", s->classes,
                       (long long)classes, (long long)x->classes);
    if (mx_text_numbered(x, classes - 1, e)) return e->status;
    for (int64_t i = 0; i < s->files && !st; i++) {
        if (mx_index_add_holder(x, root_fd, s->file[i], &size, e)) return e->status;
        int fd = openat(root_fd, s->file[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) return mx_fail(e, MX_ERR_IO, "cannot open %s: %s", s->file[i], strerror(errno));
        st = mx_cifar_file(x, fd, s->file[i], size, ten ? 1 : 2, e);
        close(fd);
    }
    return st;
}
