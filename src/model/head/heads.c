/* The table of heads, see heads.h. */
#include "model/head/heads.h"

#include <string.h>

#include "model/head/classifier.h"

/* The first row is the default. */
static const mx_head_kind *const kinds[] = {&mx_head_classifier};

#define KINDS (sizeof kinds / sizeof *kinds)

const mx_head_kind *mx_head_of(const mx_model_config *c) { return c->head ? c->head : kinds[0]; }

const mx_head_kind *mx_head_find(const char *name) {
    for (size_t i = 0; i < KINDS; i++)
        if (!strcmp(kinds[i]->name, name)) return kinds[i];
    return NULL;
}

const char *mx_head_names(void) { return "classifier"; }

bool mx_head_owns(const char *tensor) {
    for (size_t i = 0; i < KINDS; i++)
        if (!strncmp(tensor, kinds[i]->prefix, strlen(kinds[i]->prefix))) return true;
    return false;
}

mx_status mx_head_make(mx_head *h, const mx_model_config *config, mx_params *p, int layer, mx_error *e) {
    *h = (mx_head){.kind = mx_head_of(config), .config = config, .params = p};
    return h->kind->make(h, layer, e);
}

void mx_head_free(mx_head *h) {
    if (h->kind) h->kind->free(h);
    *h = (mx_head){0};
}
