/* Writes a checkpoint that torch.load(path, weights_only=True) opens: {'model': OrderedDict of tensors} and
 * text entries (docs/FORMATS.md, "PyTorch files"). */
#ifndef MX_IO_PTH_WRITE_H
#define MX_IO_PTH_WRITE_H

#include "io/safetensors.h"

/* Writes tensors in the given order, in C order, of types F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL. The texts
 * become entries of the top dict. The file is a zip of stored entries with data aligned to 64 bytes; equal
 * input gives equal bytes. Written atomically: a temporary file in the same folder, fsync, rename. It is read
 * back and compared before it replaces path. */
mx_status mx_pth_write(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *texts,
                       int text_count, mx_error *e);

#endif
