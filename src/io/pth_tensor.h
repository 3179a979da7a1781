/* What a pickled call rebuilds, for the walk through a checkpoint. Private to src/io. */
#ifndef MX_IO_PTH_TENSOR_H
#define MX_IO_PTH_TENSOR_H

#include "io/pth_internal.h"

/* A call that rebuilds a tensor from a storage. */
typedef struct {
    const mx_pk_node *what, *arguments; /* a name, a tuple */
} mx_pth_call;
/* The call behind n, found through those that only wrap one: as a parameter, a buffer, a subclass, a tensor
 * with attributes. false: no tensor. */
bool mx_pth_tensor_call(mx_pth_call *call, const mx_pk_node *n);
/* A tensor of a kind that is not read, in words ("a sparse tensor"); NULL: n is none. */
const char *mx_pth_tensor_other(const mx_pk_node *n);
/* Fills all of *t but name, level and key. where: its name, for messages. */
mx_status mx_pth_tensor_read(const mx_pth *p, mx_pth_tensor *t, const mx_pth_call *call, const char *where,
                             mx_error *e);

#endif
