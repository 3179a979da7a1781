/* The names of a data set's parts, in folders, files and shards. See splits.h. */
#include "data/splits.h"
#include "base/again.h"
#include "data/text.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const struct {
    const char *name;
    mx_part_name part;
} names[] = {{"train", MX_PART_TRAIN},    {"training", MX_PART_TRAIN}, {"val", MX_PART_VAL},
             {"valid", MX_PART_VAL},      {"validation", MX_PART_VAL}, {"dev", MX_PART_VAL},
             {"test", MX_PART_TEST},      {"testing", MX_PART_TEST},   {"eval", MX_PART_TEST},
             {"evaluation", MX_PART_TEST}};

/* Suffixes that may follow a part's name: "training_set", "Train Images", "testset". */
static bool is_suffix(const char *s, size_t n) {
    static const char *const ends[] = {"set", "data", "dataset", "images", "split"};
    if (!n) return true;
    if (strchr("_- ", *s)) s++, n--;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n == strlen(ends[i]) && !strncasecmp(s, ends[i], n)) return true;
    return false;
}

mx_part_name mx_part_of(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i].name);
        if (length >= n && !strncasecmp(name, names[i].name, n) && is_suffix(name + n, length - n))
            return names[i].part;
    }
    return MX_PART_NONE;
}

/* How well a name fits a split: 0 not at all, 2 a test part, 4 the requested part; plus 1 for the plain name. */
static int fitness(const char *name, mx_split split) {
    static const char *const plain[] = {NULL, "train", "val", "test"};
    mx_part_name part = mx_part_of(name, strlen(name));
    bool exact = part && !strcmp(name, plain[part]);
    if (split == MX_SPLIT_TRAIN) return part == MX_PART_TRAIN ? 4 + exact : 0;
    if (part == MX_PART_TEST) return 2 + exact;
    return part == MX_PART_VAL && split == MX_SPLIT_VAL ? 4 + exact : 0;
}

mx_status mx_part_choose(int64_t *out, char *const *list, int64_t count, mx_split split, const char *folder,
                         mx_error *e) {
    char a[MX_QUOTE], b[MX_QUOTE], c[MX_QUOTE];
    int64_t rival = -1;
    int best = 0;
    *out = -1;
    for (int64_t i = 0; i < count; i++) {
        int fit = fitness(list[i], split);
        if (fit && fit == best) rival = i;
        if (fit > best) best = fit, *out = i, rival = -1;
    }
    if (rival < 0) return MX_OK;
    mx_quote(a, list[*out]), mx_quote(b, list[rival]);
    return mx_fail(e, MX_ERR_DATA, "%s holds both %s and %s: name the one to use with %s",
                   mx_quote(c, folder), a, b,
                   split == MX_SPLIT_TRAIN ? "--data" : "--val-data (or, to read only that, --data)");
}

mx_part_name mx_part_in(const char *text, size_t *from, size_t *length) {
    mx_part_name best = MX_PART_NONE;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "-_.");
        mx_part_name part = mx_part_of(p, n);
        if (part && (!best || (part == MX_PART_TRAIN && best != MX_PART_TRAIN)))
            best = part, *from = (size_t)(p - text), *length = n;
        p += n + (p[n] != 0);
    }
    return best;
}

/* If `other` equals `name` except for the word at `from`, returns other's word there. The caller frees it. NULL: it
 * does not. */
static char *word_instead(const char *other, const char *name, size_t from, size_t length) {
    size_t n = strlen(other), suffix = strlen(name) - from - length;
    if (n <= from + suffix || strncmp(other, name, from) || strcmp(other + n - suffix, name + from + length))
        return NULL;
    return strndup(other + from, n - from - suffix);
}

mx_status mx_part_beside(char **out, const char *folder, const char *name, mx_split split, mx_error *e) {
    char *word[16] = {0}, *file[16] = {0};
    size_t from = 0, length = 0;
    int64_t n = 0, at = -1;
    *out = NULL;
    if (mx_part_in(name, &from, &length) != MX_PART_TRAIN) return MX_OK;
    DIR *dir = mx_open_folder(folder);
    for (const struct dirent *f; dir && n < 16 && (f = mx_next_name(dir));) {
        word[n] = word_instead(f->d_name, name, from, length);
        file[n] = word[n] ? strdup(f->d_name) : NULL;
        if (file[n] && mx_part_of(word[n], strlen(word[n])))
            n++;
        else
            free(word[n]), free(file[n]);
    }
    if (dir) closedir(dir);
    mx_status s = mx_part_choose(&at, word, n, split, folder, e);
    if (!s && at >= 0) *out = file[at], file[at] = NULL;
    for (int64_t i = 0; i < n; i++) free(word[i]), free(file[i]);
    return s;
}
