/* Checks shared by the parts of a model: ranges, and messages about sizes that do not divide. */
#ifndef MX_MODEL_FITS_H
#define MX_MODEL_FITS_H

#include "model/config.h"

#define MX_MAX_SIDE      16384
#define MX_MAX_WIDTH     65536
#define MX_MAX_DEPTH     64
#define MX_CHANNEL_LIMIT 64

mx_status mx_in_range(const char *what, int value, int low, int high, mx_error *e);
/* Fails with "REFUSED: 8 or 16 work". below, above: the nearest sizes that fit, 0: none. */
mx_status mx_offer_size(const char *refused, int below, int above, mx_error *e);
/* A width with sine-cosine positions must be a multiple of 4. The message offers the nearest ones that also
 * fit, up to `most`. */
mx_status mx_check_quarter(const mx_model_config *c, const char *what, int width, int most,
                           bool (*fits)(const mx_model_config *c, int width), mx_error *e);

#endif
