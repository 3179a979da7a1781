/* Help: of the program, and of a command with its options. See pages.h. */
#include "base/text_stream.h"
#include "options/pages.h"

#include <stdlib.h>
#include <string.h>

#include "options/options.h"

const char mx_exit_codes_text[] =
    "Exit codes: 0 done; 1 failed, or a comparison past its limit; 2 options that cannot work;\n"
    "3 stopped by a signal after saving; 4 missing or broken input; 5 loss or gradients not finite.\n";

#define MX_HELP_LEFT  30
#define MX_HELP_WIDTH 100

void mx_put_wrapped(FILE *f, const char *text, int at, int indent, int width) {
    const char *gap = "";
    while (*text) {
        int word = (int)strcspn(text, " ");
        if (*gap && at + 1 + word > width) {
            fprintf(f, "\n%*s", indent, "");
            at = indent;
            gap = "";
        }
        at += fprintf(f, "%s%.*s", gap, word, text);
        gap = " ";
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', f);
}

static void print_option(FILE *f, const mx_option_row *r) {
    char left[64], text[512];
    snprintf(left, sizeof left, "--%s%s%s%s", r->kind == MX_VALUE_SWITCH ? "[no-]" : "", r->name,
             r->value ? " " : "", r->value ? r->value : "");
    snprintf(text, sizeof text, r->fallback ? "%s [%s]" : "%s", r->help, r->fallback);
    int at = fprintf(f, "  %-*s ", MX_HELP_LEFT - 2, left);
    mx_put_wrapped(f, text, at, MX_HELP_LEFT + 1, MX_HELP_WIDTH);
}

char *mx_help_command(const mx_command_row *c) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = mx_text_stream(&text, &size);
    if (!f) return NULL;
    fprintf(f, "mixmae %s: %s\n\nUsage: %s\n\n", c->name, c->about->brief, c->about->usage);
    mx_put_wrapped(f, c->about->text, 0, 0, MX_HELP_WIDTH);
    fputs("\nOptions [default]:\n", f);
    for (int i = 0; i < mx_option_count(); i++)
        if (mx_option_at(i)->commands & (unsigned)c->command) print_option(f, mx_option_at(i));
    fprintf(f, "  %-28s %s\n\nExamples:\n", "--help", "this text");
    for (const char *const *line = c->about->examples; *line; line++) fprintf(f, "  %s\n", *line);
    fprintf(f, "\n%s", mx_exit_codes_text);
    fclose(f);
    return text;
}

char *mx_help_program(const mx_command_list *all) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = mx_text_stream(&text, &size);
    if (!f) return NULL;
    fprintf(
        f,
        "mixmae %s: pretraining of hierarchical vision transformers by mixing and masking (MixMAE, CVPR 2023)\n\n"
        "Usage: mixmae COMMAND [options]\n\nCommands:\n",
        mixmae_version());
    for (int i = 0; i < all->count; i++)
        fprintf(f, "  %-14s %s\n", all->row[i].name, all->row[i].about->brief);
    fputs("\nmixmae COMMAND --help says more. A first run:\n\n"
          "  mixmae synth --output images\n"
          "  mixmae pretrain --data images --model nano --output run\n",
          f);
    fclose(f);
    return text;
}
