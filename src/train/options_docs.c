/* The reference document docs/OPTIONS.md, made from the option table, the command texts and the named models;
 * a test compares it with the file, so none of the four can drift apart. */
#include "train/options.h"
#include "base/text_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* '|' would end a cell of a table. */
static void put_cell(FILE *f, const char *text) {
    for (; *text; text++) fprintf(f, "%s%c", *text == '|' ? "\\" : "", *text);
}

static void put_option(FILE *f, const mx_option_row *r) {
    fprintf(f, "| `--%s", r->name);
    if (r->kind == MX_VALUE_SWITCH) fprintf(f, "`, `--no-%s", r->name);
    if (r->value) fputc(' ', f), put_cell(f, r->value);
    fprintf(f, "`%s | ", r->matters ? " *" : "");
    put_cell(f, r->help);
    if (r->fallback) fprintf(f, " [%s]", r->fallback);
    fputs(" |\n", f);
}

static void put_list(FILE *f, const int *values, int count) {
    for (int i = 0; i < count; i++) fprintf(f, "%s%d", i ? "," : "", values[i]);
    fputs(" | ", f);
}

/* The second half of the named models: what fine-tuning fills in. */
static void put_tuning(FILE *f) {
    char *names = strdup(mx_model_names()), *rest = names;
    fputs("\nAnd for `finetune`:\n\n| model | blr | warm-up | epochs | batch | layer decay | drop path "
          "|\n|---|---|---|---|---|---|---|\n",
          f);
    for (char *name; rest && (name = strsep(&rest, ", "));) {
        mx_model_config c;
        mx_model_recipe r;
        if (!*name || !mx_model_named(name, &c, &r)) continue;
        const mx_finetune_recipe *t = &r.finetune;
        fprintf(f, "| %s | %g | %g | %d | %d | %g | %g |\n", name, t->blr, t->warmup_epochs, t->epochs,
                t->batch, t->layer_decay, t->drop_path);
    }
    free(names);
}

static void put_models(FILE *f) {
    char *names = strdup(mx_model_names()), *rest = names;
    fputs("\n## Named models\n\nWhat `--model` fills in where no other option says something else. The "
          "learning "
          "rate is for 256 images a step.\n\n"
          "| model | image | patch | C | depths | heads | windows | decoder (width x blocks, heads) | blr | "
          "warm-up | epochs | batch |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
          f);
    for (char *name; rest && (name = strsep(&rest, ", "));) {
        mx_model_config c;
        mx_model_recipe r;
        if (!*name || !mx_model_named(name, &c, &r)) continue;
        fprintf(f, "| %s | %d | %d | %d | ", name, c.image_h, c.patch, c.embed_dim);
        put_list(f, c.depths, c.stages), put_list(f, c.heads, c.stages), put_list(f, c.windows, c.stages);
        fprintf(f, "%d x %d, %d | %g | %g | %d | %d |\n", c.decoder_dim, c.decoder_depth, c.decoder_heads,
                (double)r.pretrain.blr, (double)r.pretrain.warmup_epochs, r.pretrain.epochs,
                r.pretrain.batch);
    }
    free(names);
    put_tuning(f);
}

static const char file_text[] =
    "\n## Option files\n\n`--config FILE` reads lines of `name = value`, names as above without the dashes; "
    "a switch "
    "is `true` or `false`.\n"
    "Lines that start with `;` or `#` are comments, `[section]` lines mean nothing, and options that only "
    "other\n"
    "commands know are passed over, so a run's own `options.ini` serves `plan` and `bench` too. A value with "
    "`;` in "
    "it, or\nwith blanks at its ends, stands in double quotes with `\\\"`, `\\\\` and `\\xHH` (`;` is "
    "`\\x3b`). A line "
    "holds at most 190 bytes;\na longer value goes on in the next, indented line:\n\n"
    "```\ndata = \"/a/long/path\" \\\n    \"/and/its/end\"\n```\n";

char *mx_options_markdown(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = mx_text_stream(&text, &size);
    if (!f) return NULL;
    fputs("# Options\n\nMade from the program's own table by `mixmae --help-markdown`; a test compares the "
          "two. A "
          "default in\n"
          "brackets; a star marks options that a resumed run must not change.\n",
          f);
    for (int i = 0; i < mx_command_count(); i++) {
        const mx_command_text *c = mx_command_text_at(i);
        fprintf(f, "\n## mixmae %s\n\n%s\n\n    %s\n\n%s\n\n| option | meaning |\n|---|---|\n", c->name,
                c->brief, c->usage, c->text);
        for (int j = 0; j < mx_option_count(); j++)
            if (mx_option_at(j)->commands & (unsigned)c->command) put_option(f, mx_option_at(j));
        fprintf(f, "\n```\n%s```\n", c->examples);
    }
    put_models(f);
    fputs(file_text, f);
    fprintf(f, "\n## Exit codes\n\n%s", mx_exit_codes_text);
    fclose(f);
    return text;
}
