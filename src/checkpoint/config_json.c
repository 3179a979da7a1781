/* A model's configuration as JSON, with the names of the authors' constructor arguments, see checkpoint.h. */
#include "checkpoint/checkpoint.h"

#include <limits.h>
#include <string.h>

#include <jansson.h>

#include "base/json_text.h"
#include "model/model.h"

/* Members of o; true: no memory. */
static bool put(json_t *o, const char *key, json_t *value) { return json_object_set_new(o, key, value); }

static bool put_int(json_t *o, const char *key, int v) { return put(o, key, json_integer(v)); }

static bool put_list(json_t *o, const char *key, const int *v, int n) {
    json_t *a = json_array();
    bool failed = !a;
    for (int i = 0; i < n && !failed; i++) failed = json_array_append_new(a, json_integer(v[i]));
    if (!failed) return put(o, key, a);
    json_decref(a);
    return true;
}

/* The kinds of encoder and head, where they are not the default. */
static bool put_kinds(json_t *o, const mx_model_config *c) {
    const mx_model_config none = {0};
    const mx_encoder_kind *encoder = mx_encoder_of(c);
    const mx_head_kind *head = mx_head_of(c);
    return (encoder != mx_encoder_of(&none) && put(o, "encoder", json_string(encoder->name))) ||
           (c->classes && head != mx_head_of(&none) && put(o, "head", json_string(head->name)));
}

char *mx_config_to_json(const mx_model_config *c) {
    json_t *o = json_object();
    bool failed = c->image_h == c->image_w
                      ? put_int(o, "img_size", c->image_h)
                      : put_list(o, "img_size", (const int[]){c->image_h, c->image_w}, 2);
    failed = failed || put(o, "name", json_string(c->name)) || put_int(o, "patch_size", c->patch) ||
             put_int(o, "in_chans", c->channels) || put_int(o, "embed_dim", c->embed_dim) ||
             put_list(o, "depths", c->depths, c->stages) || put_list(o, "num_heads", c->heads, c->stages) ||
             put_list(o, "window_size", c->windows, c->stages);
    if (!failed && c->decoder_dim)
        failed = put_int(o, "decoder_dim", c->decoder_dim) || put_int(o, "decoder_depth", c->decoder_depth) ||
                 put_int(o, "decoder_num_heads", c->decoder_heads) ||
                 put(o, "norm_pix_loss", json_boolean(c->norm_pix));
    if (!failed && c->classes) failed = put_int(o, "num_classes", c->classes);
    failed = failed || put_kinds(o, c);
    char *text = failed ? NULL : mx_json_text(o, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(o);
    return text;
}

static mx_status get_int(const json_t *o, const char *key, int absent, int *out, mx_error *e) {
    const json_t *v = json_object_get(o, key);
    if (!v && absent >= 0) {
        *out = absent;
        return MX_OK;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT_MAX)
        return mx_fail(e, MX_ERR_FORMAT, "configuration: \"%s\" must be a whole number", key);
    *out = (int)json_integer_value(v);
    return MX_OK;
}

/* count 0: any number up to MX_MAX_STAGES, stored in *found. */
static mx_status get_list(const json_t *o, const char *key, int count, int *found, int *out, mx_error *e) {
    const json_t *a = json_object_get(o, key);
    size_t n = json_array_size(a);
    if (!json_is_array(a) || n < 1 || n > MX_MAX_STAGES || (count && n != (size_t)count))
        return mx_fail(e, MX_ERR_FORMAT, "configuration: \"%s\" must be a list of %s%d whole numbers", key,
                       count ? "" : "1 to ", count ? count : MX_MAX_STAGES);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(a, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT_MAX)
            return mx_fail(e, MX_ERR_FORMAT, "configuration: \"%s\" must hold whole numbers", key);
        out[i] = (int)json_integer_value(v);
    }
    if (found) *found = (int)n;
    return MX_OK;
}

static mx_status get_size(const json_t *o, mx_model_config *c, mx_error *e) {
    int side[MX_MAX_STAGES];
    if (json_is_array(json_object_get(o, "img_size"))) {
        if (get_list(o, "img_size", 2, NULL, side, e)) return e->status;
        c->image_h = side[0], c->image_w = side[1];
        return MX_OK;
    }
    if (get_int(o, "img_size", -1, &c->image_h, e)) return e->status;
    c->image_w = c->image_h;
    return MX_OK;
}

/* Cuts the text to fit, but never inside a UTF-8 character: JSON could not hold half of one. */
static void set_name(mx_model_config *c, const char *name) {
    size_t n = strnlen(name, sizeof c->name);
    if (n == sizeof c->name)
        for (n--; n && ((unsigned char)name[n] & 0xc0) == 0x80;) n--;
    memcpy(c->name, name, n);
    c->name[n] = 0;
}

static mx_status get_kinds(const json_t *o, mx_model_config *c, mx_error *e) {
    const json_t *encoder = json_object_get(o, "encoder"), *head = json_object_get(o, "head");
    if (encoder && (!json_is_string(encoder) || !(c->encoder = mx_encoder_find(json_string_value(encoder)))))
        return mx_fail(e, MX_ERR_FORMAT, "configuration: \"encoder\" must be one of %s, found %.40s",
                       mx_encoder_names(), json_is_string(encoder) ? json_string_value(encoder) : "no text");
    if (head && (!json_is_string(head) || !(c->head = mx_head_find(json_string_value(head)))))
        return mx_fail(e, MX_ERR_FORMAT, "configuration: \"head\" must be one of %s, found %.40s",
                       mx_head_names(), json_is_string(head) ? json_string_value(head) : "no text");
    return MX_OK;
}

static mx_status parse(mx_model_config *c, const json_t *o, mx_error *e) {
    const json_t *name = json_object_get(o, "name"), *norm = json_object_get(o, "norm_pix_loss");
    set_name(c, json_is_string(name) ? json_string_value(name) : "custom");
    if (get_size(o, c, e) || get_int(o, "patch_size", -1, &c->patch, e) ||
        get_int(o, "in_chans", 3, &c->channels, e) || get_int(o, "embed_dim", -1, &c->embed_dim, e) ||
        get_list(o, "depths", 0, &c->stages, c->depths, e) ||
        get_list(o, "num_heads", c->stages, NULL, c->heads, e) ||
        get_list(o, "window_size", c->stages, NULL, c->windows, e) ||
        get_int(o, "decoder_dim", 0, &c->decoder_dim, e) ||
        get_int(o, "decoder_depth", 0, &c->decoder_depth, e) ||
        get_int(o, "decoder_num_heads", 0, &c->decoder_heads, e) ||
        get_int(o, "num_classes", 0, &c->classes, e) || get_kinds(o, c, e))
        return e->status;
    if (norm && !json_is_boolean(norm))
        return mx_fail(e, MX_ERR_FORMAT, "configuration: \"norm_pix_loss\" must be true or false");
    c->norm_pix = !norm || json_is_true(norm);
    if (!c->decoder_dim) c->decoder_depth = c->decoder_heads = 0, c->norm_pix = true; /* of no decoder */
    return mx_model_check(c, e);
}

mx_status mx_config_from_json(mx_model_config *c, const char *text, mx_error *e) {
    bool memory;
    json_t *o = mx_json_parse(text, strlen(text), JSON_REJECT_DUPLICATES, NULL, &memory);
    *c = (mx_model_config){0};
    if (memory)
        mx_fail(e, MX_ERR_MEMORY, "out of memory for the configuration");
    else if (!json_is_object(o))
        mx_fail(e, MX_ERR_FORMAT, "configuration is not a JSON object: %.60s", text);
    else
        parse(c, o, e);
    json_decref(o);
    return e->status;
}
