/* `mixmae synth`: draws the built-in image set, see data/synth.h. */
#include "base/say.h"
#include "command/command.h"
#include "data/image.h"
#include "data/synth.h"

static void print_notice(void *user, const char *text) { mx_notice(user, "%s", text); }

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    if (!o->output) return mx_fail(e, MX_ERR_ARGUMENT, "synth needs --output DIR");
    if (mx_image_png_check(e)) return e->status;
    return mx_synth_write(o->output, (int)o->classes, (int)o->images_per_class, (int)o->size,
                          (uint64_t)o->seed, print_notice, (void *)sink, e);
}

const mx_command_about mx_about_synth = {
    .brief = "draw the built-in labelled image set",
    .usage = "mixmae synth --output DIR [--classes N] [--images N] [--size S] [--seed N]",
    .text =
        "Draws fractals, textures, shapes and scenes from a seed: class folders of PNG files under DIR/train "
        "and DIR/val.",
    .examples = {"mixmae synth --output images --classes 12 --images 200 --size 64 --seed 1"},
    .run = run,
};
