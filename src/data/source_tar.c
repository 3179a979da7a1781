/* Tar shards in WebDataset's layout (formats.md (d)): a sample is the members that follow each other with the
 * same name up to the first dot of the base name. libarchive goes through each shard once and finds where the
 * images lie (long names, PAX headers and large sizes are its work); after that they are read in place. So a
 * compressed shard cannot be used: nothing can be read from its middle. */
#include "data/passed.h"
#include "data/shards.h"
#include "data/source.h"
#include "data/text.h"

#include <archive.h>
#include <archive_entry.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MX_TAR_BLOCK  4096 /* read at a time: headers lie far apart */
#define MX_TAR_FIELDS 1024 /* bytes of the extensions of one sample */

/* The sample being gathered, and what is known of the data set so far. */
typedef struct {
    mx_index *x;
    const char *shard;
    int64_t shard_size, given; /* classes named beforehand, 0: none */
    int64_t most, labelled, unlabelled;
    bool open, image;
    char key[PATH_MAX], name[PATH_MAX]; /* of the image's member */
    char fields[MX_TAR_FIELDS];         /* extensions met, each behind a '/' */
    int64_t offset, size, label;
    mx_error *e;
} gathering;

/* The sample is complete. */
static mx_status flush(gathering *g) {
    mx_index *x = g->x;
    char quoted[MX_QUOTE];
    bool use = g->open && g->image;
    g->open = g->image = false;
    if (!use) return MX_OK; /* text only, say */
    char *path = mx_text_make("%s/%s", g->shard, g->name);
    mx_status s =
        path ? mx_text_sample(x, path, g->label, g->e) : mx_fail(g->e, MX_ERR_MEMORY, "out of memory");
    free(path);
    if (s) return mx_fail_where(g->e, "%s", mx_quote(quoted, g->name));
    mx_entry *f = &x->file[x->files - 1];
    f->holder = (uint32_t)x->folders, f->offset = g->offset, f->size = g->size;
    if (g->label < 0)
        g->unlabelled++;
    else
        g->labelled++;
    if (g->label > g->most) g->most = g->label;
    if (g->labelled && g->unlabelled)
        return mx_fail(g->e, MX_ERR_FORMAT, "%s: %s, though others have %s", mx_quote(quoted, g->name),
                       g->label < 0 ? "no .cls field" : "a .cls field", g->label < 0 ? "one" : "none");
    return MX_OK;
}

/* Remembers the extension; false: this sample has it already. */
static bool new_field(gathering *g, const char *ext) {
    size_t used = strlen(g->fields), n = strlen(ext);
    for (const char *p = g->fields; *p;) {
        const char *end = strchrnul(p + 1, '/');
        if ((size_t)(end - p - 1) == n && !memcmp(p + 1, ext, n)) return false;
        p = end;
    }
    if (used + n + 2 > sizeof g->fields) return true; /* a hundred fields: the rest is not compared */
    g->fields[used] = '/';
    memcpy(g->fields + used + 1, ext, n + 1);
    return true;
}

/* The cls field: a decimal number, white space around it. */
static mx_status read_label(gathering *g, struct archive *a, int64_t size) {
    char text[64] = "", quoted[MX_QUOTE];
    la_ssize_t n = size < (int64_t)sizeof text ? archive_read_data(a, text, sizeof text - 1) : -1;
    if (n >= 0) {
        text[n] = 0;
        char *start = text + strspn(text, " \t\r\n"), *end = start + strlen(start);
        while (end > start && strchr(" \t\r\n", end[-1])) *--end = 0;
        if (mx_text_number(start, &g->label) && g->label < (g->given ? g->given : MX_CLASSES_MAX))
            return MX_OK;
        memmove(text, start, strlen(start) + 1);
    }
    return mx_fail(g->e, MX_ERR_FORMAT, "expected a label from 0 to %lld in the .cls field, found %s%s%s",
                   (long long)(g->given ? g->given : MX_CLASSES_MAX) - 1, n < 0 ? "a longer text" : "\"",
                   n < 0 ? "" : mx_quote(quoted, text), n < 0 ? "" : "\"");
}

/* One regular member. */
static mx_status take_member(gathering *g, struct archive *a, const char *name, int64_t size) {
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strchr(base, '.');
    char ext[64];
    if (!strncmp(name, "__", 2)) { /* "__x__" or below: the library's own */
        size_t n = strcspn(name, "/");
        if (n >= 4 && !memcmp(name + n - 2, "__", 2)) return MX_OK;
    }
    if (!dot || dot == base) return MX_OK;
    size_t key = (size_t)(dot - name), n = strlen(dot + 1);
    if (strlen(name) >= sizeof g->name)
        return mx_fail(g->e, MX_ERR_FORMAT, "expected names of at most %zu characters", sizeof g->name - 1);
    if (!g->open || strncmp(g->key, name, key) || g->key[key]) {
        if (flush(g)) return g->e->status;
        memcpy(g->key, name, key), g->key[key] = 0;
        g->open = true, g->label = -1, g->fields[0] = 0;
    }
    if (n >= sizeof ext) return MX_OK;
    for (size_t i = 0; i <= n; i++)
        ext[i] = dot[1 + i] >= 'A' && dot[1 + i] <= 'Z' ? (char)(dot[1 + i] + 32) : dot[1 + i];
    if (!new_field(g, ext)) return mx_fail(g->e, MX_ERR_FORMAT, "expected each field once in a sample");
    if (!strcmp(ext, "cls")) return read_label(g, a, size);
    char tried[80] = "x.";
    if (!mx_image_name_known(strcat(tried, ext))) return mx_passed_member(g->x, g->shard, name, g->e);
    if (g->image || strchr(ext, '.')) return MX_OK;
    g->offset = archive_filter_bytes(a, 0), g->size = size;
    if (g->offset < 0 || size > g->shard_size || g->offset > g->shard_size - size)
        return mx_fail(g->e, MX_ERR_FORMAT, "byte %lld: expected %lld bytes, found the end of the shard",
                       (long long)g->offset, (long long)size);
    g->image = true;
    strcpy(g->name, name);
    return MX_OK;
}

static mx_status take_entry(gathering *g, struct archive *a, struct archive_entry *entry) {
    const char *name = archive_entry_pathname(entry);
    char quoted[MX_QUOTE];
    int64_t at = archive_read_header_position(a);
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry)) return MX_OK;
    if (!name) return mx_fail(g->e, MX_ERR_FORMAT, "byte %lld: expected a member with a name", (long long)at);
    if (archive_entry_sparse_count(entry) > 0)
        return mx_fail(g->e, MX_ERR_FORMAT, "byte %lld: %s is stored with holes; pack it without --sparse",
                       (long long)at, mx_quote(quoted, name));
    int64_t size =
        archive_entry_size(entry); /* may be GNU's of sparse files, which libarchive does not check */
    if (size < 0)
        return mx_fail(g->e, MX_ERR_FORMAT, "byte %lld, %s: expected a size of at least 0, found %lld",
                       (long long)at, mx_quote(quoted, name), (long long)size);
    if (take_member(g, a, name, size))
        mx_fail_where(g->e, "byte %lld, %s", (long long)at, mx_quote(quoted, name));
    return g->e->status;
}

/* NULL, or the compression that the first bytes are of. */
static const char *compressed(int fd) {
    static const struct {
        const char *name, *magic;
        size_t size;
    } kinds[] = {{"gzip", "\x1f\x8b", 2},
                 {"zstd", "\x28\xb5\x2f\xfd", 4},
                 {"xz",
                  "\xfd"
                  "7zXZ",
                  5},
                 {"bzip2", "BZh", 3},
                 {"lz4", "\x04\x22\x4d\x18", 4}};
    char head[8] = "";
    ssize_t n = pread(fd, head, sizeof head, 0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n == sizeof head && !memcmp(head, kinds[i].magic, kinds[i].size)) return kinds[i].name;
    return NULL;
}

/* All members of the archive, to its end. */
static mx_status read_members(gathering *g, struct archive *a) {
    for (;;) {
        struct archive_entry *entry;
        int got = archive_read_next_header(a, &entry);
        if (got == ARCHIVE_EOF) return flush(g);
        if (got < ARCHIVE_WARN) { /* a warning is about a name's characters or a date */
            const char *text = archive_error_string(a);
            char quoted[MX_QUOTE];
            return mx_fail(g->e, MX_ERR_FORMAT, "byte %lld: %s", (long long)archive_filter_bytes(a, 0),
                           text ? mx_quote(quoted, text) : "no tar header");
        }
        if (take_entry(g, a, entry)) return g->e->status;
    }
}

static mx_status read_shard(gathering *g, int fd) {
    const char *packed = compressed(fd);
    if (packed)
        return mx_fail(g->e, MX_ERR_FORMAT,
                       "it is compressed (%s), and images inside cannot be read in place: decompress it, or "
                       "make new shards with mixmae pack",
                       packed);
    struct archive *a = archive_read_new();
    if (!a) return mx_fail(g->e, MX_ERR_MEMORY, "out of memory");
    mx_status s = MX_OK;
    if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
        archive_read_open_fd(a, fd, MX_TAR_BLOCK) != ARCHIVE_OK) {
        const char *text = archive_error_string(a);
        s = mx_fail(g->e, MX_ERR_IO, "cannot be read as tar: %s", text ? text : "unknown");
    } else
        s = read_members(g, a);
    archive_read_free(a);
    return s;
}

mx_status mx_tar_shard(mx_index *x, int fd, const char *shard, int64_t size, int64_t *most, mx_error *e) {
    gathering *g = calloc(1, sizeof *g);
    if (!g) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    *g = (gathering){.x = x, .shard = shard, .shard_size = size, .given = x->classes, .most = *most, .e = e};
    if (x->files) *(x->file[x->files - 1].label < 0 ? &g->unlabelled : &g->labelled) = 1;
    mx_status s = read_shard(g, fd);
    *most = g->most;
    free(g);
    char quoted[MX_QUOTE];
    return s ? mx_fail_where(e, "%s", mx_quote(quoted, shard)) : MX_OK;
}

mx_status mx_list_tar(mx_index *x, const mx_source *s, int root_fd, mx_error *e) {
    int64_t most = -1, size;
    mx_status st = MX_OK;
    char quoted[MX_QUOTE];
    if (s->classes && mx_text_classes(x, root_fd, s->classes, e)) return e->status;
    bool given = x->classes > 0;
    for (int64_t i = 0; i < s->files && !st; i++) {
        if (mx_index_add_holder(x, root_fd, s->file[i], &size, e)) return e->status;
        int fd = openat(root_fd, s->file[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            return mx_fail(e, MX_ERR_IO, "cannot open %s: %s", mx_quote(quoted, s->file[i]), strerror(errno));
        st = mx_tar_shard(x, fd, s->file[i], size, &most, e);
        close(fd);
    }
    if (!st) st = mx_passed_note(x->passed, x, e);
    if (st) return st;
    if (given && most < 0) x->classes = 0; /* names, but no labels */
    return given ? MX_OK : mx_text_numbered(x, most, e);
}

static bool is_folder(const char *path) {
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* Do shards lie in folder/part? */
static bool has_shards(const char *folder, const char *part) {
    char *path = mx_text_make("%s/%s", folder, part);
    mx_names n = {0};
    bool yes = path && !mx_shards_in(&n, path, "", NULL) && n.count;
    mx_names_free(&n);
    free(path);
    return yes;
}

char *mx_sign_tar(const char *folder) {
    if (has_shards(folder, "train")) return strdup("train/*.tar");
    return has_shards(folder, "") ? strdup("*.tar") : NULL;
}

/* Shards of one folder, told apart by their names; those that say neither are for training when none says
 * so. */
static mx_status choose(mx_source *s, const mx_names *n, mx_split split, mx_error *e) {
    int64_t parts[3] = {0};
    char quoted[MX_QUOTE];
    for (int64_t i = 0; i < n->count; i++) parts[mx_shard_part_of(n->at[i])]++;
    mx_status st = MX_OK;
    for (int64_t i = 0; i < n->count && !st; i++) {
        mx_shard_part part = mx_shard_part_of(n->at[i]);
        if (part == MX_SHARD_ANY && parts[MX_SHARD_TRAIN])
            st =
                mx_fail(e, MX_ERR_DATA,
                        "tar: expected shards named NAME-train-*.tar and NAME-val-*.tar, or none of them so; "
                        "found also %s",
                        mx_quote(quoted, n->at[i]));
        else if ((part == MX_SHARD_HELD) == (split == MX_SPLIT_VAL))
            st = mx_source_add(s, n->at[i], e);
    }
    return st;
}

static mx_status find_in_folder(mx_source *s, const char *path, mx_split split, mx_error *e) {
    static const char *const held[] = {"val", "validation", "test"};
    mx_names n = {0};
    mx_status st = MX_OK;
    char quoted[MX_QUOTE];
    if (!(s->root = strdup(path))) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    const char *part = NULL;
    bool divided = has_shards(path, "train");
    for (int i = 0; divided && split == MX_SPLIT_VAL && i < 3 && !part; i++)
        if (has_shards(path, held[i])) part = held[i];
    if (divided && split == MX_SPLIT_TRAIN) part = "train";
    if (divided && !part) return MX_OK;
    char *folder = mx_text_make("%s/%s", path, part ? part : ""),
         *prefix = mx_text_make("%s/", part ? part : "");
    if (folder && prefix)
        st = mx_shards_in(&n, folder, part ? prefix : "", e);
    else
        st = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    if (!st && !n.count)
        st = mx_fail(e, MX_ERR_DATA, "tar: expected .tar files in %s or in its folder train, found none",
                     mx_quote(quoted, path));
    for (int64_t i = 0; divided && i < n.count && !st; i++) st = mx_source_add(s, n.at[i], e);
    if (!divided && !st) st = choose(s, &n, split, e);
    mx_names_free(&n);
    free(folder), free(prefix);
    return st;
}

/* "a-{000..009}.tar::b.tar::folder": files as they are written, relative to the current folder. */
static mx_status find_pattern(mx_source *s, const char *pattern, mx_error *e) {
    mx_status st = (s->root = strdup(".")) ? MX_OK : mx_fail(e, MX_ERR_MEMORY, "out of memory");
    char quoted[MX_QUOTE];
    for (const char *p = pattern; p && !st;) {
        const char *end = strstr(p, "::");
        char *part = end ? strndup(p, (size_t)(end - p)) : strdup(p);
        mx_names n = {0};
        st = !part                ? mx_fail(e, MX_ERR_MEMORY, "out of memory")
             : access(part, F_OK) ? mx_shards_expand(&n, part, e)
             : is_folder(part)
                 ? mx_fail(e, MX_ERR_DATA, "tar: expected shards in a list, found the folder %s",
                           mx_quote(quoted, part))
                 : mx_source_add(s, part, e);
        for (int64_t i = 0; i < n.count && !st; i++) st = mx_source_add(s, n.at[i], e);
        mx_names_free(&n);
        free(part);
        p = end ? end + 2 : NULL;
    }
    return st;
}

mx_status mx_find_tar(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e) {
    bool folder = is_folder(path);
    if (!folder && split == MX_SPLIT_VAL) return MX_OK; /* a list of shards is one part */
    mx_status st = folder ? find_in_folder(s, path, split, e) : find_pattern(s, path, e);
    if (st || !(*found = s->files > 0)) return st;
    const char *slash = strrchr(s->file[0], '/');
    char *beside = folder  ? strdup("classes.txt")
                   : slash ? mx_text_make("%.*s/classes.txt", (int)(slash - s->file[0]), s->file[0])
                           : strdup("classes.txt");
    char *whole = beside && folder ? mx_text_make("%s/%s", s->root, beside) : beside;
    if (!whole)
        st = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    else if (!access(whole, F_OK))
        s->classes = strdup(beside);
    if (whole != beside) free(whole);
    free(beside);
    return st;
}
