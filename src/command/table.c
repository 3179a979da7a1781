/* The list of commands together with their descriptions. */
#include "command/command.h"

#define MX_ROW(A, NAME, name, takes) {MX_CMD_##NAME, #name, &mx_about_##name},
static const mx_command_row rows[] = {MX_COMMANDS(MX_ROW, )};

const mx_command_list mx_commands = {rows, MX_COMMAND_COUNT};
