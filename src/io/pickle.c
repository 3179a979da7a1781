/* The pickle machine, see pickle.h. CPython's pickletools describes the opcodes. */
#include "io/pickle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 65536 /* bytes of an arena block, unless one request is larger */

typedef struct block {
    struct block *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
} block;

/* A growing array of nodes: the stack, the memo, the persistent ids. */
typedef struct {
    mx_pk_node **at;
    size_t count, capacity;
} nodes;

struct mx_pk {
    const unsigned char *bytes;
    size_t size, at;
    block *arena;
    size_t spent; /* nodes made and items stored, see MX_PK_MAX_COST */
    nodes stack, memo, persistent;
    size_t *mark; /* heights of the stack */
    size_t marks, mark_capacity;
    mx_pk_node none, yes, no;
    mx_pk_node *root;
    mx_error *e;
};

static void *take(mx_pk *pk, size_t bytes) {
    bytes = (bytes + 15) & ~(size_t)15;
    if (!pk->arena || pk->arena->size - pk->arena->used < bytes) {
        size_t size = bytes > CHUNK ? bytes : CHUNK;
        block *b = malloc(sizeof *b + size);
        if (!b) {
            mx_fail(pk->e, MX_ERR_MEMORY, "out of memory while reading a pickle");
            return NULL;
        }
        *b = (block){.next = pk->arena, .size = size};
        pk->arena = b;
    }
    void *p = pk->arena->bytes + pk->arena->used;
    pk->arena->used += bytes;
    return p;
}

static mx_status bad(mx_pk *pk, const char *why) {
    return mx_fail(pk->e, MX_ERR_FORMAT, "pickle, byte %zu: %s", pk->at, why);
}

/* Copying by reference costs the file few bytes, so the limit counts what is stored, not what is read. */
static mx_status spend(mx_pk *pk, size_t count) {
    if (count > MX_PK_MAX_COST - pk->spent) return bad(pk, "more than 4 million values");
    pk->spent += count;
    return MX_OK;
}

static mx_status append(mx_pk *pk, nodes *a, mx_pk_node *n) {
    if (a->count >= MX_PK_MAX_COST) return bad(pk, "more than 4 million values");
    if (a->count == a->capacity) {
        size_t capacity = a->capacity ? 2 * a->capacity : 64;
        mx_pk_node **at = realloc(a->at, capacity * sizeof *at);
        if (!at) return mx_fail(pk->e, MX_ERR_MEMORY, "out of memory while reading a pickle");
        a->at = at, a->capacity = capacity;
    }
    a->at[a->count++] = n;
    return MX_OK;
}

static mx_pk_node *make(mx_pk *pk, mx_pk_kind kind) {
    mx_pk_node *n = spend(pk, 1) ? NULL : take(pk, sizeof *n);
    if (n) *n = (mx_pk_node){.kind = kind};
    return n;
}

static mx_status push(mx_pk *pk, mx_pk_node *n) { return n ? append(pk, &pk->stack, n) : pk->e->status; }

/* Nodes above the last mark (or all without one) may be popped; those below belong to open containers. */
static size_t floor_of(const mx_pk *pk) { return pk->marks ? pk->mark[pk->marks - 1] : 0; }

static mx_pk_node *pop(mx_pk *pk) {
    if (pk->stack.count > floor_of(pk)) return pk->stack.at[--pk->stack.count];
    bad(pk, "the stack is empty");
    return NULL;
}

static mx_pk_node *top(mx_pk *pk) {
    if (pk->stack.count > floor_of(pk)) return pk->stack.at[pk->stack.count - 1];
    bad(pk, "the stack is empty");
    return NULL;
}

/* ---- operands -------------------------------------------------------------------------------------------
 */

/* The next n bytes, or NULL if there are fewer. */
static const unsigned char *bytes_of(mx_pk *pk, uint64_t n) {
    if (n > pk->size - pk->at) {
        bad(pk, "cut off, or a length that passes the end");
        return NULL;
    }
    const unsigned char *p = pk->bytes + pk->at;
    pk->at += (size_t)n;
    return p;
}

static mx_status number(mx_pk *pk, int width, uint64_t *out) {
    const unsigned char *p = bytes_of(pk, (uint64_t)width);
    *out = 0;
    for (int i = 0; p && i < width; i++) *out |= (uint64_t)p[i] << (8 * i);
    return pk->e->status;
}

/* Up to a newline, which is passed; the pointer stays inside the pickle. */
static const char *line_of(mx_pk *pk, uint32_t *size) {
    const unsigned char *p = pk->bytes + pk->at, *end = memchr(p, '\n', pk->size - pk->at);
    if (!end) {
        bad(pk, "a name without an end");
        return NULL;
    }
    *size = (uint32_t)(end - p);
    pk->at += (size_t)(end - p) + 1;
    return (const char *)p;
}

static mx_status push_whole(mx_pk *pk, int64_t v) {
    mx_pk_node *n = make(pk, MX_PK_INT);
    if (n) n->whole = v;
    return push(pk, n);
}

/* A string whose length is in `width` bytes. */
static mx_status push_text(mx_pk *pk, mx_pk_kind kind, int width) {
    uint64_t size;
    if (number(pk, width, &size)) return pk->e->status;
    const unsigned char *p = bytes_of(pk, size);
    mx_pk_node *n = p ? make(pk, kind) : NULL;
    if (n) n->text = (const char *)p, n->size = (uint32_t)size;
    return push(pk, n);
}

/* LONG1, LONG4: little-endian two's complement of any length. */
static mx_status push_long(mx_pk *pk, int width) {
    uint64_t size, v = 0;
    if (number(pk, width, &size)) return pk->e->status;
    const unsigned char *p = bytes_of(pk, size);
    if (!p) return pk->e->status;
    if (size > 8) {
        mx_pk_node *n = make(pk, MX_PK_LONG);
        if (n) n->text = (const char *)p, n->size = (uint32_t)size;
        return push(pk, n);
    }
    for (uint64_t i = 0; i < size; i++) v |= (uint64_t)p[i] << (8 * i);
    if (size && size < 8 && p[size - 1] & 0x80) v |= ~(uint64_t)0 << (8 * size);
    return push_whole(pk, (int64_t)v);
}

static mx_status push_float(mx_pk *pk) {
    const unsigned char *p = bytes_of(pk, 8);
    uint64_t bits = 0;
    for (int i = 0; p && i < 8; i++) bits = bits << 8 | p[i]; /* the one big-endian operand */
    mx_pk_node *n = p ? make(pk, MX_PK_FLOAT) : NULL;
    if (n) memcpy(&n->real, &bits, 8);
    return push(pk, n);
}

/* ---- containers -----------------------------------------------------------------------------------------
 */

static mx_status add_items(mx_pk *pk, mx_pk_node *to, mx_pk_node *const *item, size_t count) {
    if (!count) return MX_OK;
    if (spend(pk, count)) return pk->e->status;
    if (to->count + count > to->capacity) {
        size_t capacity = to->capacity ? 2 * (size_t)to->capacity : 4;
        if (capacity < to->count + count) capacity = to->count + count;
        mx_pk_node **grown = take(pk, capacity * sizeof *grown);
        if (!grown) return pk->e->status;
        if (to->count) memcpy(grown, to->item, to->count * sizeof *grown);
        to->item = grown, to->capacity = (uint32_t)capacity;
    }
    memcpy(to->item + to->count, item, count * sizeof *item);
    to->count += (uint32_t)count;
    return MX_OK;
}

/* Removes and returns everything above the last mark; valid until the next push. */
static mx_pk_node **above_mark(mx_pk *pk, size_t *count) {
    if (!pk->marks) {
        bad(pk, "no mark on the stack");
        return NULL;
    }
    size_t from = pk->mark[--pk->marks];
    *count = pk->stack.count - from;
    pk->stack.count = from;
    return pk->stack.at + from;
}

static mx_status set_mark(mx_pk *pk) {
    if (pk->marks == pk->mark_capacity) {
        size_t capacity = pk->mark_capacity ? 2 * pk->mark_capacity : 64;
        size_t *mark = realloc(pk->mark, capacity * sizeof *mark);
        if (!mark) return mx_fail(pk->e, MX_ERR_MEMORY, "out of memory while reading a pickle");
        pk->mark = mark, pk->mark_capacity = capacity;
    }
    pk->mark[pk->marks++] = pk->stack.count;
    return MX_OK;
}

static mx_status push_tuple(mx_pk *pk, mx_pk_node *const *item, size_t count) {
    mx_pk_node *n = make(pk, MX_PK_TUPLE);
    if (n && add_items(pk, n, item, count)) return pk->e->status;
    return push(pk, n);
}

static mx_status push_small_tuple(mx_pk *pk, size_t count) {
    mx_pk_node *item[3] = {0};
    for (size_t i = count; i-- > 0;)
        if (!(item[i] = pop(pk))) return pk->e->status;
    return push_tuple(pk, item, count);
}

/* The container below the popped items. Items added to an object of an unknown class are dropped with it. */
static mx_status extend(mx_pk *pk, mx_pk_kind kind, mx_pk_node *const *item, size_t count) {
    mx_pk_node *to = top(pk);
    if (!to) return pk->e->status;
    if (kind == MX_PK_DICT && count % 2) return bad(pk, "a key without a value");
    if (to->kind == MX_PK_CALL) return MX_OK;
    if (to->kind != kind) return bad(pk, "items are added to what is no container of that kind");
    return add_items(pk, to, item, count);
}

static mx_status extend_from_mark(mx_pk *pk, mx_pk_kind kind) {
    size_t count;
    mx_pk_node **item = above_mark(pk, &count);
    return item ? extend(pk, kind, item, count) : pk->e->status;
}

static mx_status extend_small(mx_pk *pk, mx_pk_kind kind) {
    mx_pk_node *item[2] = {0};
    size_t count = kind == MX_PK_DICT ? 2 : 1;
    for (size_t i = count; i-- > 0;)
        if (!(item[i] = pop(pk))) return pk->e->status;
    return extend(pk, kind, item, count);
}

/* ---- names, calls, memo ---------------------------------------------------------------------------------
 */

static mx_status push_global(mx_pk *pk) {
    uint32_t size, size2;
    const char *module = line_of(pk, &size), *name = module ? line_of(pk, &size2) : NULL;
    mx_pk_node *n = name ? make(pk, MX_PK_GLOBAL) : NULL;
    if (n) n->text = module, n->size = size, n->text2 = name, n->size2 = size2;
    return push(pk, n);
}

static mx_status stack_global(mx_pk *pk) {
    mx_pk_node *name = pop(pk), *module = name ? pop(pk) : NULL;
    if (!module) return pk->e->status;
    if (name->kind != MX_PK_TEXT || module->kind != MX_PK_TEXT) return bad(pk, "a name that is no text");
    mx_pk_node *n = make(pk, MX_PK_GLOBAL);
    if (n) n->text = module->text, n->size = module->size, n->text2 = name->text, n->size2 = name->size;
    return push(pk, n);
}

/* OrderedDict([[key, value], ...]), as Python 2 wrote it: the pairs become items. */
static mx_status add_pairs(mx_pk *pk, mx_pk_node *dict, const mx_pk_node *arguments) {
    const mx_pk_node *list = arguments->count == 1 ? arguments->item[0] : NULL;
    for (uint32_t i = 0; list && list->kind == MX_PK_LIST && i < list->count; i++) {
        const mx_pk_node *pair = list->item[i];
        bool two = (pair->kind == MX_PK_LIST || pair->kind == MX_PK_TUPLE) && pair->count == 2;
        if (!two) return bad(pk, "an OrderedDict of what are no pairs");
        if (add_items(pk, dict, pair->item, 2)) return pk->e->status;
    }
    return MX_OK;
}

/* REDUCE, NEWOBJ and NEWOBJ_EX (after its keyword arguments): nothing is called. The dicts of the collections
 * module are known; all other calls are kept as they are. */
static mx_status call(mx_pk *pk, bool keywords) {
    mx_pk_node *named = keywords ? pop(pk) : NULL;
    if (keywords && !named) return pk->e->status;
    if (named && named->kind != MX_PK_DICT) return bad(pk, "keyword arguments that are no dict");
    mx_pk_node *arguments = pop(pk), *what = arguments ? pop(pk) : NULL;
    if (!what) return pk->e->status;
    if (arguments->kind != MX_PK_TUPLE) return bad(pk, "arguments that are no tuple");
    bool ordered = mx_pk_is_global(what, "collections", "OrderedDict");
    if (ordered || mx_pk_is_global(what, "collections", "defaultdict")) {
        mx_pk_node *n = make(pk, MX_PK_DICT);
        if (n && ordered && add_pairs(pk, n, arguments)) return pk->e->status;
        return push(pk, n);
    }
    mx_pk_node *n = make(pk, MX_PK_CALL), *const item[3] = {what, arguments, NULL};
    if (n && add_items(pk, n, item, 3)) return pk->e->status;
    return push(pk, n);
}

/* The state of an object of an unknown class is kept; that of a dict (a state dict's _metadata) is
 * dropped. */
static mx_status build(mx_pk *pk) {
    mx_pk_node *state = pop(pk), *object = state ? top(pk) : NULL;
    if (object && object->kind == MX_PK_CALL) object->item[2] = state;
    return pk->e->status;
}

static mx_status push_persistent(mx_pk *pk) {
    mx_pk_node *id = pop(pk), *n = id ? make(pk, MX_PK_PERSISTENT) : NULL;
    if (!n || add_items(pk, n, &id, 1) || append(pk, &pk->persistent, n)) return pk->e->status;
    return push(pk, n);
}

/* Writers number the memo from 0 without gaps, so an index may replace an entry or add the next. */
static mx_status put(mx_pk *pk, uint64_t index) {
    mx_pk_node *n = top(pk);
    if (!n) return pk->e->status;
    if (index > pk->memo.count) return bad(pk, "a memo index that skips numbers");
    if (index == pk->memo.count) return append(pk, &pk->memo, n);
    pk->memo.at[index] = n;
    return MX_OK;
}

static mx_status put_at(mx_pk *pk, int width) {
    uint64_t index;
    return number(pk, width, &index) ? pk->e->status : put(pk, index);
}

static mx_status get_at(mx_pk *pk, int width) {
    uint64_t index;
    if (number(pk, width, &index)) return pk->e->status;
    if (index >= pk->memo.count) return bad(pk, "a memo entry that was never set");
    return append(pk, &pk->stack, pk->memo.at[index]);
}

/* ---- the machine ----------------------------------------------------------------------------------------
 */

static mx_status push_integer(mx_pk *pk, int op) {
    uint64_t v;
    if (number(pk, op == 'J' ? 4 : op == 'M' ? 2 : 1, &v)) return pk->e->status;
    return push_whole(pk, op == 'J' ? (int32_t)(uint32_t)v : (int64_t)v);
}

static mx_status skip(mx_pk *pk, uint64_t n) { return bytes_of(pk, n) ? MX_OK : pk->e->status; }

static mx_status stop(mx_pk *pk) {
    if (pk->stack.count != 1 || pk->marks) return bad(pk, "the end leaves other than one value");
    pk->root = pk->stack.at[0];
    return MX_OK;
}

static mx_status start(mx_pk *pk) {
    uint64_t version;
    if (number(pk, 1, &version)) return pk->e->status;
    return version >= 2 && version <= 5 ? MX_OK : bad(pk, "expected protocol 2 to 5");
}

static mx_status step_tuple(mx_pk *pk) {
    size_t count;
    mx_pk_node **item = above_mark(pk, &count);
    if (!item) return pk->e->status;
    /* the items are past the stack's end, where the push will write: the tuple has its copy by then */
    return push_tuple(pk, item, count);
}

/* FROZENSET: as a set, all at once. */
static mx_status step_set(mx_pk *pk) {
    size_t count;
    mx_pk_node **item = above_mark(pk, &count), *n = item ? make(pk, MX_PK_LIST) : NULL;
    if (!n || add_items(pk, n, item, count)) return pk->e->status;
    return push(pk, n);
}

/* POP and POP_MARK: written after a tuple or frozenset that contains itself. */
static mx_status drop(mx_pk *pk, bool to_mark) {
    size_t count;
    if (to_mark) return above_mark(pk, &count) ? MX_OK : pk->e->status;
    return pop(pk) ? MX_OK : pk->e->status;
}

static mx_status refuse_buffer(mx_pk *pk) {
    return bad(pk, "an out-of-band buffer, whose bytes a file does not hold");
}

/* The closed list: one line an opcode. */
static mx_status step(mx_pk *pk, int op) {
    switch (op) {
    case 0x80: return start(pk);
    case '.': return stop(pk);
    case 'c': return push_global(pk);
    case 0x93: return stack_global(pk);
    case 'q': return put_at(pk, 1);
    case 'r': return put_at(pk, 4);
    case 0x94: return put(pk, pk->memo.count);
    case 'h': return get_at(pk, 1);
    case 'j': return get_at(pk, 4);
    case '(': return set_mark(pk);
    case ')': return push_small_tuple(pk, 0);
    case 't': return step_tuple(pk);
    case 0x85: return push_small_tuple(pk, 1);
    case 0x86: return push_small_tuple(pk, 2);
    case 0x87: return push_small_tuple(pk, 3);
    case ']':
    case 0x8f: return push(pk, make(pk, MX_PK_LIST));
    case 'a': return extend_small(pk, MX_PK_LIST);
    case 0x91: return step_set(pk);
    case '0':
    case '1': return drop(pk, op == '1');
    case 'e':
    case 0x90: return extend_from_mark(pk, MX_PK_LIST);
    case '}': return push(pk, make(pk, MX_PK_DICT));
    case 's': return extend_small(pk, MX_PK_DICT);
    case 'u': return extend_from_mark(pk, MX_PK_DICT);
    case 'N': return push(pk, &pk->none);
    case 0x88: return push(pk, &pk->yes);
    case 0x89: return push(pk, &pk->no);
    case 'J':
    case 'K':
    case 'M': return push_integer(pk, op);
    case 0x8a: return push_long(pk, 1);
    case 0x8b: return push_long(pk, 4);
    case 'G': return push_float(pk);
    case 'X': return push_text(pk, MX_PK_TEXT, 4);
    case 0x8c: return push_text(pk, MX_PK_TEXT, 1);
    case 'U': return push_text(pk, MX_PK_TEXT, 1); /* Python 2's strings */
    case 'T': return push_text(pk, MX_PK_TEXT, 4);
    case 'B': return push_text(pk, MX_PK_BYTES, 4);
    case 'C': return push_text(pk, MX_PK_BYTES, 1);
    case 0x8d: return push_text(pk, MX_PK_TEXT, 8);
    case 0x8e:
    case 0x96: return push_text(pk, MX_PK_BYTES, 8);
    case 0x97:
    case 0x98: return refuse_buffer(pk);
    case 'Q': return push_persistent(pk);
    case 'R':
    case 0x81: return call(pk, false);
    case 0x92: return call(pk, true);
    case 'b': return build(pk);
    case 0x95: return skip(pk, 8); /* a frame's length: only needed by streams */
    default:
        return mx_fail(pk->e, MX_ERR_FORMAT,
                       "pickle, byte %zu: opcode 0x%02x is not one that a checkpoint uses", pk->at - 1,
                       (unsigned)op);
    }
}

mx_status mx_pk_parse(mx_pk **out, const void *bytes, size_t size, size_t *used, mx_error *e) {
    mx_error own = {0};
    mx_pk *pk = calloc(1, sizeof *pk);
    *out = NULL;
    if (!pk) return mx_fail(e, MX_ERR_MEMORY, "out of memory while reading a pickle");
    pk->bytes = bytes, pk->size = size < MX_PK_MAX_BYTES ? size : MX_PK_MAX_BYTES, pk->e = &own;
    pk->none.kind = MX_PK_NONE, pk->yes = (mx_pk_node){.kind = MX_PK_BOOL, .whole = 1};
    pk->no.kind = MX_PK_BOOL;
    append(pk, &pk->stack, &pk->none); /* so that even the empty stack has an address */
    pk->stack.count = 0;
    while (!own.status && !pk->root) {
        const unsigned char *op = bytes_of(pk, 1);
        if (op) step(pk, *op);
    }
    if (used) *used = pk->at;
    pk->e = NULL;
    if (own.status) {
        mx_pk_free(pk);
        return mx_fail(e, own.status, "%s", own.text);
    }
    *out = pk;
    return MX_OK;
}

void mx_pk_free(mx_pk *pk) {
    if (!pk) return;
    for (block *b = pk->arena, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(pk->stack.at);
    free(pk->memo.at);
    free(pk->persistent.at);
    free(pk->mark);
    free(pk);
}

const mx_pk_node *mx_pk_root(const mx_pk *pk) { return pk->root; }
int mx_pk_persistent_count(const mx_pk *pk) { return (int)pk->persistent.count; }
const mx_pk_node *mx_pk_persistent_at(const mx_pk *pk, int i) { return pk->persistent.at[i]; }

static bool same(const char *text, uint32_t size, const char *want) {
    return strlen(want) == size && !memcmp(text, want, size);
}

bool mx_pk_is_text(const mx_pk_node *n, const char *text) {
    return n && n->kind == MX_PK_TEXT && same(n->text, n->size, text);
}

bool mx_pk_is_global(const mx_pk_node *n, const char *module, const char *name) {
    return n && n->kind == MX_PK_GLOBAL && same(n->text, n->size, module) && same(n->text2, n->size2, name);
}

const mx_pk_node *mx_pk_get(const mx_pk_node *n, const char *key) {
    if (!n || n->kind != MX_PK_DICT) return NULL;
    for (uint32_t i = n->count; i > 0; i -= 2)
        if (mx_pk_is_text(n->item[i - 2], key)) return n->item[i - 1];
    return NULL;
}
