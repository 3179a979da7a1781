/* Interprets pickled calls that rebuild tensors, for the walk through a checkpoint. Private to src/io. */
#ifndef MX_IO_PTH_TENSOR_H
#define MX_IO_PTH_TENSOR_H

#include "io/pth_internal.h"

/* A call that rebuilds a tensor from a storage. */
typedef struct {
    const mx_pk_node *what, *arguments; /* a name, a tuple */
} mx_pth_call;
/* Finds the call that rebuilds n, through calls that only wrap it: a parameter, a buffer, a subclass, a
 * tensor with attributes. False: n is not a tensor. */
bool mx_pth_tensor_call(mx_pth_call *call, const mx_pk_node *n);
/* Describes a tensor of an unsupported kind ("a sparse tensor"); NULL: n is not one. */
const char *mx_pth_tensor_other(const mx_pk_node *n);
/* Fills *t except name, level and key. where: its name, for messages. */
mx_status mx_pth_tensor_read(const mx_pth *p, mx_pth_tensor *t, const mx_pth_call *call, const char *where,
                             mx_error *e);

#endif
