/* The public handle of a model: the finished-model object (infer/inference.h) behind one mutex. Shared by the
 * public functions in model.c, image.c and trainer.c. */
#ifndef MX_API_MODEL_H
#define MX_API_MODEL_H

#include <pthread.h>

#include "infer/inference.h"

struct mixmae_model {
    mx_inference f;
    pthread_mutex_t lock; /* guards f's working memory; nothing is shared between handles */
    bool lock_made;
};

/* An internal error as a public one. */
mixmae_status mx_public_status(const mx_error *e, char *message, size_t size);

#endif
