/* What is there to be read about options and commands, all made from the option table and the list of commands:
 * help, manual pages, the reference in Markdown, completion scripts. The caller frees what is returned; NULL:
 * out of memory. */
#ifndef MX_OPTIONS_PAGES_H
#define MX_OPTIONS_PAGES_H

#include <stdio.h>

#include "options/commands.h"

char *mx_help_program(const mx_command_list *all);
char *mx_help_command(const mx_command_row *c);

/* roff; c NULL: the program's page. */
char *mx_man_page(const mx_command_list *all, const mx_command_row *c);

/* docs/OPTIONS.md. */
char *mx_markdown(const mx_command_list *all);

/* For bash, zsh or fish; also NULL for another shell. */
char *mx_completion(const mx_command_list *all, const char *shell);

/* For these pages: what the exit codes mean, in lines. */
extern const char mx_exit_codes_text[];
/* The text broken between words into lines of at most `width` columns, and a newline. The first line has `at`
 * columns already; the others are indented. */
void mx_put_wrapped(FILE *f, const char *text, int at, int indent, int width);

#endif
