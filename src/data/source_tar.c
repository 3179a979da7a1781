/* Tar shards in WebDataset's layout (docs/DATA.md): a sample is a run of members with the same name up to the first dot
 * of the base name. libarchive reads each shard once and finds the positions of the images (it handles long names, PAX
 * headers and large sizes). After that, images are read at their position, which is impossible in compressed shards. */
#include "base/again.h"
#include "data/passed.h"
#include "data/shards.h"
#include "data/source.h"
#include "data/splits.h"
#include "data/tar_samples.h"
#include "data/text.h"

#include <archive.h>
#include <archive_entry.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MX_TAR_BLOCK  4096 /* bytes per read; small, since headers are far apart */
#define MX_TAR_FIELDS 1024 /* bytes for the extensions of one sample */

/* The shard being read, and the names of the open sample. */
typedef struct {
    mx_tar_samples samples;
    int64_t shard_size, given; /* given: classes named by a file, or 0 */
    bool open;
    char key[PATH_MAX], name[PATH_MAX]; /* of the sample's first member */
    char fields[MX_TAR_FIELDS];         /* extensions so far, each after a '/' */
    mx_error *e;
} gathering;

static mx_status flush(gathering *g) {
    bool was = g->open;
    g->open = false;
    return was ? mx_tar_close(&g->samples, g->name) : MX_OK;
}

/* Records the extension. False: the sample has it already. */
static bool new_field(gathering *g, const char *ext) {
    size_t used = strlen(g->fields), n = strlen(ext);
    for (const char *p = g->fields; *p;) {
        const char *end = strchrnul(p + 1, '/');
        if ((size_t)(end - p - 1) == n && !memcmp(p + 1, ext, n)) return false;
        p = end;
    }
    if (used + n + 2 > sizeof g->fields) return true; /* after about a hundred fields, compares no more */
    g->fields[used] = '/';
    memcpy(g->fields + used + 1, ext, n + 1);
    return true;
}

/* Reads the .cls field: a decimal number, with white space around it. */
static mx_status read_label(gathering *g, struct archive *a, int64_t size, int64_t *label, mx_error *e) {
    char text[64] = "", quoted[MX_QUOTE];
    la_ssize_t n = size < (int64_t)sizeof text ? archive_read_data(a, text, sizeof text - 1) : -1;
    if (n >= 0) {
        text[n] = 0;
        char *start = text + strspn(text, " \t\r\n"), *end = start + strlen(start);
        while (end > start && strchr(" \t\r\n", end[-1])) *--end = 0;
        if (mx_text_number(start, label) && *label < (g->given ? g->given : MX_CLASSES_MAX)) return MX_OK;
        memmove(text, start, strlen(start) + 1);
    }
    return mx_fail(e, MX_ERR_FORMAT, "expected a label from 0 to %lld in the .cls field, found %s%s%s",
                   (long long)(g->given ? g->given : MX_CLASSES_MAX) - 1, n < 0 ? "a longer text" : "\"",
                   n < 0 ? "" : mx_quote(quoted, text), n < 0 ? "" : "\"");
}

/* Adds an image or a label to the open sample; counts other members. */
static mx_status take_field(gathering *g, struct archive *a, mx_tar_member m, const char *name) {
    mx_error not_ours = {0}; /* "fine.cls" may contain anything */
    char tried[80] = "x";
    if (!strcasecmp(name + m.stem, ".cls")) {
        bool own = m.key == m.stem;
        mx_status s = read_label(g, a, m.size, &m.label, own ? g->e : &not_ours);
        return s ? g->e->status : mx_tar_add(&g->samples, &m, name);
    }
    if (strlen(name + m.stem) > 64 || !mx_image_name_known(strcat(tried, name + m.stem)))
        return mx_passed_member(g->samples.x, g->samples.shard, name, g->e);
    m.offset = archive_filter_bytes(a, 0), m.image = true;
    if (m.offset < 0 || m.size > g->shard_size || m.offset > g->shard_size - m.size)
        return mx_fail(g->e, MX_ERR_FORMAT, "byte %lld: expected %lld bytes, found the end of the shard",
                       (long long)m.offset, (long long)m.size);
    return mx_tar_add(&g->samples, &m, name);
}

/* Takes one regular member. */
static mx_status take_member(gathering *g, struct archive *a, const char *name, int64_t size) {
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strchr(base, '.');
    char ext[64];
    if (!strncmp(name, "__", 2)) { /* "__x__" or below: WebDataset's metadata */
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
        strcpy(g->name, name);
        g->open = true, g->fields[0] = 0;
    }
    for (size_t i = 0; n < sizeof ext && i <= n; i++)
        ext[i] = dot[1 + i] >= 'A' && dot[1 + i] <= 'Z' ? (char)(dot[1 + i] + 32) : dot[1 + i];
    if (n < sizeof ext && !new_field(g, ext))
        return mx_fail(g->e, MX_ERR_FORMAT, "expected each field once in a sample");
    size_t stem = (size_t)(strrchr(base, '.') - name);
    return take_field(g, a, (mx_tar_member){.key = key, .stem = stem, .size = size, .label = -1}, name);
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

/* The compression that the first bytes show; NULL: none. */
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
    ssize_t n = mx_read_at(fd, head, sizeof head, 0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n == sizeof head && !memcmp(head, kinds[i].magic, kinds[i].size)) return kinds[i].name;
    return NULL;
}

/* A shard for libarchive to read. Keeps a system error, since libarchive replaces its message. */
typedef struct {
    int fd, error; /* errno of a read that failed, or 0 */
    int64_t at;
    char block[MX_TAR_BLOCK];
} reading;

static la_ssize_t read_block(struct archive *a, void *user, const void **bytes) {
    reading *r = user;
    ssize_t n = mx_read_at(r->fd, r->block, sizeof r->block, (off_t)r->at);
    if (n < 0) archive_set_error(a, r->error = errno, "cannot read");
    if (n > 0) r->at += n;
    *bytes = r->block;
    return n;
}

static la_int64_t skip_bytes(struct archive *a, void *user, la_int64_t n) {
    reading *r = user;
    (void)a;
    r->at += n / MX_TAR_BLOCK * MX_TAR_BLOCK;
    return n / MX_TAR_BLOCK * MX_TAR_BLOCK;
}

/* Replaces the resulting error by a system error or a lack of memory, if there was one. */
static mx_status read_failed(const reading *r, struct archive *a, mx_error *e) {
    bool memory = archive_errno(a) == ENOMEM || !archive_error_string(a);
    if (r->error || memory) *e = (mx_error){0};
    if (r->error) return mx_fail(e, MX_ERR_IO, "cannot read: %s", strerror(r->error));
    return memory ? mx_fail(e, MX_ERR_MEMORY, "out of memory") : e->status;
}

/* Reads all members of the archive. */
static mx_status read_members(gathering *g, struct archive *a, struct archive_entry *entry) {
    for (;;) {
        int got = archive_read_next_header2(a, entry);
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
    reading r = {.fd = fd};
    struct archive_entry *entry = a ? archive_entry_new2(a) : NULL;
    if (!entry) {
        archive_read_free(a);
        return mx_fail(g->e, MX_ERR_MEMORY, "out of memory");
    }
    bool open = archive_read_support_format_tar(a) == ARCHIVE_OK &&
                archive_read_open2(a, &r, NULL, read_block, skip_bytes, NULL) == ARCHIVE_OK;
    const char *text = archive_error_string(a);
    if (!open)
        mx_fail(g->e, MX_ERR_IO, "cannot be read as tar: %s", text ? text : "unknown");
    else
        read_members(g, a, entry);
    if (g->e->status && (r.error || !open || archive_errno(a) == ENOMEM)) read_failed(&r, a, g->e);
    archive_entry_free(entry);
    archive_read_free(a);
    return g->e->status;
}

mx_status mx_tar_shard(mx_index *x, int fd, const char *shard, int64_t size, mx_tar_counts *counts,
                       mx_error *e) {
    gathering *g = calloc(1, sizeof *g);
    if (!g) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    *g = (gathering){.shard_size = size, .given = x->classes, .e = e};
    g->samples = (mx_tar_samples){.x = x, .shard = shard, .counts = counts, .first = x->files, .e = e};
    mx_status s = read_shard(g, fd);
    if (!s) s = mx_tar_join(&g->samples);
    mx_tar_samples_free(&g->samples);
    free(g);
    char quoted[MX_QUOTE];
    return s ? mx_fail_where(e, "%s", mx_quote(quoted, shard)) : MX_OK;
}

/* Adds one note for each kind of member that is not used. */
static mx_status note_unused(mx_index *x, const mx_source *s, const mx_tar_counts *c, mx_error *e) {
    const struct {
        int64_t n;
        const char *what, *first;
    } kinds[] = {{c->without, "samples without an image that is read", c->first_without},
                 {c->further, "pictures beside a sample's image that are not used", c->first_further},
                 {c->apart, "labels without an image", c->first_apart}};
    char given[MX_QUOTE];
    mx_quote(given, s->given ? s->given : s->root);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].n && mx_index_note(x, e, "%s: %lld %s, the first is %s", given, (long long)kinds[i].n,
                                        kinds[i].what, kinds[i].first))
            return e->status;
    return MX_OK;
}

mx_status mx_list_tar(mx_index *x, const mx_source *s, int root_fd, mx_error *e) {
    mx_tar_counts counts = {.most = -1};
    int64_t size;
    mx_status st = MX_OK;
    char quoted[MX_QUOTE];
    if (s->classes && mx_text_classes(x, root_fd, s->classes, e)) return e->status;
    bool given = x->classes > 0;
    for (int64_t i = 0; i < s->files && !st; i++) {
        if (mx_index_add_holder(x, root_fd, s->file[i], &size, e)) return e->status;
        int fd = mx_open_read(root_fd, s->file[i], O_NONBLOCK);
        if (fd < 0)
            return mx_fail(e, MX_ERR_IO, "cannot open %s: %s", mx_quote(quoted, s->file[i]), strerror(errno));
        st = mx_tar_shard(x, fd, s->file[i], size, &counts, e);
        close(fd);
    }
    if (!st) st = note_unused(x, s, &counts, e);
    if (!st) st = mx_passed_note(x->passed, x, e);
    if (st) return st;
    if (given && counts.most < 0) x->classes = 0; /* class names, but no labels */
    return given ? MX_OK : mx_text_numbered(x, counts.most, e);
}

static bool is_folder(const char *path) {
    struct stat st;
    return !mx_stat(path, &st) && S_ISDIR(st.st_mode);
}

/* True if folder/part contains shards. */
static bool has_shards(const char *folder, const char *part) {
    char *path = mx_text_make("%s/%s", folder, part);
    mx_names n = {0};
    bool yes = path && !mx_shards_in(&n, path, "", NULL) && n.count;
    mx_names_free(&n);
    free(path);
    return yes;
}

/* The folders in `folder` that are named as parts and contain shards. */
static mx_status part_folders(mx_names *out, const char *folder, mx_error *e) {
    DIR *dir = mx_open_folder(folder);
    mx_status s = MX_OK;
    for (const struct dirent *f; dir && !s && (f = mx_next_name(dir));)
        if (mx_part_of(f->d_name, strlen(f->d_name)) && has_shards(folder, f->d_name))
            s = mx_names_take(out, strdup(f->d_name), e);
    if (dir) closedir(dir);
    return s;
}

char *mx_sign_tar(const char *folder) {
    mx_names n = {0};
    part_folders(&n, folder, NULL);
    char *sign = n.count ? mx_text_make("%s/*.tar", n.at[0]) : NULL;
    mx_names_free(&n);
    return sign ? sign : has_shards(folder, "") ? mx_text_make("*.tar") : NULL;
}

/* Divides the shards of one folder by their names. Shards whose names contain no part are for training, if no other
 * name contains train. A test part is held out only if there is no other. */
static mx_status choose(mx_source *s, const mx_names *n, mx_split split, mx_error *e) {
    int64_t parts[4] = {0};
    char quoted[MX_QUOTE];
    size_t from, length;
    for (int64_t i = 0; i < n->count; i++) parts[mx_part_in(n->at[i], &from, &length)]++;
    mx_part_name want = split == MX_SPLIT_TRAIN                       ? MX_PART_TRAIN
                        : split == MX_SPLIT_VAL && parts[MX_PART_VAL] ? MX_PART_VAL
                                                                      : MX_PART_TEST;
    mx_status st = MX_OK;
    for (int64_t i = 0; i < n->count && !st; i++) {
        mx_part_name part = mx_part_in(n->at[i], &from, &length);
        if (part == MX_PART_NONE && parts[MX_PART_TRAIN])
            st =
                mx_fail(e, MX_ERR_DATA,
                        "tar: expected shards named NAME-train-*.tar and NAME-val-*.tar, or none of them so; "
                        "found also %s",
                        mx_quote(quoted, n->at[i]));
        else if ((part ? part : MX_PART_TRAIN) == want)
            st = mx_source_add(s, n->at[i], e);
    }
    return st;
}

/* Takes every shard of a folder that is a part. */
static mx_status take_folder(mx_source *s, const char *path, const char *part, mx_error *e) {
    mx_names n = {0};
    char *folder = mx_text_make("%s/%s", path, part), *prefix = mx_text_make("%s/", part);
    mx_status st =
        folder && prefix ? mx_shards_in(&n, folder, prefix, e) : mx_fail(e, MX_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; i < n.count && !st; i++) st = mx_source_add(s, n.at[i], e);
    mx_names_free(&n);
    free(folder), free(prefix);
    return st;
}

static mx_status find_in_folder(mx_source *s, const char *path, mx_split split, mx_error *e) {
    mx_names parts = {0}, n = {0};
    char quoted[MX_QUOTE];
    int64_t at = -1;
    if (!(s->root = strdup(path))) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    mx_status st = part_folders(&parts, path, e);
    bool divided = parts.count > 0;
    if (!st && divided) st = mx_part_choose(&at, parts.at, parts.count, split, path, e);
    if (!st && at >= 0) st = take_folder(s, path, parts.at[at], e);
    if (!st && at < 0 && (!divided || split == MX_SPLIT_TRAIN) && !(st = mx_shards_in(&n, path, "", e)) &&
        n.count)
        st = choose(s, &n, split, e);
    if (!st && split == MX_SPLIT_TRAIN && !s->files)
        st = mx_fail(e, MX_ERR_DATA,
                     "tar: expected .tar files for training in %s or in its folder train, found %s%s",
                     mx_quote(quoted, path),
                     divided   ? "none beside "
                     : n.count ? "only held-out ones"
                               : "none",
                     divided ? parts.at[0] : "");
    mx_names_free(&parts), mx_names_free(&n);
    return st;
}

/* Takes the files of "a-{000..009}.tar::b.tar::folder", relative to the current folder. */
static mx_status find_pattern(mx_source *s, const char *pattern, mx_error *e) {
    mx_status st = (s->root = strdup(".")) ? MX_OK : mx_fail(e, MX_ERR_MEMORY, "out of memory");
    char quoted[MX_QUOTE];
    for (const char *p = pattern; p && !st;) {
        const char *end = strstr(p, "::");
        char *part = end ? strndup(p, (size_t)(end - p)) : strdup(p);
        mx_names n = {0};
        st = !part             ? mx_fail(e, MX_ERR_MEMORY, "out of memory")
             : !mx_there(part) ? mx_shards_expand(&n, part, e)
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
    if (!folder && split != MX_SPLIT_TRAIN) return MX_OK; /* a list of shards is one part */
    mx_status st = folder ? find_in_folder(s, path, split, e) : find_pattern(s, path, e);
    if (st || !(*found = s->files > 0)) return st;
    const char *slash = strrchr(s->file[0], '/');
    char *beside = folder  ? strdup("classes.txt")
                   : slash ? mx_text_make("%.*s/classes.txt", (int)(slash - s->file[0]), s->file[0])
                           : strdup("classes.txt");
    char *whole = beside && folder ? mx_text_make("%s/%s", s->root, beside) : beside;
    if (!whole)
        st = mx_fail(e, MX_ERR_MEMORY, "out of memory");
    else if (mx_there(whole))
        s->classes = strdup(beside);
    if (whole != beside) free(whole);
    free(beside);
    return st;
}
