/* What a pickled call rebuilds, for the walk through a checkpoint. Private to src/io. */
#ifndef MX_IO_PTH_TENSOR_H
#define MX_IO_PTH_TENSOR_H

#include "io/pth_internal.h"

/* The call that rebuilds a tensor, found through those that only wrap one as a parameter; NULL: no tensor. */
const mx_pk_node *mx_pth_tensor_call(const mx_pk_node *n);
/* Fills all of *t but name and level. where: its name, for messages. */
mx_status mx_pth_tensor_read(const mx_pth *p, mx_pth_tensor *t, const mx_pk_node *call, const char *where,
                             mx_error *e);

#endif
