/* The model that options describe: a named one, then every number given separately. */
#include "options/options.h"

#include <string.h>

static void take(int *to, int value) {
    if (value > 0) *to = value;
}

static mx_status take_list(const char *name, int *to, const int *values, int count, int stages, mx_error *e) {
    if (!count) return MX_OK;
    if (count != stages)
        return mx_fail(e, MX_ERR_ARGUMENT, "--%s holds %d numbers and the model has %d stages: give %d", name,
                       count, stages, stages);
    memcpy(to, values, sizeof *to * (size_t)count);
    return MX_OK;
}

mx_status mx_options_model(const mx_options *o, mx_model_config *c, mx_model_recipes *recipes, mx_error *e) {
    mx_model_recipes unused;
    if (o->model && !mx_model_named(o->model, c, recipes ? recipes : &unused))
        return mx_fail(e, MX_ERR_ARGUMENT, "there is no model %s; there are %s", o->model, mx_model_names());
    if (o->depths_count) {
        /* --depths alone sets the number of stages; the other lists must then follow it */
        if (o->depths_count > c->stages && (!o->num_heads_count || !o->window_size_count))
            return mx_fail(e, MX_ERR_ARGUMENT,
                           "--depths holds %d numbers and %s has %d stages: --num-heads and --window-size "
                           "must be given too",
                           o->depths_count, c->name, c->stages);
        c->stages = o->depths_count;
        memcpy(c->depths, o->depths, sizeof *c->depths * (size_t)o->depths_count);
    }
    if (take_list("num-heads", c->heads, o->num_heads, o->num_heads_count, c->stages, e) ||
        take_list("window-size", c->windows, o->window_size, o->window_size_count, c->stages, e))
        return e->status;
    take(&c->image_h, o->image_size[0]), take(&c->image_w, o->image_size[1]);
    take(&c->patch, o->patch_size), take(&c->channels, o->channels), take(&c->embed_dim, o->embed_dim);
    take(&c->decoder_dim, o->decoder_dim), take(&c->decoder_depth, o->decoder_depth);
    take(&c->decoder_heads, o->decoder_num_heads);
    c->norm_pix = o->norm_pix_loss;
    return mx_model_check(c, e);
}
