/* `mixmae pretrain`: pretrains a model in a run, see run/run.h. */
#include "command/command.h"
#include "run/run.h"

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    return mx_run_train(&mx_pretrain_run, options, sink, e);
}

const mx_command_about mx_about_pretrain = {
    .brief = "pretrain a model on a folder of images",
    .usage = "mixmae pretrain --data DIR --model NAME --output RUN [options]",
    .text = "Learns without labels from JPEG, PNG, WebP, TIFF, GIF, BMP, PNM or .npy files. The run's "
            "folder gets model.safetensors, the state to resume from, log.jsonl, TensorBoard events, "
            "pictures of reconstructions and report.html. The same seed and options give the same bytes "
            "with any number of threads and any number of stops.",
    .examples = {"mixmae pretrain --data photos --model nano --output run1",
                 "mixmae pretrain --data photos --model tiny --image-size 96 --window-size 6,6,6,3 "
                 "--batch-size 32 --epochs 100 --output run2",
                 "mixmae pretrain --resume run2",
                 "mixmae pretrain --data scans --channels 1 --stats auto --model tiny --output run3"},
    .stoppable = true,
    .run = run,
};
