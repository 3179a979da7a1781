/* The commands in mixmae.h: their list, options, running one, help. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "command/command.h"
#include "options/pages.h"

/* ---- the list ---- */

static const mx_command_row *find(const char *name) {
    for (int i = 0; name && i < mx_commands.count; i++)
        if (!strcmp(mx_commands.row[i].name, name)) return &mx_commands.row[i];
    return NULL;
}

const char *mixmae_command_name(int index) {
    return index >= 0 && index < mx_commands.count ? mx_commands.row[index].name : NULL;
}

bool mixmae_command_stoppable(const char *command) {
    const mx_command_row *c = find(command);
    return c && c->about->stoppable;
}

/* ---- running one ---- */

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
    const mx_command_row *c = find(command);
    mx_status status = c ? c->about->run(options, sink, &e)
                         : mx_fail(&e, MX_ERR_ARGUMENT, "there is no command %s", command);
    mx_escape_into(message, size, e.text);
    return exit_code(status);
}

char *mixmae_plain(const char *text) { return mx_escape_control(text); }

/* ---- options ---- */

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

bool mixmae_options_flag(const mixmae_options *options, const char *name) {
    int row = mx_option_find(name, options->command);
    char *value = row < 0 ? NULL : mx_options_get(&options->o, row);
    bool on = value && !strcmp(value, "true");
    free(value);
    return on;
}

/* ---- texts ---- */

char *mixmae_help(const char *command) {
    if (!command) return mx_help_program(&mx_commands);
    if (!strcmp(command, "markdown")) return mx_markdown(&mx_commands);
    const mx_command_row *c = find(command);
    return c ? mx_help_command(c) : NULL;
}

char *mixmae_man(const char *command) {
    const mx_command_row *c = find(command);
    return command && !c ? NULL : mx_man_page(&mx_commands, c);
}

char *mixmae_completion(const char *shell) { return mx_completion(&mx_commands, shell); }
