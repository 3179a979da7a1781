/* The pickle machine: input that it accepts gives a graph of inert nodes whose texts are inside the input. */
#include "io/pickle.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Looks at every item of a node once, and at each item's own texts; no deeper, since nodes may be cyclic. */
static unsigned look(const mx_pk_node *n, const unsigned char *bytes, size_t size) {
    unsigned sum = 0;
    switch (n->kind) {
    case MX_PK_TEXT:
    case MX_PK_BYTES:
    case MX_PK_LONG:
    case MX_PK_GLOBAL:
        if ((const unsigned char *)n->text < bytes || (const unsigned char *)n->text + n->size > bytes + size)
            abort();
        for (uint32_t i = 0; i < n->size; i++) sum += (unsigned char)n->text[i];
        break;
    case MX_PK_DICT:
        if (n->count % 2) abort();
        mx_pk_get(n, "model");
        break;
    case MX_PK_CALL:
        if (n->count != 3 || !n->item[0] || n->item[1]->kind != MX_PK_TUPLE) abort();
        break;
    default: break;
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mx_pk *pk = NULL;
    mx_error e = {0};
    size_t used = 0;
    unsigned char *bytes = malloc(size ? size : 1); /* of that size exactly: one byte too far is seen */
    if (!bytes) return 0;
    if (size) memcpy(bytes, data, size);
    mx_status s = mx_pk_parse(&pk, bytes, size, &used, &e);
    if ((s == MX_OK) != (pk != NULL) || s != e.status || used > size) abort();
    volatile unsigned sum = 0;
    if (pk) {
        const mx_pk_node *root = mx_pk_root(pk);
        bool items = root->kind == MX_PK_TUPLE || root->kind == MX_PK_LIST || root->kind == MX_PK_DICT ||
                     root->kind == MX_PK_CALL;
        sum = look(root, bytes, size);
        for (uint32_t i = 0; items && i < root->count; i++)
            if (root->item[i]) sum += look(root->item[i], bytes, size);
        for (int i = 0; i < mx_pk_persistent_count(pk); i++)
            sum += look(mx_pk_persistent_at(pk, i)->item[0], bytes, size);
    }
    (void)sum;
    mx_pk_free(pk);
    free(bytes);
    return 0;
}
