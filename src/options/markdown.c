/* The reference document docs/OPTIONS.md, made from the option table, the command texts and the named models.
 * A test compares it with the file, so all four always agree. */
#include "options/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/text_stream.h"

#include "options/options.h"

#define MX_WIDTH 120

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

/* The second half of the named models: defaults of fine-tuning. */
static void put_tuning(FILE *f) {
    char *names = strdup(mx_model_names()), *rest = names;
    fputs(
        "\nAnd for `finetune`:\n\n"
        "| model | blr | warm-up | epochs | batch | layer decay | drop path |\n|---|---|---|---|---|---|---|\n",
        f);
    for (char *name; rest && (name = strsep(&rest, ", "));) {
        mx_model_config c;
        mx_model_recipes r;
        if (!*name || !mx_model_named(name, &c, &r)) continue;
        const mx_recipe *t = &r.finetune;
        fprintf(f, "| %s | %g | %g | %d | %d | %g | %g |\n", name, t->blr, t->warmup_epochs, t->epochs,
                t->batch, t->layer_decay, t->drop_path);
    }
    free(names);
}

static void put_models(FILE *f) {
    char *names = strdup(mx_model_names()), *rest = names;
    fputs(
        "\n## Named models\n\n"
        "What `--model` fills in where no other option says something else. "
        "The learning rate is for 256 images a step.\n\n"
        "| model | image | patch | C | depths | heads | windows | decoder (width x blocks, heads) | blr | warm-up | "
        "epochs | batch |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        f);
    for (char *name; rest && (name = strsep(&rest, ", "));) {
        mx_model_config c;
        mx_model_recipes r;
        if (!*name || !mx_model_named(name, &c, &r)) continue;
        fprintf(f, "| %s | %d | %d | %d | ", name, c.image_h, c.patch, c.embed_dim);
        put_list(f, c.depths, c.stages), put_list(f, c.heads, c.stages), put_list(f, c.windows, c.stages);
        fprintf(f, "%d x %d, %d | %g | %g | %d | %d |\n", c.decoder_dim, c.decoder_depth, c.decoder_heads,
                r.pretrain.blr, r.pretrain.warmup_epochs, r.pretrain.epochs, r.pretrain.batch);
    }
    free(names);
    put_tuning(f);
}

static const char opening[] =
    "Made from the program's own table by `mixmae --help-markdown`; a test compares the two. "
    "A default in brackets; a star marks options that a resumed run must not change.";
static const char file_text[] =
    "`--config FILE` reads lines of `name = value`, names as above without the dashes; a switch is `true` or "
    "`false`. Lines that start with `;` or `#` are comments, `[section]` lines mean nothing, and options that "
    "only other commands know are passed over, so a run's own `options.ini` serves `plan` and `bench` too. A "
    "value with `;` in it, or with blanks at its ends, stands in double quotes with `\\\"`, `\\\\` and `\\xHH` "
    "(`;` is `\\x3b`). A line holds at most 190 bytes; a longer value goes on in the next, indented line:";
static const char file_example[] = "\n```\ndata = \"/a/long/path\" \\\n    \"/and/its/end\"\n```\n";

static void put_command(FILE *f, const mx_command_row *c) {
    fprintf(f, "\n## mixmae %s\n\n%s\n\n    %s\n\n", c->name, c->about->brief, c->about->usage);
    mx_put_wrapped(f, c->about->text, 0, 0, MX_WIDTH);
    fputs("\n| option | meaning |\n|---|---|\n", f);
    for (int i = 0; i < mx_option_count(); i++)
        if (mx_option_at(i)->commands & (unsigned)c->command) put_option(f, mx_option_at(i));
    fputs("\n```\n", f);
    for (const char *const *line = c->about->examples; *line; line++) fprintf(f, "  %s\n", *line);
    fputs("```\n", f);
}

char *mx_markdown(const mx_command_list *all) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = mx_text_stream(&text, &size);
    if (!f) return NULL;
    fputs("# Options\n\n", f);
    mx_put_wrapped(f, opening, 0, 0, MX_WIDTH);
    for (int i = 0; i < all->count; i++) put_command(f, &all->row[i]);
    put_models(f);
    fputs("\n## Option files\n\n", f);
    mx_put_wrapped(f, file_text, 0, 0, MX_WIDTH);
    fputs(file_example, f);
    fprintf(f, "\n## Exit codes\n\n%s", mx_exit_codes_text);
    fclose(f);
    return text;
}
