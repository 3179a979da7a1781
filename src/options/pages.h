/* Texts about options and commands, all made from the option table and the list of commands: help, manual
 * pages, the reference in Markdown, completion scripts. The caller frees the result; NULL: out of memory. */
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

/* For bash, zsh or fish; NULL for other shells too. */
char *mx_completion(const mx_command_list *all, const char *shell);

/* The meanings of the exit codes, in lines. Used by these pages. */
extern const char mx_exit_codes_text[];
/* Wraps text between words into lines of at most `width` columns and ends it with a newline. The first line
 * already has `at` columns; the others are indented. */
void mx_put_wrapped(FILE *f, const char *text, int at, int indent, int width);

#endif
