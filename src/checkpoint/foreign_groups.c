/* Finding the model among a file's tensors, see foreign_groups.h. Every path that ends in the name of the patch
 * embedding identifies a group, and the path before that name is its prefix. In a file without a patch embedding the
 * first bias table does. */
#include "checkpoint/foreign_groups.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

int mx_foreign_file_count(const mx_foreign *f) { return f->pth ? mx_pth_count(f->pth) : mx_st_count(f->st); }

const char *mx_foreign_file_path(const mx_foreign *f, int i, size_t *key) {
    *key = f->pth ? mx_pth_at(f->pth, i)->key : 0;
    return f->pth ? mx_pth_at(f->pth, i)->name : mx_st_at(f->st, i)->name;
}

/* ---- names ---- */

/* The next word of [*at,end): letters of one case run, so that "modelEma", "model_ema" and "ema0.999" all
 * hold "ema". false: none is left. */
static bool next_word(const char **at, const char *end, char word[24]) {
    size_t n = 0;
    while (*at < end && !isalpha((unsigned char)**at)) ++*at;
    bool upper = true; /* was the last letter upper case? "EMA" is one word, "Ema" too */
    while (*at < end && isalpha((unsigned char)**at)) {
        bool now = isupper((unsigned char)**at) != 0;
        if (n && now && !upper) break;
        if (n < 23) word[n++] = (char)tolower((unsigned char)**at);
        upper = now, ++*at;
    }
    word[n] = 0;
    return n > 0;
}

bool mx_group_is_average(const char *path, size_t prefix) {
    static const char *const words[] = {"ema",     "swa",      "averaged", "average", "avg",      "shadow",
                                        "teacher", "momentum", "polyak",   "target",  "lookahead"};
    char word[24], before[24] = "";
    for (const char *at = path; next_word(&at, path + prefix, word);) {
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (!strcmp(word, words[i])) return true;
        /* MoCo's and MoBY's second encoder */
        if (!strcmp(word, "k") && (!strcmp(before, "encoder") || !strcmp(before, "model"))) return true;
        snprintf(before, sizeof before, "%s", word);
    }
    return false;
}

bool mx_foreign_of_optimiser(const char *path) {
    static const char *const begins[] = {"optimizer", "optimiser", "optim",    "opt_state", "opt.",
                                         "scaler",    "loss_scal", "lr_sched", "scheduler"};
    for (const char *at = path; at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL)
        for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
            if (!strncmp(at, begins[i], strlen(begins[i]))) return true;
    return false;
}

bool mx_group_is_model(const char *key) {
    static const char *const usual[] = {"model",   "state_dict", "module",  "net",    "network",
                                        "encoder", "backbone",   "weights", "student"};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (!strcmp(key, usual[i])) return true;
    return mx_group_is_average(key, strlen(key));
}

void mx_group_name(char out[160], const mx_group *g) {
    int size = g->prefix > 150 ? 150 : (int)g->prefix - 1;
    if (g->prefix)
        snprintf(out, 160, "%.*s", size, g->path);
    else
        snprintf(out, 160, "the top");
}

bool mx_group_holds(const mx_group *g, const char *path, size_t key) {
    bool flat = g->dict <= g->prefix; /* else the names themselves are nested dicts */
    return !strncmp(path, g->path, g->prefix) && (!flat || key == g->dict);
}

/* ---- finding ---- */

/* Offset of `name` at the end of path, after a dot or at the start; -1: path does not end in it. */
static long ends_in(const char *path, const char *name) {
    size_t n = strlen(path), m = strlen(name);
    if (n < m || strcmp(path + n - m, name) || (n > m && path[n - m - 1] != '.')) return -1;
    return (long)(n - m);
}

static int count_of(const mx_group *g, const mx_foreign *f) {
    int n = 0;
    for (int i = 0; i < mx_foreign_file_count(f); i++) {
        size_t key;
        const char *path = mx_foreign_file_path(f, i, &key);
        n += mx_group_holds(g, path, key);
    }
    return n;
}

static mx_status find_by(mx_groups *groups, const mx_foreign *f, const char *const *names, size_t count,
                         mx_error *e) {
    for (int i = 0; i < mx_foreign_file_count(f); i++) {
        size_t key;
        const char *path = mx_foreign_file_path(f, i, &key);
        long at = -1;
        for (size_t k = 0; k < count && at < 0; k++) at = ends_in(path, names[k]);
        if (at < 0 || mx_foreign_of_optimiser(path)) continue;
        if (groups->count == MX_MAX_GROUPS)
            return mx_fail(e, MX_ERR_FORMAT, "more than %d models in one file", MX_MAX_GROUPS);
        mx_group *g = &groups->at[groups->count++];
        *g = (mx_group){.path = path, .prefix = (size_t)at, .dict = key};
        g->average = mx_group_is_average(path, g->prefix);
        g->tensors = count_of(g, f);
    }
    return MX_OK;
}

/* A stray tensor of that name is not a model: drops groups with less than a quarter of the largest one's tensors. */
static void drop_small(mx_groups *groups) {
    int most = 0, kept = 0;
    for (int i = 0; i < groups->count; i++)
        if (groups->at[i].tensors > most) most = groups->at[i].tensors;
    for (int i = 0; i < groups->count; i++)
        if (groups->at[i].tensors >= most / 4) groups->at[kept++] = groups->at[i];
    groups->count = kept;
}

/* ---- choosing ---- */

/* Plain weights: 'model' (the authors' name), 'state_dict', 'module' and the top level come first. */
static int rank_of(const mx_group *g) {
    static const char *const first[] = {"model.", "state_dict.", "module."};
    for (int i = 0; i < 3; i++)
        if (!strncmp(g->path, first[i], strlen(first[i])) && g->prefix >= strlen(first[i])) return i;
    return g->prefix ? 4 : 3;
}

static bool is_named(const mx_group *g, const char *name) {
    char own[160], part[176], dotted[176];
    mx_group_name(own, g);
    if (!strcmp(own, name)) return true;
    snprintf(dotted, sizeof dotted, ".%s.", own), snprintf(part, sizeof part, ".%.160s.", name);
    return strstr(dotted, part) != NULL;
}

/* Rank of a group that may be chosen, the best lowest; -1: it may not. */
static int wish(const mx_group *g, const char *weights, bool exact) {
    char own[160];
    mx_group_name(own, g);
    if (!weights) return rank_of(g) + (g->average ? 8 : 0);
    if (exact) return strcmp(own, weights) ? -1 : 0;
    if (!strcmp(weights, "ema")) return g->average ? rank_of(g) : -1;
    if (!strcmp(weights, "model")) return g->average ? -1 : rank_of(g);
    return is_named(g, weights) ? 0 : -1;
}

/* The groups of the file, for a message. */
static void list_groups(char out[400], const mx_groups *groups) {
    size_t at = 0;
    for (int i = 0; i < groups->count && at < 300; i++) {
        char name[160];
        mx_group_name(name, &groups->at[i]);
        at += (size_t)snprintf(out + at, 400 - at, "%s%.60s (%d tensors)", i ? ", " : "", name,
                               groups->at[i].tensors);
    }
}

static mx_status choose(mx_groups *groups, const char *weights, mx_error *e) {
    int best = -1, same = 0;
    char all[400] = "";
    for (int exact = 1; exact >= 0 && best < 0; exact--) { /* a printed name comes before any meaning */
        if (exact && !weights) continue;
        for (int i = 0; i < groups->count; i++) {
            int w = wish(&groups->at[i], weights, exact != 0);
            if (w < 0 || (best >= 0 && w > best)) continue;
            same = best < 0 || w < best ? 1 : same + 1;
            if (same == 1) groups->chosen = i;
            best = w;
        }
    }
    list_groups(all, groups);
    if (best < 0)
        return mx_fail(e, MX_ERR_ARGUMENT, "--weights %s: expected one of what the file holds: %s%s", weights,
                       all, strcmp(weights, "ema") ? "" : "; none of them is named like a moving average");
    if (same > 1)
        return mx_fail(e, MX_ERR_ARGUMENT, "the file holds several models: %s; take one with --weights NAME",
                       all);
    return MX_OK;
}

/* The value of --weights that selects group i: "ema" or "model" where that is unambiguous. */
static const char *way_to(const mx_groups *groups, int i, char name[160]) {
    int alike = 0;
    for (int k = 0; k < groups->count; k++) alike += groups->at[k].average == groups->at[i].average;
    mx_group_name(name, &groups->at[i]);
    return alike > 1 ? name : groups->at[i].average ? "ema" : "model";
}

static void note_choice(const mx_groups *groups, const mx_foreign_hints *h) {
    const mx_group *g = &groups->at[groups->chosen];
    char name[160], other[160];
    mx_group_name(name, g);
    if (groups->count == 1 && g->average)
        mx_foreign_note(h, "the weights are those of %s, a moving average: the file holds no others", name);
    else if (groups->count == 1 && g->prefix > g->dict)
        mx_foreign_note(h, "the names in the file begin with %.*s", (int)g->prefix, g->path);
    for (int i = 0; i < groups->count; i++) {
        if (i == groups->chosen) continue;
        const char *way = way_to(groups, i, other);
        mx_group_name(other, &groups->at[i]);
        mx_foreign_note(h, "the weights are those of %s; the file holds those of %s too: --weights '%s'",
                        name, other, way);
    }
}

int mx_groups_owner(const mx_groups *groups, const char *path, size_t key) {
    int best = -1;
    for (int i = 0; i < groups->count; i++)
        if (mx_group_holds(&groups->at[i], path, key) &&
            (best < 0 || groups->at[i].prefix > groups->at[best].prefix))
            best = i;
    return best;
}

mx_status mx_groups_find(mx_groups *groups, const mx_foreign *f, const mx_foreign_hints *h, mx_error *e) {
    static const char *const first[] = {"patch_embed.proj.weight", "patch_embed.projection.weight"};
    static const char *const second[] = {"layers.0.blocks.0.attn.relative_position_bias_table",
                                         "layers.0.blocks.0.attn.w_msa.relative_position_bias_table"};
    groups->count = 0, groups->chosen = -1;
    if (find_by(groups, f, first, 2, e)) return e->status;
    if (!groups->count && find_by(groups, f, second, 2, e)) return e->status;
    if (!groups->count) return MX_OK;
    drop_small(groups);
    if (choose(groups, h->weights, e)) return e->status;
    note_choice(groups, h);
    return MX_OK;
}
