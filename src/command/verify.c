/* `mixmae verify`: recomputes golden files, see verify/verify.h. */
#include "base/say.h"
#include "command/command.h"
#include "verify/verify.h"

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

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    int failed = 0, checked = 0;
    if (!o->image_count)
        return mx_fail(e, MX_ERR_ARGUMENT, "verify needs golden files: mixmae verify FILE...");
    if (o->output && o->image_count > 1)
        return mx_fail(e, MX_ERR_ARGUMENT,
                       "--output takes the recomputed tensors of one file; found %d files", o->image_count);
    mx_compute how;
    if (mx_compute_make(&how, o->device, o->dtype, o->threads, e)) return e->status;
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
                checked, how.device, mx_dtype_name(how.activations));
    return e->status;
}

const mx_command_about mx_about_verify = {
    .brief = "recompute golden files tensor by tensor",
    .usage = "mixmae verify FILE... [--device NAME] [--output OUT]",
    .text = "Recomputes what the authors' program computed from the weights and images in each file and "
            "prints the relative errors and the limits for a correct float32 implementation, worst last.",
    .examples = {"mixmae verify tests/golden/*.safetensors",
                 "mixmae verify --device ref tests/golden/pretrain_64.safetensors"},
    .run = run,
};
