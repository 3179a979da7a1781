/* Checks of a model's sizes, see fits.h. */
#include "model/fits.h"

#include <stdio.h>

mx_status mx_in_range(const char *what, int value, int low, int high, mx_error *e) {
    if (value >= low && value <= high) return MX_OK;
    return mx_fail(e, MX_ERR_ARGUMENT, "%s is %d, but must be between %d and %d", what, value, low, high);
}

mx_status mx_offer_size(const char *refused, int below, int above, mx_error *e) {
    if (below && above && below != above)
        return mx_fail(e, MX_ERR_ARGUMENT, "%s: %d or %d work", refused, below, above);
    if (!below && !above) return mx_fail(e, MX_ERR_ARGUMENT, "%s", refused);
    return mx_fail(e, MX_ERR_ARGUMENT, "%s: %d works", refused, below ? below : above);
}

/* Sine and cosine of two axes each take a quarter of the width. */
mx_status mx_check_quarter(const mx_model_config *c, const char *what, int width, int most,
                           bool (*fits)(const mx_model_config *c, int width), mx_error *e) {
    char refused[160];
    if (mx_in_range(what, width, 4, MX_MAX_WIDTH, e)) return e->status;
    if (!(width % 4)) return MX_OK;
    int below = width / 4 * 4, above = below + 4;
    while (below > 0 && !fits(c, below)) below -= 4;
    while (above <= most && !fits(c, above)) above += 4;
    snprintf(refused, sizeof refused, "%s %d is not a multiple of 4 (sine and cosine of two axes)", what,
             width);
    return mx_offer_size(refused, below, above <= most ? above : 0, e);
}
