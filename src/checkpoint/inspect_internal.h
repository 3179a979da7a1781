/* Output of `mixmae inspect` that all kinds of file share. Private to inspect*.c. */
#ifndef MX_CHECKPOINT_INSPECT_INTERNAL_H
#define MX_CHECKPOINT_INSPECT_INTERNAL_H

#include "io/safetensors.h"

typedef struct {
    void (*line)(void *user, const char *text);
    void *user;
} mx_inspect_printer;

void mx_inspect_say(const mx_inspect_printer *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Print the heading over tensors, and a tensor's line; the latter returns its elements. data NULL: no
 * statistics. */
void mx_inspect_head(const mx_inspect_printer *p);
int64_t mx_inspect_tensor(const mx_inspect_printer *p, const mx_st_tensor *t);

mx_status mx_inspect_pth(const char *path, const mx_inspect_printer *p, mx_error *e);

#endif
