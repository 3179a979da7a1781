/* The small commands: verify, inspect, synth. The large ones have files of their own. */
#include "train/commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "data/synth.h"
#include "train/inspect.h"
#include "train/settings.h"
#include "train/verify.h"

static void print_card(const mx_report_card *card, const char *path, bool quiet, const mixmae_sink *sink) {
    if (quiet && !card->failed) return;
    mx_say(sink, "%s", path);
    mx_say(sink, "  %-64s %10s %10s", "tensor", "error", "limit");
    for (int i = 0; i < card->count; i++) {
        const mx_check *c = &card->check[i];
        if (quiet && c->error <= c->limit) continue;
        mx_say(sink, "  %-64s %10.2e %10.1e%s", c->name, c->error, c->limit,
               c->error <= c->limit ? "" : "  PAST THE LIMIT");
    }
    mx_say(sink, "  %d tensors, %d past their limit", card->count, card->failed);
}

mx_status mx_run_verify(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    int failed = 0, checked = 0;
    if (!o->image_count)
        return mx_fail(e, MX_ERR_ARGUMENT, "verify needs golden files: mixmae verify FILE...");
    if (o->output && o->image_count > 1)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "--output takes the recomputed tensors of one file; found %d files", o->image_count);
    mx_compute how;
    if (mx_compute_make(&how, o->backend, o->dtype, o->threads, e)) return e->status;
    for (int i = 0; i < o->image_count && !e->status; i++) {
        mx_report_card card;
        if (!mx_verify_file(&card, o->images[i], &how, e)) {
            print_card(&card, o->images[i], o->quiet, sink);
            if (o->output) mx_verify_write(&card, o->output, e);
        }
        failed += card.failed, checked += card.count;
        mx_report_card_free(&card);
    }
    if (!e->status && failed)
        mx_fail(e, MX_ERR_MISMATCH, "%d of %d comparisons are past their limit (backend %s, %s)", failed,
                checked, how.backend, mx_dtype_name(how.activations));
    return e->status;
}

typedef struct {
    const mixmae_sink *sink;
} printer;

static void print_line(void *user, const char *text) { mx_say(((printer *)user)->sink, "%s", text); }
static void print_notice(void *user, const char *text) { mx_notice(((printer *)user)->sink, "%s", text); }

mx_status mx_run_inspect(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    printer p = {sink};
    if (!o->image_count) return mx_fail(e, MX_ERR_ARGUMENT, "inspect needs a file: mixmae inspect FILE");
    for (int i = 0; i < o->image_count && !e->status; i++) mx_inspect(o->images[i], print_line, &p, e);
    return e->status;
}

mx_status mx_run_synth(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    printer p = {sink};
    if (!o->output) return mx_fail(e, MX_ERR_ARGUMENT, "synth needs --output DIR");
    if (mx_image_png_check(e)) return e->status;
    return mx_synth_write(o->output, (int)o->classes, (int)o->images_per_class, (int)o->size,
                          (uint64_t)o->seed, print_notice, &p, e);
}
