/* Names of commands, see commands.h. */
#include "options/commands.h"

#include <stddef.h>
#include <string.h>

#define MX_ROW(A, NAME, name, takes) {MX_CMD_##NAME, #name},
static const struct {
    mx_command command;
    const char *name;
} known[] = {MX_COMMANDS(MX_ROW, )};

mx_command mx_command_find(const char *name) {
    for (int i = 0; i < MX_COMMAND_COUNT; i++)
        if (!strcmp(known[i].name, name)) return known[i].command;
    return (mx_command)0;
}

const char *mx_command_name(mx_command command) {
    for (int i = 0; i < MX_COMMAND_COUNT; i++)
        if (known[i].command == command) return known[i].name;
    return "?";
}
