/* mixmae_run: from a command's name to its function, and from a status to an exit code. */
#include "mixmae.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "train/commands.h"

typedef mx_status run_function(const mixmae_options *, const mixmae_sink *, mx_error *);

static const struct {
    const char *name;
    run_function *run;
} commands[] = {{"pretrain", mx_run_pretrain}, {"finetune", mx_run_finetune},
                {"eval", mx_run_eval},         {"predict", mx_run_predict},
                {"embed", mx_run_embed},       {"probe", mx_run_probe},
                {"plan", mx_run_plan},         {"reconstruct", mx_run_reconstruct},
                {"inspect", mx_run_inspect},   {"verify", mx_run_verify},
                {"synth", mx_run_synth},       {"bench", mx_run_bench},
                {"convert", mx_run_convert},   {"pack", mx_run_pack}};

static mixmae_exit exit_code(mx_status status) {
    switch (status) {
    case MX_OK: return MIXMAE_EXIT_OK;
    case MX_ERR_ARGUMENT:
    case MX_ERR_SHAPE: return MIXMAE_EXIT_USAGE;
    case MX_ERR_IO:
    case MX_ERR_FORMAT:
    case MX_ERR_DATA: return MIXMAE_EXIT_DATA;
    case MX_ERR_NUMERIC: return MIXMAE_EXIT_NUMERIC;
    case MX_ERR_INTERRUPTED: return MIXMAE_EXIT_INTERRUPTED;
    default: return MIXMAE_EXIT_FAILED;
    }
}

mixmae_exit mixmae_run(const char *command, const mixmae_options *options, const mixmae_sink *sink,
                       char *message, size_t size) {
    mx_error e = {0};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, command)) continue;
        mx_status status = commands[i].run(options, sink, &e);
        mx_escape_into(message, size, e.text);
        return exit_code(status);
    }
    char text[256];
    snprintf(text, sizeof text, "there is no command %s", command);
    mx_escape_into(message, size, text);
    return MIXMAE_EXIT_USAGE;
}

char *mixmae_plain(const char *text) { return mx_escape_control(text); }
