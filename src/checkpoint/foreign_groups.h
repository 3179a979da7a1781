/* Finds the model among a file's tensors. A checkpoint holds it in some dict, under some prefix, and may hold
 * it twice: the weights and their moving average. Private to foreign*.c and its tests. */
#ifndef MX_CHECKPOINT_FOREIGN_GROUPS_H
#define MX_CHECKPOINT_FOREIGN_GROUPS_H

#include "checkpoint/foreign.h"
#include "io/pth.h"
#include "io/safetensors.h"

#define MX_MAX_GROUPS 64

/* The tensors of one model: all whose path begins with `prefix`, of the same dict. */
typedef struct {
    const char *path; /* of the tensor that identified the group */
    size_t prefix;    /* bytes of path before our names: "state_dict.module." */
    size_t dict;      /* bytes of the dicts' names in it; the keys of its tensors begin there */
    int tensors;
    bool average; /* its name says so: ema, teacher, swa, .. */
} mx_group;

typedef struct {
    mx_group at[MX_MAX_GROUPS];
    int count, chosen; /* chosen -1: none was found; foreign_kinds.h says what the file is */
} mx_groups;

/* Its name in messages and for --weights: the prefix without its last dot, or "the top" if there is none. */
void mx_group_name(char out[160], const mx_group *g);
/* Does the path name a tensor of the group? key: offset of the tensor's own key in it. */
bool mx_group_holds(const mx_group *g, const char *path, size_t key);
/* Does a word of the prefix name a moving average? */
bool mx_group_is_average(const char *path, size_t prefix);
/* Can this top-level key of a checkpoint hold a model? */
bool mx_group_is_model(const char *key);
/* Finds every group by the names after the prefix and chooses one. weights: NULL (plain weights, else an
 * average), "model" (plain weights only), "ema", or a group's name. Notes the choice if there were several
 * groups. */
mx_status mx_groups_find(mx_groups *groups, const mx_foreign *f, const mx_foreign_hints *hints, mx_error *e);

/* The group of the longest prefix that holds this path; -1: none. */
int mx_groups_owner(const mx_groups *groups, const char *path, size_t key);

/* Tensor i of the file, in either container. */
int mx_foreign_file_count(const mx_foreign *f);
const char *mx_foreign_file_path(const mx_foreign *f, int i, size_t *key);
/* Does it belong to an optimiser? */
bool mx_foreign_of_optimiser(const char *path);

#endif
