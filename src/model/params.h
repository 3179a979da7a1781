/* The parameters of a model: one flat buffer each for weights, gradients and AdamW's two moments.
 *
 * Modules register their tensors in forward order, so backward finishes gradients from the highest offset to
 * the lowest. Names and shapes are those of the authors' PyTorch checkpoints (docs/FORMATS.md "Names"). Fixed
 * tensors (the sine-cosine position embeddings) are saved with the others but have no gradient. */
#ifndef MX_MODEL_PARAMS_H
#define MX_MODEL_PARAMS_H

#include "ops/ops.h"

typedef int mx_pid; /* index into mx_params.item; MX_NO_PARAM where a module has none */
#define MX_NO_PARAM (-1)

/* Initial values (docs/MODEL.md "Initial values and optimiser"). */
typedef enum {
    MX_INIT_ZERO,
    MX_INIT_ONE,
    MX_INIT_XAVIER,       /* U(±sqrt(6/(in+out))) of a linear weight as stored */
    MX_INIT_TRUNC_NORMAL, /* N(0, 0.02²) with rejection outside ±2 */
    MX_INIT_CONV,         /* U(±1/sqrt(fan)): PyTorch's Conv2d default, weight and bias */
    MX_INIT_POSITION      /* fixed 2-D sine-cosine table; fan = grid height, fan2 = grid width */
} mx_init;

typedef struct {
    char name[96];
    int ndim;
    int64_t dim[4];
    int64_t count, offset; /* elements; offset into the trainable or the fixed buffer */
    mx_init init;
    int fan, fan2;
    const float *mapped; /* address in the mapped file (MX_PARAMS_MAPPED), else NULL */
    bool fixed;          /* not trained */
    bool decay;          /* weight decay applies: trainable and more than one dimension */
    int layer;           /* id for layer-wise learning-rate decay (docs/TRAINING.md "Layer decay") */
} mx_param;

typedef struct {
    mx_param *item;
    int count, capacity;
    int64_t total, fixed_total;   /* elements of each buffer, padding included */
    float *weight, *grad, *m, *v; /* [total] */
    float *average;               /* [total] moving average of weight, or NULL */
    float *fixed;                 /* [fixed_total] */
    void *memory;                 /* the allocation that holds the six buffers */
    size_t bytes;
    void *file;                /* the mapped file */
    void (*close)(void *file); /* called by mx_params_free; NULL: nothing is mapped */
} mx_params;

/* Registers a tensor and returns its id. Dimensions of 0 are dropped. Out of memory is a sticky failure that
 * mx_params_allocate reports. */
mx_pid mx_params_add(mx_params *p, mx_init init, int fan, const char *name, int64_t a, int64_t b, int64_t c,
                     int64_t d);

/* Which buffers to allocate. Readers of checkpoints need no memory for gradients and moments. */
typedef enum {
    MX_PARAMS_PLAN,
    /* Read-only weights, mapped from a file: nothing is allocated or copied. Callers that cannot map the file may use
     * MX_PARAMS_WEIGHTS. */
    MX_PARAMS_MAPPED,
    MX_PARAMS_WEIGHTS,
    MX_PARAMS_GRADS,
    MX_PARAMS_TRAIN,
    MX_PARAMS_AVERAGE /* MX_PARAMS_TRAIN and the moving average */
} mx_params_use;
/* Allocates zeroed buffers. MX_PARAMS_PLAN only sets addresses, which must not be read; MX_PARAMS_MAPPED sets none. */
mx_status mx_params_allocate(mx_params *p, mx_params_use use, mx_error *e);
/* Bytes that mx_params_allocate would allocate. */
size_t mx_params_bytes(const mx_params *p, mx_params_use use);
void mx_params_free(mx_params *p);
/* For backends with device memory: attach once per context, upload after the host writes weights or moments,
 * download before the host reads what ops wrote. No-ops for ref and cpu. */
void mx_params_attach(mx_ctx *c, const mx_params *p);
void mx_params_upload(mx_ctx *c, const mx_params *p);
void mx_params_download(mx_ctx *c, mx_params *p);

/* Draws all initial values. Each is a function of (seed, parameter index, element). */
void mx_params_init(mx_params *p, uint64_t seed);
/* out [grid_h*grid_w, channels]: the 2-D sine-cosine table. The first half of the channels encodes the
 * column, the second the row (docs/MODEL.md "From pixels to the loss"). */
void mx_position_table(float *out, int grid_h, int grid_w, int channels);

/* Where q lies in a buffer of p: base is weight, grad, m, v or average. A fixed one lies in p->fixed. */
float *mx_param_at(const mx_params *p, const mx_param *q, float *base);
/* Does q have this shape? */
bool mx_param_shaped(const mx_param *q, int ndim, const int64_t *dim);
/* A shape for messages: "96,3,4,4". */
void mx_shape_text(char out[128], int ndim, const int64_t *dim);

mx_pid mx_params_find(const mx_params *p, const char *name); /* MX_NO_PARAM when absent */
mx_tensor mx_weight(const mx_params *p, mx_pid id);          /* absent for MX_NO_PARAM */
mx_tensor mx_grad(const mx_params *p, mx_pid id);            /* absent for fixed tensors and MX_NO_PARAM */
/* Number of trainable elements, without padding. */
int64_t mx_params_trainable(const mx_params *p);

#endif
