/* `mixmae inspect`: describes the content of a file, see checkpoint/inspect.h. */
#include "base/say.h"
#include "checkpoint/inspect.h"
#include "command/command.h"

static void print_line(void *user, const char *text) { mx_say(user, "%s", text); }

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    const mx_options *o = &options->o;
    if (!o->image_count) return mx_fail(e, MX_ERR_ARGUMENT, "inspect needs a file: mixmae inspect FILE");
    for (int i = 0; i < o->image_count && !e->status; i++)
        mx_inspect(o->images[i], print_line, (void *)sink, e);
    return e->status;
}

const mx_command_about mx_about_inspect = {
    .brief = "what is in a checkpoint",
    .usage = "mixmae inspect FILE...",
    .text = "Prints metadata, configuration and every tensor's shape, type and statistics.",
    .examples = {"mixmae inspect run1/model.safetensors"},
    .run = run,
};
