/* The reader of a model's configuration in a checkpoint: a configuration that it accepts is written and read
 * back unchanged. */
#include "checkpoint/checkpoint.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mx_model_config c, back;
    mx_error e = {0}, again = {0};
    char *text = malloc(size + 1);
    if (!text) return 0;
    memcpy(text, data, size), text[size] = 0;
    mx_status s = mx_config_from_json(&c, text, &e);
    if (s != e.status) abort();
    if (!s) {
        char *json = mx_config_to_json(&c);
        if (!json || mx_config_from_json(&back, json, &again) || memcmp(&c, &back, sizeof c)) abort();
        free(json);
    }
    free(text);
    return 0;
}
