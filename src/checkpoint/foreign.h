/* Models from files that hold tensors but not our configuration: PyTorch checkpoints of the authors' program
 * or of mmpretrain's MixMIM, or a safetensors file of such tensors. The configuration is inferred from the
 * shapes; values that shapes do not determine come from the hints, or are assumed and reported. Source:
 * docs/FORMATS.md, "PyTorch files"; docs/MODEL.md, "Tensor names". */
#ifndef MX_CHECKPOINT_FOREIGN_H
#define MX_CHECKPOINT_FOREIGN_H

#include "checkpoint/checkpoint.h"
#include "io/pth.h"

/* What the caller knows about the file; 0 and NULL: nothing. */
typedef struct {
    int image_h, image_w;
    const char *model; /* the configuration must be this named model's */
    int decoder_heads;
    bool
        partial; /* notes, instead of an error: missing and misshapen tensors keep first values, others are skipped */
    const char *weights; /* --weights: which of several models in the file, see foreign_groups.h */
    const mx_pixels *pixels;
    int channels;                               /* of pixels */
    void (*note)(void *user, const char *line); /* gets a line for each assumption or omission; or NULL */
    void *user;
} mx_foreign_hints;

/* Reads the model, made with `use`. pixels may be NULL. hints may be NULL. */
mx_status mx_foreign_read(mx_model *m, mx_pixels *pixels, const char *path, const mx_foreign_hints *hints,
                          mx_params_use use, mx_error *e);

/* The configuration alone. hints may be NULL. */
mx_status mx_foreign_read_config(mx_model_config *config, const char *path, const mx_foreign_hints *hints,
                                 mx_error *e);

/* A tensor of the file under our name. */
typedef struct {
    char name[160];
    const char *original; /* as in the file */
    int ndim;
    int64_t dim[8], count;
    bool repeats; /* its strides claim more elements than are stored */
    const mx_pth_tensor *pth;
    const mx_st_tensor *st; /* one of the two */
} mx_foreign_tensor;

typedef struct {
    mx_pth *pth;
    mx_st *st;
    char prefix[256];       /* of the group that was chosen: "model." */
    mx_foreign_tensor *at;  /* [count] sorted by name */
    int count, own;         /* own: before sorting, those of the group itself */
    mx_foreign_tensor mask; /* the first attn_mask [windows,n,n], which is dropped; original NULL: none */
    bool unfold;            /* patch merging in the order of nn.Unfold: see mx_unfold_columns */
} mx_foreign;

/* Private to foreign*.c and their tests. */
mx_status mx_foreign_open(mx_foreign *f, const char *path, const mx_foreign_hints *hints, mx_error *e);
void mx_foreign_close(mx_foreign *f);
const mx_foreign_tensor *mx_foreign_find(const mx_foreign *f, const char *name); /* NULL when absent */
/* Our name of a tensor: prefixes of wrappers cut, mmpretrain's names mapped. false: longer than 159 bytes. */
bool mx_foreign_name(char out[160], const char *original);
/* The configuration of these tensors. Checked. */
mx_status mx_foreign_config(mx_model_config *config, mx_foreign *f, const mx_foreign_hints *hints,
                            mx_error *e);
void mx_foreign_note(const mx_foreign_hints *hints, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* w [rows,4C], in place: columns from nn.Unfold's order to ours. Unfold flattens (channel, row, column) of a
 * 2×2 cell, column fastest: 4c + 2·row + col. Ours: (col, row, channel), channel fastest: (2·col + row)·C + c. */
mx_status mx_unfold_columns(float *w, int64_t rows, int64_t columns, mx_error *e);

#endif
