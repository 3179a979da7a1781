/* Reads a pickle as data: a stack machine with a closed list of opcodes that builds inert nodes. It never
 * looks up, imports or calls anything: a class or function is a name, a call is that name with its arguments.
 * Supports what PyTorch's files need of protocols 2 to 5 (docs/FORMATS.md, "PyTorch files"); pth.h interprets
 * the nodes. Every node and every reference counts against a limit, so a small file cannot demand much
 * memory. */
#ifndef MX_IO_PICKLE_H
#define MX_IO_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum {
    MX_PK_NONE,
    MX_PK_BOOL,       /* whole: 0 or 1 */
    MX_PK_INT,        /* whole */
    MX_PK_LONG,       /* text: a larger integer, two's complement, little-endian */
    MX_PK_FLOAT,      /* real */
    MX_PK_TEXT,       /* text: not terminated, not checked to be UTF-8 */
    MX_PK_BYTES,      /* text; also for bytearrays */
    MX_PK_TUPLE,      /* item */
    MX_PK_LIST,       /* item; also for sets */
    MX_PK_DICT,       /* item: key, value, key, value, ... in order; also for OrderedDict and defaultdict */
    MX_PK_GLOBAL,     /* text: module, text2: name */
    MX_PK_PERSISTENT, /* item[0]: the id */
    MX_PK_CALL        /* item[0]: the callee, item[1]: arguments, item[2]: state (BUILD) or NULL */
} mx_pk_kind;

typedef struct mx_pk_node {
    mx_pk_kind kind;
    uint32_t count, capacity; /* items */
    union {
        int64_t whole;
        double real;
        struct {
            const char *text, *text2;
        }; /* points into the parsed bytes */
        struct mx_pk_node **item;
    };
    uint32_t size, size2; /* bytes of text, text2 */
} mx_pk_node;

#define MX_PK_MAX_BYTES (64u << 20) /* per pickle: 500 times a large model's */
#define MX_PK_MAX_COST  (4u << 20)  /* nodes and references: about 200 MB; a large model needs 50,000 */

typedef struct mx_pk mx_pk;

/* Parses one pickle; other bytes may follow it. *used (may be NULL) is its length. bytes must outlive the
 * result. */
mx_status mx_pk_parse(mx_pk **out, const void *bytes, size_t size, size_t *used, mx_error *e);
void mx_pk_free(mx_pk *pk);
/* The pickled object. Nodes may be shared and, in a malicious file, contain themselves: limit any
 * traversal. */
const mx_pk_node *mx_pk_root(const mx_pk *pk);
/* Every persistent id, in the order of the file. */
int mx_pk_persistent_count(const mx_pk *pk);
const mx_pk_node *mx_pk_persistent_at(const mx_pk *pk, int i);

bool mx_pk_is_text(const mx_pk_node *n, const char *text);                       /* n may be NULL */
bool mx_pk_is_global(const mx_pk_node *n, const char *module, const char *name); /* likewise */
/* The value of a text key; of equal keys the last, as in Python. NULL if absent or if n is not a dict. */
const mx_pk_node *mx_pk_get(const mx_pk_node *n, const char *key);

#endif
