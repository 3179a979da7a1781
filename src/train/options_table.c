/* The table itself: every option of every command, with its default, range and help. Nothing else. */
#include "train/options.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define AT(field)   offsetof(mx_options, field), 0
#define LIST(field) offsetof(mx_options, field), offsetof(mx_options, field##_count)
#define TRAIN       (MX_CMD_PRETRAIN | MX_CMD_PLAN)
#define MODEL       (TRAIN | MX_CMD_BENCH)
#define BIG         1e15

static const mx_option_row table[] = {
    /* files */
    {"data", "DIR", MX_VALUE_TEXT, 0, 1, TRAIN, AT(data), 0, 0, NULL,
     "folder of images, flat or nested; DIR/train is used when there is one, and DIR/val for the held-out "
     "loss"},
    {"val-data", "DIR", MX_VALUE_TEXT, 0, 1, TRAIN, AT(val_data), 0, 0, NULL,
     "folder of held-out images whose loss is measured after each epoch"},
    {"model", "NAME", MX_VALUE_TEXT, 0, 1, MODEL, AT(model), 0, 0, "nano",
     "nano, micro, tiny, small, base, large, huge, base_384 or large_384"},
    {"output", "PATH", MX_VALUE_TEXT, 0, 0,
     MX_CMD_PRETRAIN | MX_CMD_RECONSTRUCT | MX_CMD_VERIFY | MX_CMD_SYNTH, AT(output), 0, 0, NULL,
     "what is written: a run's folder (new or empty), a picture, a file of tensors, a folder of images"},
    {"resume", "RUN", MX_VALUE_TEXT, 0, 0, MX_CMD_PRETRAIN, AT(resume), 0, 0, NULL,
     "continue the run in this folder as if it had never stopped; its own options are used"},
    {"init", "FILE", MX_VALUE_TEXT, 0, 1, MX_CMD_PRETRAIN, AT(init), 0, 0, NULL,
     "start from this checkpoint's weights"},
    {"checkpoint", "FILE", MX_VALUE_TEXT, 0, 0, MX_CMD_RECONSTRUCT, AT(checkpoint), 0, 0, NULL,
     "a run's model.safetensors or state.safetensors"},
    {"images", "FILE...", MX_VALUE_TEXTS, 0, 0, MX_CMD_RECONSTRUCT | MX_CMD_INSPECT | MX_CMD_VERIFY,
     offsetof(mx_options, images), offsetof(mx_options, image_count), 0, 0, NULL,
     "the files to work on; the option's name may be left out"},
    {"config", "FILE", MX_VALUE_TEXT, 0, 0, MODEL, AT(config), 0, 0, NULL,
     "read options from a file of \"name = value\" lines; the command line wins"},
    /* model */
    {"image-size", "S|HxW", MX_VALUE_SIZE, 1, 1, MODEL, AT(image_size), 1, 16384, NULL,
     "pixels of a side, or height x width"},
    {"patch-size", "N", MX_VALUE_WHOLE, 1, 1, MODEL, AT(patch_size), 1, 256, NULL,
     "pixels of a token's side"},
    {"channels", "N", MX_VALUE_WHOLE, 1, 1, MODEL, AT(channels), 1, 64, NULL,
     "1 grey, 3 RGB, or as many as the files have"},
    {"embed-dim", "N", MX_VALUE_WHOLE, 1, 1, MODEL, AT(embed_dim), 4, 65536, NULL,
     "width C of the first stage; doubles each stage"},
    {"depths", "N,N,..", MX_VALUE_WHOLES, 1, 1, MODEL, LIST(depths), 1, 64, NULL, "blocks of each stage"},
    {"num-heads", "N,N,..", MX_VALUE_WHOLES, 1, 1, MODEL, LIST(num_heads), 1, 65536, NULL,
     "attention heads of each stage"},
    {"window-size", "N,N,..", MX_VALUE_WHOLES, 1, 1, MODEL, LIST(window_size), 1, 16384, NULL,
     "window side of each stage, in tokens"},
    {"decoder-dim", "N", MX_VALUE_WHOLE, 1, 1, MODEL, AT(decoder_dim), 4, 65536, NULL,
     "width of the decoder"},
    {"decoder-depth", "N", MX_VALUE_WHOLE, 1, 1, MODEL, AT(decoder_depth), 1, 64, NULL,
     "blocks of the decoder"},
    {"decoder-num-heads", "N", MX_VALUE_WHOLE, 1, 1, MODEL, AT(decoder_num_heads), 1, 65536, NULL,
     "attention heads of the decoder"},
    {"mask-ratio", "R", MX_VALUE_REAL, 0, 1, MODEL | MX_CMD_RECONSTRUCT, AT(mask_ratio), 0, 1, "0.5",
     "share of mask units taken from the paired image"},
    {"range-mask-ratio", "R", MX_VALUE_REAL, 0, 1, MODEL, AT(range_mask_ratio), 0, 1, "0",
     "each step adds a random number up to this to the ratio"},
    {"norm-pix-loss", NULL, MX_VALUE_SWITCH, 0, 1, MODEL, AT(norm_pix_loss), 0, 0, "true",
     "targets are normalised by each patch's mean and deviation"},
    /* training */
    {"epochs", "E", MX_VALUE_REAL, 0, 1, TRAIN, AT(epochs), 0, 1e9, NULL,
     "passes over the images; default by model"},
    {"warmup-epochs", "E", MX_VALUE_REAL, 0, 1, TRAIN, AT(warmup_epochs), 0, 1e9, NULL,
     "epochs of linear warm-up from 0; default by model"},
    {"batch-size", "N", MX_VALUE_WHOLE, 0, 1, MODEL, AT(batch_size), 1, 1 << 20, NULL,
     "images of a micro-batch; default by model"},
    {"accum-steps", "N", MX_VALUE_WHOLE, 0, 1, MODEL, AT(accum_steps), 1, 1 << 20, "1",
     "micro-batches of a step; pairs never cross one"},
    {"blr", "RATE", MX_VALUE_REAL, 0, 1, TRAIN, AT(blr), 0, 1e6, NULL,
     "base learning rate, for 256 images a step; default by model"},
    {"lr", "RATE", MX_VALUE_REAL, 0, 1, TRAIN, AT(lr), 0, 1e6, NULL,
     "learning rate itself; default blr x images a step / 256"},
    {"min-lr", "RATE", MX_VALUE_REAL, 0, 1, TRAIN, AT(min_lr), 0, 1e6, "0", "where the cosine ends"},
    {"weight-decay", "W", MX_VALUE_REAL, 0, 1, TRAIN, AT(weight_decay), 0, 1e6, "0.05",
     "decoupled, on all tensors but 1-D ones"},
    {"betas", "A,B", MX_VALUE_PAIR, 0, 1, TRAIN, AT(betas), 0, 0.99999999, "0.9,0.95", "AdamW's moments"},
    {"clip-grad", "NORM", MX_VALUE_REAL, 0, 1, TRAIN, AT(clip_grad), 0, BIG, "0",
     "largest gradient norm; 0: no clipping"},
    {"seed", "N", MX_VALUE_WHOLE, 0, 1, MODEL | MX_CMD_SYNTH | MX_CMD_RECONSTRUCT, AT(seed), 0, BIG, "0",
     "every random choice follows from it"},
    {"max-skipped", "N", MX_VALUE_WHOLE, 0, 1, TRAIN, AT(max_skipped), 1, 1 << 20, "5",
     "so many updates in a row that are not finite end the run"},
    /* data */
    {"crop-scale", "LO,HI", MX_VALUE_RANGE, 0, 1, TRAIN, AT(crop_scale), 1e-4, 1, "0.2,1",
     "share of an image's area that a random crop takes"},
    {"flip", "P", MX_VALUE_REAL, 0, 1, TRAIN, AT(flip), 0, 1, "0.5", "probability of a horizontal mirror"},
    {"value-range", "X", MX_VALUE_REAL, 0, 1, TRAIN, AT(value_range), 0, 1e30, "0",
     "sample value that becomes 1; 0: 255, 65535 or 1 by the files' type"},
    {"stats", "WHICH", MX_VALUE_TEXT, 0, 1, TRAIN, AT(stats), 0, 0, NULL,
     "imagenet or auto (computed); default imagenet for 3 channels, else auto"},
    {"mean", "X,X,..", MX_VALUE_REALS, 0, 1, TRAIN, LIST(mean), -1e30, 1e30, NULL,
     "mean of each channel after value-range"},
    {"std", "X,X,..", MX_VALUE_REALS, 0, 1, TRAIN, LIST(std), 0, 1e30, NULL,
     "standard deviation of each channel"},
    {"max-bad", "SHARE", MX_VALUE_REAL, 0, 1, TRAIN, AT(max_bad), 0, 1, "0.01",
     "a larger share of unreadable files ends the run with a list"},
    {"workers", "N", MX_VALUE_WHOLE, 0, 0, TRAIN, AT(workers), 0, 1024, NULL,
     "threads that decode images; 0: the training thread does"},
    /* machine */
    {"threads", "N", MX_VALUE_WHOLE, 0, 0, MODEL | MX_CMD_RECONSTRUCT | MX_CMD_VERIFY, AT(threads), 0, 1024,
     "0", "compute threads; 0: all processors. Results do not depend on it"},
    {"device", "NAME", MX_VALUE_TEXT, 0, 1, MODEL, AT(device), 0, 0, "cpu", "cpu"},
    {"dtype", "TYPE", MX_VALUE_TEXT, 0, 1, MODEL | MX_CMD_VERIFY, AT(dtype), 0, 0, "f32", "f32"},
    {"backend", "NAME", MX_VALUE_TEXT, 0, 1, MODEL | MX_CMD_RECONSTRUCT | MX_CMD_VERIFY, AT(backend), 0, 0,
     NULL, "cpu (fast) or ref (plain C, one thread); default cpu"},
    /* saving and showing */
    {"save-every", "N|TIME", MX_VALUE_TEXT, 0, 0, MX_CMD_PRETRAIN, AT(save_every), 0, 0, "10m",
     "steps (500) or time (10m, 90s, 1h) between saves"},
    {"log-every", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_PRETRAIN, AT(log_every), 0, BIG, "10",
     "steps between log lines; 0: none"},
    {"picture-every", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_PRETRAIN, AT(picture_every), -1, BIG, "0",
     "steps between pictures of reconstructions; 0: about ten a run; -1: none"},
    {"quiet", NULL, MX_VALUE_SWITCH, 0, 0, MX_CMD_PRETRAIN | MX_CMD_VERIFY | MX_CMD_SYNTH, AT(quiet), 0, 0,
     "false", "no progress; verify: only what is past its limit"},
    /* single commands */
    {"steps", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_PLAN | MX_CMD_BENCH, AT(steps), 0, 1000, NULL,
     "steps to time: 3 (plan; 0: none), rounds: 5 (bench)"},
    {"profile", NULL, MX_VALUE_SWITCH, 0, 0, MX_CMD_BENCH, AT(profile), 0, 0, "false",
     "print where a step's time goes, op by op"},
    {"classes", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_SYNTH, AT(classes), 1, 1000, "12", "classes to draw"},
    {"images", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_SYNTH, AT(images_per_class), 1, 1000000, "200",
     "training images of each class"},
    {"size", "S", MX_VALUE_WHOLE, 0, 0, MX_CMD_SYNTH, AT(size), 8, 4096, "64", "pixels of a side"},
};

int mx_option_count(void) { return (int)(sizeof table / sizeof *table); }
const mx_option_row *mx_option_at(int i) { return &table[i]; }

int mx_option_find(const char *name, unsigned commands) {
    for (int i = 0; i < mx_option_count(); i++)
        if (!strcmp(table[i].name, name) && (!commands || (table[i].commands & commands))) return i;
    return -1;
}
