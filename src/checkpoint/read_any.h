/* Reads models from files of every supported kind; writes them for PyTorch. */
#ifndef MX_CHECKPOINT_READ_ANY_H
#define MX_CHECKPOINT_READ_ANY_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/foreign.h"
#include "options/options.h"

/* Is it a file of this program: a safetensors file with our configuration? A file that cannot be opened or
 * read is an error, not another program's file. */
mx_status mx_model_is_ours(bool *ours, const char *path, mx_error *e);
/* Like mx_checkpoint_read, but takes a PyTorch checkpoint too, or a safetensors file without our
 * configuration (foreign.h), recognised by content. hints (NULL: none) apply to files without our
 * configuration; hints->weights to all. */
mx_status mx_model_read_with(mx_model *m, mx_pixels *pixels, const char *path, const mx_foreign_hints *hints,
                             mx_params_use use, mx_error *e);
/* Like mx_checkpoint_config, for the same kinds of file. hints may be NULL. */
mx_status mx_model_config_any(mx_model_config *config, const char *path, const mx_foreign_hints *hints,
                              mx_error *e);
/* Hints from --weights; notes go to the sink, which may be NULL. */
mx_foreign_hints mx_weights_hints(const mx_options *o, const mixmae_sink *sink);

/* {'model': tensors under the authors' names, 'config', 'pixels', 'classes': texts as in a safetensors file's
 * metadata}, for torch.load. */
mx_status mx_model_write_pth(const char *path, const mx_model *m, const mx_pixels *pixels, mx_error *e);

#endif
