/* Names of tar shards: WebDataset's patterns (docs/DATA.md) and folders of shards. */
#include "data/shards.h"
#include "base/again.h"
#include "data/source.h"
#include "data/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MX_SHARDS_MAX   (1 << 20)
#define MX_BRACES_MAX   16
#define MX_PATTERN_MAX  4096
#define MX_EXPANDED_MAX ((size_t)1 << 28) /* bytes of all names together */

void mx_names_free(mx_names *n) {
    for (int64_t i = 0; i < n->count; i++) free(n->at[i]);
    free(n->at);
    *n = (mx_names){0};
}

mx_status mx_names_take(mx_names *n, char *name, mx_error *e) {
    if (name && n->count == n->room) {
        int64_t room = n->room ? 2 * n->room : 64;
        char **p = realloc(n->at, (size_t)room * sizeof *p);
        if (p)
            n->at = p, n->room = room;
        else
            free(name), name = NULL;
    }
    if (!name) mx_met(ENOMEM); /* for callers without e */
    if (!name)
        return mx_fail(e, MX_ERR_MEMORY, "out of memory after the names of %lld shards", (long long)n->count);
    n->bytes += strlen(name) + 1;
    if (n->count >= MX_SHARDS_MAX || n->bytes > MX_EXPANDED_MAX) {
        free(name);
        return mx_fail(e, MX_ERR_DATA, "expected at most %d shards, found more", MX_SHARDS_MAX);
    }
    n->at[n->count++] = name;
    return MX_OK;
}

/* The brace that closes the one at p; NULL: there is none. */
static const char *closing(const char *p) {
    int depth = 0;
    for (; *p; p++) {
        if (*p == '{') depth++;
        if (*p == '}' && !--depth) return p;
    }
    return NULL;
}

/* Expands "000000..000146" or "0..90..10". If the first number begins with 0, all are as wide as it is. */
static mx_status add_range(mx_names *n, int before, const char *pattern, const char *body, const char *close,
                           bool *range, mx_error *e) {
    char text[64];
    int64_t number[3] = {0, 0, 1};
    size_t length = (size_t)(close - body), width = 0;
    mx_status s = MX_OK;
    int parts = 0;
    *range = false;
    if (length >= sizeof text) return MX_OK;
    memcpy(text, body, length), text[length] = 0;
    for (char *p = text; p; parts++) {
        char *dots = strstr(p, "..");
        if (dots) *dots = 0;
        if (parts == 3 || !mx_text_number(p, &number[parts])) return MX_OK;
        if (parts < 2 && *p == '0' && strlen(p) > width) width = strlen(p);
        p = dots ? dots + 2 : NULL;
    }
    if (parts < 2) return MX_OK;
    *range = true;
    if (number[1] < number[0] || number[2] < 1)
        return mx_fail(e, MX_ERR_ARGUMENT, "{%.*s}: expected a range that rises", (int)length, body);
    for (int64_t i = number[0]; i <= number[1] && !s; i += number[2])
        s = mx_names_take(
            n, mx_text_make("%.*s%0*lld%s", before, pattern, (int)width, (long long)i, close + 1), e);
    return s;
}

/* Expands the first group of pattern, whose alternatives are separated by commas of the same level. */
static mx_status expand_first(mx_names *n, const char *pattern, mx_error *e) {
    const char *open = strchr(pattern, '{'), *close = open ? closing(open) : NULL;
    if (!open) return mx_names_take(n, strdup(pattern), e);
    if (!close) return mx_fail(e, MX_ERR_ARGUMENT, "%s: expected a '}' for each '{'", pattern);
    int before = (int)(open - pattern), depth = 0;
    bool range;
    mx_status s = add_range(n, before, pattern, open + 1, close, &range, e);
    if (s || range) return s;
    for (const char *start = open + 1, *p = start; !s; p++) {
        if (p == close || (*p == ',' && !depth)) {
            s = mx_names_take(
                n, mx_text_make("%.*s%.*s%s", before, pattern, (int)(p - start), start, close + 1), e);
            start = p + 1;
            if (p == close) break;
        }
        depth += *p == '{' ? 1 : *p == '}' ? -1 : 0;
    }
    return s;
}

mx_status mx_shards_expand(mx_names *out, const char *pattern, mx_error *e) {
    mx_names now = {0};
    mx_status s = strlen(pattern) > MX_PATTERN_MAX
                      ? mx_fail(e, MX_ERR_ARGUMENT, "shards: expected a pattern of at most %d characters",
                                MX_PATTERN_MAX)
                      : mx_names_take(&now, strdup(pattern), e);
    bool more = !s;
    for (int round = 0; more && !s; round++) {
        mx_names next = {0};
        more = false;
        if (round == MX_BRACES_MAX)
            s = mx_fail(e, MX_ERR_ARGUMENT, "%s: expected at most %d groups in braces", pattern,
                        MX_BRACES_MAX);
        for (int64_t i = 0; i < now.count && !s; i++) s = expand_first(&next, now.at[i], e);
        for (int64_t i = 0; i < next.count; i++) more |= strchr(next.at[i], '{') != NULL;
        mx_names_free(&now);
        now = next;
    }
    for (int64_t i = 0; i < now.count && !s; i++) s = mx_names_take(out, strdup(now.at[i]), e);
    mx_names_free(&now);
    return s;
}

/* Includes compressed shards; opening one fails with a message that says what to do. */
bool mx_shard_name(const char *name) {
    static const char *const ends[] = {".tar",    ".tar.gz",  ".tgz",     ".tar.bz2",
                                       ".tar.xz", ".tar.zst", ".tar.lz4", NULL};
    size_t length = strlen(name);
    for (int i = 0; ends[i]; i++)
        if (length > strlen(ends[i]) && !strcasecmp(name + length - strlen(ends[i]), ends[i])) return true;
    return false;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

mx_status mx_shards_in(mx_names *out, const char *folder, const char *prefix, mx_error *e) {
    mx_status s = MX_OK;
    DIR *dir = mx_open_folder(folder);
    int64_t before = out->count;
    for (const struct dirent *f; dir && !s && (f = mx_next_name(dir));)
        if (f->d_name[0] != '.' && mx_shard_name(f->d_name))
            s = mx_names_take(out, mx_text_make("%s%s", prefix, f->d_name), e);
    if (dir) closedir(dir);
    if (!s && out->count > before)
        qsort(out->at + before, (size_t)(out->count - before), sizeof *out->at, by_text);
    return s;
}
