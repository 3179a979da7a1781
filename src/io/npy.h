/* NumPy's .npy, written row by row. Format: numpy.lib.format, version 1.0. */
#ifndef MX_IO_NPY_H
#define MX_IO_NPY_H

#include <stdint.h>

#include "base/status.h"
#include "io/file.h"

/* The header of a C-ordered little-endian f32 array [dim...]; the data follow in the same file. */
mx_status mx_npy_header(mx_file *f, const int64_t *dim, int ndim, mx_error *e);

#endif
