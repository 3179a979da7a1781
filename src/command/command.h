/* The commands: each file holds one command's description and its work. The list is in options/commands.h. */
#ifndef MX_COMMAND_COMMAND_H
#define MX_COMMAND_COMMAND_H

#include "options/commands.h"
#include "options/options.h"

/* mx_about_pretrain and so on, each in src/command/NAME.c. */
#define MX_DECLARE_ABOUT(A, NAME, name, takes) extern const mx_command_about mx_about_##name;
MX_COMMANDS(MX_DECLARE_ABOUT, )

/* All commands (table.c). */
extern const mx_command_list mx_commands;

#endif
