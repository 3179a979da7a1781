/* Completion scripts for bash, zsh and fish, made from the option table: commands, the options of each, the
 * named models, and files for everything else. */
#include "options/pages.h"

#include <string.h>

#include "base/text_stream.h"
#include "options/options.h"

static bool knows(const mx_command_row *c, const mx_option_row *r) {
    return r->commands & (unsigned)c->command;
}

/* The named models, separated by spaces. */
static void put_models(FILE *f) {
    for (const char *p = mx_model_names(); *p; p++)
        if (*p != ',') fputc(*p, f);
}

static void put_commands(FILE *f, const mx_command_list *all) {
    for (int i = 0; i < all->count; i++) fprintf(f, "%s%s", i ? " " : "", all->row[i].name);
}

/* ---- bash: words for the command line's second word, for options and for --model's value ---- */

static void put_bash(FILE *f, const mx_command_list *all) {
    fputs("# bash completion of mixmae, made by `mixmae --completion bash`\n_mixmae() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} options=\n"
          "    COMPREPLY=()\n    if [ \"$COMP_CWORD\" = 1 ]; then\n        COMPREPLY=($(compgen -W \"",
          f);
    put_commands(f, all);
    fputs(" --help --version --completion\" -- \"$word\"))\n        return\n    fi\n"
          "    if [ \"$previous\" = --model ]; then\n        COMPREPLY=($(compgen -W \"",
          f);
    put_models(f);
    fputs("\" -- \"$word\"))\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n", f);
    for (int i = 0; i < all->count; i++) {
        const mx_command_row *c = &all->row[i];
        fprintf(f, "    %s) options=\"--help", c->name);
        for (int j = 0; j < mx_option_count(); j++) {
            const mx_option_row *r = mx_option_at(j);
            if (!knows(c, r)) continue;
            fprintf(f, " --%s", r->name);
            if (r->kind == MX_VALUE_SWITCH) fprintf(f, " --no-%s", r->name);
        }
        fputs("\" ;;\n", f);
    }
    fputs("    esac\n    case $word in\n    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
          "    esac\n} && complete -o default -F _mixmae mixmae\n",
          f);
}

/* ---- zsh: _arguments with each option's help ---- */

/* Inside '...[help]:VALUE:action': escapes characters with a meaning for the shell or for _arguments. */
static void put_zsh_text(FILE *f, const char *text) {
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", f);
        else if (strchr("[]:\\", *text))
            fprintf(f, "\\%c", *text);
        else
            fputc(*text, f);
    }
}

static void put_zsh_option(FILE *f, const mx_option_row *r, const char *no) {
    fprintf(f, " \\\n            '--%s%s[", no, r->name);
    put_zsh_text(f, r->help);
    fputc(']', f);
    if (r->value) {
        fputc(':', f);
        put_zsh_text(f, r->value);
        fputc(':', f);
        if (!strcmp(r->name, "model"))
            fputc('(', f), put_models(f), fputc(')', f);
        else if (r->kind == MX_VALUE_TEXT || r->kind == MX_VALUE_TEXTS)
            fputs("_files", f);
    }
    fputc('\'', f);
}

static void put_zsh(FILE *f, const mx_command_list *all) {
    fputs("#compdef mixmae\n# zsh completion of mixmae, made by `mixmae --completion zsh`\n_mixmae() {\n"
          "    if (( CURRENT == 2 )); then\n        local -a commands=(",
          f);
    for (int i = 0; i < all->count; i++) {
        fprintf(f, "\n            '%s:", all->row[i].name);
        put_zsh_text(f, all->row[i].about->brief);
        fputc('\'', f);
    }
    fputs(")\n        _describe command commands\n        return\n    fi\n    local command=$words[2]\n"
          "    shift words\n    (( CURRENT-- ))\n    case $command in\n",
          f);
    for (int i = 0; i < all->count; i++) {
        const mx_command_row *c = &all->row[i];
        fprintf(f, "    %s)\n        _arguments '--help[a summary of the options]'", c->name);
        for (int j = 0; j < mx_option_count(); j++) {
            const mx_option_row *r = mx_option_at(j);
            if (!knows(c, r)) continue;
            put_zsh_option(f, r, "");
            if (r->kind == MX_VALUE_SWITCH) put_zsh_option(f, r, "no-");
        }
        fputs(" '*:file:_files' ;;\n", f);
    }
    fputs("    esac\n}\n_mixmae \"$@\"\n", f);
}

/* ---- fish: one `complete` line for each option of each command ---- */

static void put_fish_text(FILE *f, const char *text) {
    fputc('\'', f);
    for (; *text; text++) fprintf(f, "%s%c", strchr("'\\", *text) ? "\\" : "", *text);
    fputc('\'', f);
}

static void put_fish_option(FILE *f, const mx_command_row *c, const mx_option_row *r, const char *no) {
    fprintf(f, "complete -c mixmae -n '__fish_seen_subcommand_from %s' -l %s%s", c->name, no, r->name);
    if (r->value) fputs(" -r", f);
    if (!strcmp(r->name, "model")) fputs(" -f -a '", f), put_models(f), fputc('\'', f);
    fputs(" -d ", f);
    put_fish_text(f, r->help);
    fputc('\n', f);
}

static void put_fish(FILE *f, const mx_command_list *all) {
    fputs("# fish completion of mixmae, made by `mixmae --completion fish`\n", f);
    for (int i = 0; i < all->count; i++) {
        fprintf(f, "complete -c mixmae -n __fish_use_subcommand -f -a %s -d ", all->row[i].name);
        put_fish_text(f, all->row[i].about->brief);
        fputc('\n', f);
    }
    for (int i = 0; i < all->count; i++)
        for (int j = 0; j < mx_option_count(); j++) {
            const mx_command_row *c = &all->row[i];
            const mx_option_row *r = mx_option_at(j);
            if (!knows(c, r)) continue;
            put_fish_option(f, c, r, "");
            if (r->kind == MX_VALUE_SWITCH) put_fish_option(f, c, r, "no-");
        }
}

char *mx_completion(const mx_command_list *all, const char *shell) {
    static const struct {
        const char *name;
        void (*put)(FILE *, const mx_command_list *);
    } shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shells[i].name, shell)) continue;
        char *text = NULL;
        size_t size = 0;
        FILE *f = mx_text_stream(&text, &size);
        if (!f) return NULL;
        shells[i].put(f, all);
        fclose(f);
        return text;
    }
    return NULL;
}
