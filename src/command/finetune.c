/* `mixmae finetune`: fine-tunes a classifier in a run, see run/run.h. */
#include "command/command.h"
#include "run/run.h"

static mx_status run(const mixmae_options *options, const mixmae_sink *sink, mx_error *e) {
    return mx_run_train(&mx_finetune_run, options, sink, e);
}

const mx_command_about mx_about_finetune = {
    .brief = "train a classifier from a pretrained encoder, or from scratch",
    .usage = "mixmae finetune --data DIR --init CKPT --output RUN [options]",
    .text = "Learns the classes of a labelled data set with the paper's recipe: layer-wise learning-rate "
            "decay, drop path, RandAugment, random erasing, mixup, cutmix and label smoothing; each has "
            "options. After each epoch the held-out images give top-1, top-5 and loss; the run's folder "
            "keeps the best and the last model (best.safetensors, model.safetensors), the state to resume "
            "from, log.jsonl, TensorBoard events and report.html. At another resolution or window size the "
            "checkpoint's position embedding and bias tables are resized.",
    .examples = {"mixmae finetune --data photos --init run1/model.safetensors --output tuned",
                 "mixmae finetune --data photos --model micro --output scratch --epochs 30",
                 "mixmae finetune --data photos --init base.safetensors --image-size 384 "
                 "--window-size 16,16,24,12 --output tuned384",
                 "mixmae finetune --resume tuned"},
    .stoppable = true,
    .run = run,
};
