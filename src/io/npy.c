/* The header of a .npy file, see npy.h. */
#include "io/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MX_NPY_ALIGN 64 /* the data begin at a multiple of it */

mx_status mx_npy_header(mx_file *f, const int64_t *dim, int ndim, mx_error *e) {
    char text[512] = "\x93NUMPY\x01";
    size_t n = 10 + (size_t)snprintf(text + 10, 128, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < ndim; i++)
        n += (size_t)snprintf(text + n, 32, "%" PRId64 ",%s", dim[i], i + 1 < ndim ? " " : "");
    n += (size_t)snprintf(text + n, 8, "), }");
    while ((n + 1) % MX_NPY_ALIGN) text[n++] = ' ';
    text[n++] = '\n';
    text[7] = 0;
    text[8] = (char)((n - 10) & 255), text[9] = (char)((n - 10) >> 8);
    return mx_file_put(f, text, n, e);
}
