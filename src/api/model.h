/* Shared by the public model functions (model.c, image.c, trainer.c). */
#ifndef MX_API_MODEL_H
#define MX_API_MODEL_H

#include <pthread.h>

#include "checkpoint/checkpoint.h"
#include "mixmae.h"
#include "train/compute.h"

struct mixmae_model {
    mx_model model;
    mx_pixels pixels;
    mx_token_tables tables; /* without a mask; serves every batch up to max_batch */
    mx_session session;
    int max_batch;
    pthread_mutex_t lock;
    bool lock_made;
};

/* An internal error as a public one. */
mixmae_status mx_public_status(const mx_error *e, char *message, size_t size);

#endif
