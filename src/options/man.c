/* Manual pages in roff, made from the option table and the command texts like docs/OPTIONS.md, so that they
 * always match the program. Plain man(7) macros: TH, SH, TP, PP, B, nf. No date: the same program gives the
 * same bytes. */
#include "options/pages.h"

#include <string.h>

#include "base/text_stream.h"
#include "options/options.h"

/* Text as roff prints it: backslashes and hyphens are escaped, and a '.' or '\'' at the start of a line is
 * protected. */
static void put_text(FILE *f, const char *text) {
    bool start = true;
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\'')) fputs("\\&", f);
        if (*text == '\\')
            fputs("\\e", f);
        else if (*text == '-')
            fputs("\\-", f);
        else
            fputc(*text, f);
        start = *text == '\n';
    }
}

static void put_upper(FILE *f, const char *text) {
    for (; *text; text++) fputc(*text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text, f);
}

static void put_title(FILE *f, const char *command, const char *brief) {
    fputs(".TH MIXMAE", f);
    if (command) fputs("\\-", f), put_upper(f, command);
    fprintf(f, " 1 \"\" \"mixmae %s\" \"User Commands\"\n.SH NAME\nmixmae", mixmae_version());
    if (command) fprintf(f, "\\-%s", command);
    fputs(" \\- ", f);
    put_text(f, brief);
    fputs("\n.SH SYNOPSIS\n", f);
}

static void put_option(FILE *f, const mx_option_row *r) {
    fputs(".TP\n\\fB\\-\\-", f);
    put_text(f, r->name);
    fputs("\\fR", f);
    if (r->kind == MX_VALUE_SWITCH) {
        fputs(", \\fB\\-\\-no\\-", f);
        put_text(f, r->name);
        fputs("\\fR", f);
    }
    if (r->value) {
        fputs(" \\fI", f);
        put_text(f, r->value);
        fputs("\\fR", f);
    }
    fputc('\n', f);
    put_text(f, r->help);
    if (r->fallback) {
        fputs(" [", f);
        put_text(f, r->fallback);
        fputc(']', f);
    }
    fputc('\n', f);
}

/* Text whose line breaks stay. */
static void put_lines(FILE *f, const char *text) {
    fputs(".nf\n", f);
    put_text(f, text);
    if (*text && text[strlen(text) - 1] != '\n') fputc('\n', f);
    fputs(".fi\n", f);
}

static void put_exit_status(FILE *f) {
    fputs(".SH EXIT STATUS\n", f);
    put_lines(f, mx_exit_codes_text);
}

static void put_command(FILE *f, const mx_command_row *c) {
    put_title(f, c->name, c->about->brief);
    put_lines(f, c->about->usage);
    fputs(".SH DESCRIPTION\n", f);
    put_text(f, c->about->text);
    fputs("\n.SH OPTIONS\nDefaults stand in brackets.\n", f);
    for (int i = 0; i < mx_option_count(); i++)
        if (mx_option_at(i)->commands & (unsigned)c->command) put_option(f, mx_option_at(i));
    fputs(".TP\n\\fB\\-\\-help\\fR\na summary of these options\n.SH EXAMPLES\n.nf\n", f);
    for (const char *const *line = c->about->examples; *line; line++) {
        fputs("  ", f);
        put_text(f, *line);
        fputc('\n', f);
    }
    fputs(".fi\n", f);
    put_exit_status(f);
    fputs(".SH SEE ALSO\n.BR mixmae (1)\n", f);
}

static void put_program(FILE *f, const mx_command_list *all) {
    put_title(f, NULL, "pretraining of hierarchical vision transformers by mixing and masking");
    fputs("\\fBmixmae\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n.SH DESCRIPTION\n"
          "Trains image encoders without labels by MixMAE (CVPR 2023): two images are mixed patch by patch, "
          "and both are rebuilt from what the encoder saw of them.\n"
          "Every command has a page of its own, and \\fBmixmae\\fR \\fICOMMAND\\fR \\fB\\-\\-help\\fR "
          "prints a summary.\n.SH COMMANDS\n",
          f);
    for (int i = 0; i < all->count; i++) {
        fprintf(f, ".TP\n.BR mixmae\\-%s (1)\n", all->row[i].name);
        put_text(f, all->row[i].about->brief);
        fputc('\n', f);
    }
    fputs(".SH OPTIONS\n.TP\n\\fB\\-\\-help\\fR [\\fICOMMAND\\fR]\n"
          "what there is to say of the program or a command\n"
          ".TP\n\\fB\\-\\-version\\fR\nthe program's version\n"
          ".TP\n\\fB\\-\\-completion\\fR \\fBbash\\fR|\\fBzsh\\fR|\\fBfish\\fR\n"
          "a script that completes commands and options in that shell\n",
          f);
    put_exit_status(f);
    fputs(".SH SEE ALSO\n", f);
    for (int i = 0; i < all->count; i++)
        fprintf(f, ".BR mixmae\\-%s (1)%s\n", all->row[i].name, i + 1 < all->count ? "," : "");
}

char *mx_man_page(const mx_command_list *all, const mx_command_row *c) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = mx_text_stream(&text, &size);
    if (!f) return NULL;
    if (c)
        put_command(f, c);
    else
        put_program(f, all);
    fclose(f);
    return text;
}
