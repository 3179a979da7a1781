/* Turns the pickled object into flat lists: every tensor under its keys joined by dots, the plain values of
 * the upper levels, and entries that are neither. The walk has its own stack and limits, since a malicious
 * pickle may contain itself or share one dict a million times. */
#include "io/pth_tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LEVEL   8 /* optimizer.state.0.exp_avg is 4 */
#define MAX_PATH    256
#define MAX_VISITS  1000000
#define MAX_TENSORS 100000
#define MAX_FACTS   400
#define FACT_LEVELS 2

typedef struct {
    const mx_pk_node *node;
    uint32_t next;
    size_t path; /* its length here */
} frame;

typedef struct {
    mx_pth *p;
    frame frame[MAX_LEVEL];
    int depth, visits;
    char path[MAX_PATH];
    size_t key; /* where the last key begins in path */
    mx_error *e;
} walker;

/* ---- entries that are kept
 * ------------------------------------------------------------------------------ */

static mx_status keep_fact(walker *w, mx_pth_fact **list, int *count, const char *value) {
    if (*count == MAX_FACTS) return MX_OK; /* for people, and no one reads more */
    if (!*list && !(*list = calloc(MAX_FACTS, sizeof **list)))
        return mx_fail(w->e, MX_ERR_MEMORY, "out of memory");
    mx_pth_fact *f = &(*list)[*count];
    *f = (mx_pth_fact){strdup(w->path), strdup(value), w->depth, w->key};
    (*count)++;
    return f->name && f->value ? MX_OK : mx_fail(w->e, MX_ERR_MEMORY, "out of memory");
}

/* At most 200 bytes, with control characters replaced: it will be printed. */
static void printable(char out[208], const char *text, uint32_t size) {
    uint32_t n = size < 200 ? size : 200;
    while (n < size && n && ((unsigned char)text[n] & 0xc0) == 0x80) n--; /* no half characters */
    for (uint32_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        out[i] = c < 32 || c == 127 ? ' ' : (char)c;
    }
    memcpy(out + n, size > n ? "..." : "", size > n ? 4 : 1);
}

static mx_status keep_plain(walker *w, const mx_pk_node *n) {
    char text[208];
    if (w->depth > FACT_LEVELS) return MX_OK;
    switch (n->kind) {
    case MX_PK_NONE: snprintf(text, sizeof text, "None"); break;
    case MX_PK_BOOL: snprintf(text, sizeof text, n->whole ? "True" : "False"); break;
    case MX_PK_INT: snprintf(text, sizeof text, "%" PRId64, n->whole); break;
    case MX_PK_FLOAT: snprintf(text, sizeof text, "%.10g", n->real); break;
    case MX_PK_TEXT: printable(text, n->text, n->size); break;
    case MX_PK_BYTES:
    case MX_PK_LONG: snprintf(text, sizeof text, "%" PRIu32 " bytes", n->size); break;
    default: return MX_OK;
    }
    return keep_fact(w, &w->p->fact, &w->p->facts, text);
}

static mx_status keep_object(walker *w, const mx_pk_node *n) {
    char text[208] = "a storage without a tensor", name[456];
    const mx_pk_node *what = n->kind == MX_PK_CALL ? n->item[0] : n;
    if (what->kind == MX_PK_GLOBAL) {
        int size = snprintf(name, sizeof name, "%.*s.%.*s", (int)(what->size < 150 ? what->size : 150),
                            what->text, (int)(what->size2 < 150 ? what->size2 : 150), what->text2);
        const char *other = mx_pth_tensor_other(n);
        if (other && size < 200) size += snprintf(name + size, sizeof name - (size_t)size, " (%s)", other);
        printable(text, name, (uint32_t)size);
    }
    return keep_fact(w, &w->p->object, &w->p->objects, text);
}

static mx_status keep_tensor(walker *w, const mx_pth_call *call) {
    mx_pth *p = w->p;
    if (p->count == MAX_TENSORS) return mx_fail(w->e, MX_ERR_FORMAT, "more than %d tensors", MAX_TENSORS);
    if (p->count == p->capacity) {
        int capacity = p->capacity ? 2 * p->capacity : 256;
        mx_pth_tensor *grown = realloc(p->tensor, sizeof *grown * (size_t)capacity);
        if (!grown) return mx_fail(w->e, MX_ERR_MEMORY, "out of memory for %d tensors", capacity);
        p->tensor = grown, p->capacity = capacity;
    }
    mx_pth_tensor *t = &p->tensor[p->count];
    *t = (mx_pth_tensor){.level = w->depth, .key = w->key};
    if (mx_pth_tensor_read(p, t, call, w->path, w->e)) return w->e->status;
    if (!(t->name = strdup(w->path))) return mx_fail(w->e, MX_ERR_MEMORY, "out of memory");
    p->count++;
    return MX_OK;
}

/* ---- the walk -------------------------------------------------------------------------------------------
 */

/* path ← parent's path . key; false: the key cannot be shown in a line. */
static bool join(walker *w, size_t parent, const mx_pk_node *key, uint32_t index) {
    char number[24];
    const char *text = number;
    size_t size;
    if (key && key->kind == MX_PK_TEXT) {
        text = key->text, size = key->size;
        for (size_t i = 0; i < size; i++)
            if ((unsigned char)text[i] < 32 || text[i] == 127) return false;
    } else if (!key || key->kind == MX_PK_INT)
        size = (size_t)snprintf(number, sizeof number, "%" PRId64, key ? key->whole : (int64_t)index);
    else
        return false;
    size_t dot = parent ? 1 : 0;
    if (parent + dot + size >= MAX_PATH) return false;
    if (dot) w->path[parent] = '.';
    w->key = parent + dot;
    memcpy(w->path + parent + dot, text, size);
    w->path[parent + dot + size] = 0;
    return true;
}

static mx_status enter(walker *w, const mx_pk_node *n) {
    if (w->depth < MAX_LEVEL) w->frame[w->depth++] = (frame){n, 0, strlen(w->path)};
    return MX_OK;
}

static mx_status visit(walker *w, const mx_pk_node *n) {
    mx_pth_call call;
    if (mx_pth_tensor_call(&call, n)) return keep_tensor(w, &call);
    switch (n->kind) {
    case MX_PK_DICT:
    case MX_PK_LIST:
    case MX_PK_TUPLE: return enter(w, n);
    case MX_PK_CALL:
        if (mx_pk_is_global(n->item[0], "argparse", "Namespace") && n->item[2] &&
            n->item[2]->kind == MX_PK_DICT)
            return enter(w, n->item[2]);
        return keep_object(w, n);
    case MX_PK_GLOBAL:
    case MX_PK_PERSISTENT: return keep_object(w, n);
    default: return keep_plain(w, n);
    }
}

static mx_status walk(walker *w) {
    while (w->depth && !w->e->status) {
        frame *f = &w->frame[w->depth - 1];
        bool dict = f->node->kind == MX_PK_DICT;
        if (f->next == f->node->count) {
            w->depth--;
            continue;
        }
        if (++w->visits > MAX_VISITS)
            return mx_fail(w->e, MX_ERR_FORMAT, "more than %d entries in its dicts and lists", MAX_VISITS);
        uint32_t at = f->next;
        const mx_pk_node *key = dict ? f->node->item[at] : NULL, *value = f->node->item[at + (dict ? 1 : 0)];
        f->next += dict ? 2 : 1;
        if (join(w, f->path, key, at))
            visit(w, value);
        else if (mx_pth_tensor_call(&(mx_pth_call){0}, value)) {
            w->path[f->path] = 0;
            keep_fact(w, &w->p->object, &w->p->objects, "a tensor whose key is no name of a line");
        }
    }
    return w->e->status;
}

static int by_name(const void *a, const void *b, void *tensors) {
    const mx_pth_tensor *t = tensors;
    return strcmp(t[*(const int *)a].name, t[*(const int *)b].name);
}

static mx_status sort(mx_pth *p, mx_error *e) {
    if (!(p->by_name = calloc((size_t)p->count + 1, sizeof *p->by_name)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    for (int i = 0; i < p->count; i++) p->by_name[i] = i;
    if (p->count) qsort_r(p->by_name, (size_t)p->count, sizeof *p->by_name, by_name, p->tensor);
    for (int i = 1; i < p->count; i++)
        if (!by_name(&p->by_name[i - 1], &p->by_name[i], p->tensor))
            return mx_fail(e, MX_ERR_FORMAT, "two tensors have the name %.200s",
                           p->tensor[p->by_name[i]].name);
    return MX_OK;
}

static mx_status refuse_root(const mx_pk_node *root, mx_error *e) {
    mx_pth_call call;
    const mx_pk_node *what = root->kind == MX_PK_CALL ? root->item[0] : NULL;
    if (mx_pth_tensor_call(&call, root))
        return mx_fail(e, MX_ERR_FORMAT, "expected a dict of tensors, found a single tensor without a name");
    if (!what || what->kind != MX_PK_GLOBAL)
        return mx_fail(e, MX_ERR_FORMAT, "expected a dict of tensors, found another kind of value");
    char name[304];
    int size = snprintf(name, sizeof name, "%.*s.%.*s", (int)(what->size < 150 ? what->size : 150),
                        what->text, (int)(what->size2 < 150 ? what->size2 : 150), what->text2);
    char shown[208];
    printable(shown, name, (uint32_t)size);
    return mx_fail(e, MX_ERR_FORMAT,
                   "expected a dict of tensors, found an object of %s: save its state_dict()", shown);
}

/* A list at the root, (model's dict, epoch), is entered like a dict: its keys are numbers. */
mx_status mx_pth_walk(mx_pth *p, mx_error *e) {
    walker w = {.p = p, .e = e};
    const mx_pk_node *root = mx_pk_root(p->pk);
    bool list = root->kind == MX_PK_LIST || root->kind == MX_PK_TUPLE;
    if (root->kind != MX_PK_DICT && !list) return refuse_root(root, e);
    enter(&w, root);
    if (walk(&w)) return e->status;
    if (list && !p->count)
        return mx_fail(e, MX_ERR_FORMAT, "expected a dict of tensors, found a list without any");
    return sort(p, e);
}

/* ---- the list -------------------------------------------------------------------------------------------
 */

bool mx_pth_legacy(const mx_pth *p) { return !p->zip; }
int mx_pth_count(const mx_pth *p) { return p->count; }
const mx_pth_tensor *mx_pth_at(const mx_pth *p, int i) { return &p->tensor[i]; }
int mx_pth_fact_count(const mx_pth *p) { return p->facts; }
const mx_pth_fact *mx_pth_fact_at(const mx_pth *p, int i) { return &p->fact[i]; }
int mx_pth_object_count(const mx_pth *p) { return p->objects; }
const mx_pth_fact *mx_pth_object_at(const mx_pth *p, int i) { return &p->object[i]; }

const mx_pth_tensor *mx_pth_find(const mx_pth *p, const char *name) {
    int low = 0, high = p->count - 1;
    while (low <= high) {
        int middle = low + (high - low) / 2, order = strcmp(name, p->tensor[p->by_name[middle]].name);
        if (!order) return &p->tensor[p->by_name[middle]];
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *mx_pth_fact_find(const mx_pth *p, const char *name) {
    for (int i = 0; i < p->facts; i++)
        if (!strcmp(p->fact[i].name, name)) return p->fact[i].value;
    return NULL;
}

char *mx_pth_text(const mx_pth *p, const char *key, mx_error *e) {
    const mx_pk_node *n = mx_pk_get(mx_pk_root(p->pk), key);
    bool text = n && n->kind == MX_PK_TEXT && !memchr(n->text, 0, n->size);
    char *copy = text ? strndup(n->text, n->size) : NULL;
    if (text && !copy) mx_fail(e, MX_ERR_MEMORY, "out of memory for \"%s\"", key);
    return copy;
}
