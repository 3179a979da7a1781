/* Writing a checkpoint that torch.load(path, weights_only=True) opens: {'model': OrderedDict of tensors, and
 * texts beside it}. Source: formats.md (b) "Writing for torch.load". */
#ifndef MX_IO_PTH_WRITE_H
#define MX_IO_PTH_WRITE_H

#include "io/safetensors.h"

/* Tensors in the order given, C order, types F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL. The texts become
 * entries of the top dict. A zip of stored entries, data on 64 bytes; the same input gives the same bytes; a
 * temporary sibling, fsync, rename. */
mx_status mx_pth_write(const char *path, const mx_st_tensor *tensors, int count, const mx_st_pair *texts,
                       int text_count, mx_error *e);

#endif
