/* The public entry points around options and help (include/mixmae.h). */
#include "mixmae.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "train/commands.h"
#include "base/text_stream.h"

mixmae_options *mixmae_options_make(const char *command, int argc, char **argv, bool *help, char *message,
                                    size_t size) {
    mx_error e = {0};
    mixmae_options *made = calloc(1, sizeof *made);
    bool asked = false;
    if (!made || !(made->given = calloc((size_t)mx_option_count(), sizeof *made->given))) {
        mx_fail(&e, MX_ERR_MEMORY, "out of memory");
    } else if (!(made->command = mx_command_find(command))) {
        mx_fail(&e, MX_ERR_ARGUMENT, "there is no command %s; mixmae --help lists them", command);
    } else if (!mx_options_init(&made->o, &e) && !mx_options_defaults(&made->o, made->command, &e)) {
        mx_options_parse(&made->o, made->command, argc, argv, made->given, &asked, &e);
    }
    if (help) *help = asked;
    mx_escape_into(message, size, e.text);
    if (!e.status) return made;
    mixmae_options_free(made);
    return NULL;
}

void mixmae_options_free(mixmae_options *options) {
    if (!options) return;
    mx_options_free(&options->o);
    free(options->given);
    free(options);
}

static char *program_help(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = mx_text_stream(&text, &size);
    if (!f) return NULL;
    fprintf(f,
            "mixmae %s: pretraining of hierarchical vision transformers by mixing and masking (MixMAE, CVPR "
            "2023)\n\n"
            "Usage: mixmae COMMAND [options]\n\nCommands:\n",
            mixmae_version());
    for (int i = 0; i < mx_command_count(); i++) {
        mx_command command;
        const char *name, *brief;
        mx_command_at(i, &command, &name, &brief);
        fprintf(f, "  %-14s %s\n", name, brief);
    }
    fprintf(f, "\nmixmae COMMAND --help says more. A first run:\n\n"
               "  mixmae synth --output images\n"
               "  mixmae pretrain --data images --model nano --output run\n");
    fclose(f);
    return text;
}

char *mixmae_help(const char *command) {
    if (!command) return program_help();
    if (!strcmp(command, "markdown")) return mx_options_markdown();
    mx_command found = mx_command_find(command);
    return found ? mx_options_help(found) : NULL;
}

bool mixmae_options_flag(const mixmae_options *options, const char *name) {
    int row = mx_option_find(name, options->command);
    char *value = row < 0 ? NULL : mx_options_get(&options->o, row);
    bool on = value && !strcmp(value, "true");
    free(value);
    return on;
}
