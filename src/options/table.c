/* The table itself: every option of every command, with its default, range and help. Nothing else. */
#include "options/options.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define AT(field)   offsetof(mx_options, field), 0
#define LIST(field) offsetof(mx_options, field), offsetof(mx_options, field##_count)
#define TRAIN       (MX_CMD_PRETRAIN | MX_CMD_PLAN)
#define TUNE        MX_CMD_FINETUNE
#define RUNS        (MX_CMD_PRETRAIN | TUNE)
#define FIT         (TRAIN | TUNE)
#define MODEL       (TRAIN | MX_CMD_BENCH)
#define SHAPE       (MODEL | TUNE)                              /* of a model */
#define READS       (MX_CMD_EVAL | MX_CMD_EMBED | MX_CMD_PROBE) /* a data set, with a finished model */
#define USES        (READS | MX_CMD_PREDICT)
#define BIG         1e15

static const mx_option_row table[] = {
    /* files */
    {"data", "DATA", MX_VALUE_TEXT, 0, 1, FIT, AT(data), 0, 0, NULL,
     "images: a folder, flat or nested (DIR/train is used when there is one, and DIR/val for the held-out "
     "loss), or another source of docs/DATA.md"},
    {"data", "DATA", MX_VALUE_TEXT, 0, 0, READS, AT(data), 0, 0, NULL,
     "folder of images or another source of docs/DATA.md; its held-out part where it has one (see --split)"},
    {"data", "DATA", MX_VALUE_TEXT, 0, 0, MX_CMD_PACK, AT(data), 0, 0, NULL,
     "folder of images or another source of docs/DATA.md; its held-out part is packed too"},
    {"split", "PART", MX_VALUE_TEXT, 0, 0, MX_CMD_EVAL | MX_CMD_EMBED, AT(split), 0, 0, NULL,
     "train, val, test or all; default: val where --data has one (eval), all (embed)"},
    {"val-data", "DATA", MX_VALUE_TEXT, 0, 0, MX_CMD_PROBE, AT(val_data), 0, 0, NULL,
     "the images to test with, where --data has no held-out part"},
    {"val-data", "DATA", MX_VALUE_TEXT, 0, 0, MX_CMD_PACK, AT(val_data), 0, 0, NULL,
     "the held-out images, where --data has none"},
    {"val-data", "DATA", MX_VALUE_TEXT, 0, 1, FIT, AT(val_data), 0, 0, NULL,
     "held-out images whose loss is measured after each epoch"},
    {"val-share", "R", MX_VALUE_REAL, 0, 1, FIT | MX_CMD_PROBE, AT(val_share), 0, 0.99, "0",
     "split this share of each class off as held-out images, chosen by the seed; where --data has no "
     "held-out part"},
    {"image-column", "COLUMN", MX_VALUE_TEXT, 0, 1, FIT | READS | MX_CMD_PACK, AT(image_column), 0, 0, NULL,
     "of a list: the column of the images, by its name or as a number from 1; default: told by the header"},
    {"label-column", "COLUMN", MX_VALUE_TEXT, 0, 1, FIT | READS | MX_CMD_PACK, AT(label_column), 0, 0, NULL,
     "of a list: the column of the labels, by its name or as a number from 1; default: told by the header"},
    {"model", "NAME", MX_VALUE_TEXT, 0, 1, MODEL, AT(model), 0, 0, "nano",
     "nano, micro, tiny, small, base, large, huge, base_384 or large_384"},
    {"model", "NAME", MX_VALUE_TEXT, 0, 1, TUNE, AT(model), 0, 0, NULL,
     "a named model; default: the one that --init holds"},
    {"model", "NAME", MX_VALUE_TEXT, 0, 0, MX_CMD_CONVERT, AT(model), 0, 0, NULL,
     "the named model that a file without a configuration must hold; default: told by its shapes"},
    {"output", "PATH", MX_VALUE_TEXT, 0, 0,
     RUNS | MX_CMD_EVAL | MX_CMD_EMBED | MX_CMD_RECONSTRUCT | MX_CMD_VERIFY | MX_CMD_SYNTH | MX_CMD_PACK,
     AT(output), 0, 0, NULL,
     "what is written: a run's folder (new or empty), a picture, a file of tensors, a folder of images"},
    {"output", "FILE", MX_VALUE_TEXT, 0, 0, MX_CMD_CONVERT, AT(output), 0, 0, NULL,
     "the file to write: its name ends in .safetensors, .pth, .pt or .onnx"},
    {"resume", "RUN", MX_VALUE_TEXT, 0, 0, RUNS, AT(resume), 0, 0, NULL,
     "continue the run in this folder as if it had never stopped; its own options are used, but for --data "
     "where "
     "the same images lie elsewhere now"},
    {"other-machine", NULL, MX_VALUE_SWITCH, 0, 0, RUNS, AT(other_machine), 0, 0, "false",
     "with --resume: go on though the processor (or MIXMAE_ISA) has another instruction set than the run's "
     "so "
     "far. It then ends in other bytes than without a stop"},
    {"init", "FILE", MX_VALUE_TEXT, 0, 1, MX_CMD_PRETRAIN, AT(init), 0, 0, NULL,
     "start from this checkpoint's weights"},
    {"init", "FILE", MX_VALUE_TEXT, 0, 1, TUNE | MX_CMD_PLAN, AT(init), 0, 0, NULL,
     "the pretrained checkpoint to start from; none: from scratch"},
    {"partial", NULL, MX_VALUE_SWITCH, 0, 1, TUNE, AT(partial), 0, 0, "false",
     "tensors of --init that are missing or do not fit keep their first values, and are listed"},
    {"partial", NULL, MX_VALUE_SWITCH, 0, 0, MX_CMD_CONVERT, AT(partial), 0, 0, "false",
     "tensors that are missing or do not fit get first values, others are left out; all are listed"},
    {"keep-head", NULL, MX_VALUE_SWITCH, 0, 1, TUNE, AT(keep_head), 0, 0, "false",
     "start from the head of --init too: a classifier of the same classes"},
    {"adapt-channels", NULL, MX_VALUE_SWITCH, 0, 1, FIT, AT(adapt_channels), 0, 0, "false",
     "--init of 3 channels may start a model of another number: 1 gets their sum, N the three repeated, "
     "times "
     "3/N"},
    {"checkpoint", "FILE", MX_VALUE_TEXT, 0, 0, MX_CMD_RECONSTRUCT | USES, AT(checkpoint), 0, 0, NULL,
     "a run's model.safetensors or state.safetensors"},
    {"weights", "WHICH", MX_VALUE_TEXT, 0, 1, FIT, AT(weights), 0, 0, NULL,
     "of several models in --init's file: model, ema (the moving average, teacher) or a group's name; "
     "default: "
     "model"},
    {"weights", "WHICH", MX_VALUE_TEXT, 0, 0, MX_CMD_RECONSTRUCT | USES | MX_CMD_CONVERT, AT(weights), 0, 0,
     NULL,
     "of several models in the file: model, ema (the moving average, teacher) or a group's name; default: "
     "model"},
    {"images", "FILE...", MX_VALUE_TEXTS, 0, 0,
     MX_CMD_RECONSTRUCT | MX_CMD_INSPECT | MX_CMD_VERIFY | MX_CMD_PREDICT | MX_CMD_EMBED | MX_CMD_CONVERT,
     offsetof(mx_options, images), offsetof(mx_options, image_count), 0, 0, NULL,
     "the files to work on; the option's name may be left out"},
    {"config", "FILE", MX_VALUE_TEXT, 0, 0, SHAPE, AT(config), 0, 0, NULL,
     "read options from a file of \"name = value\" lines; the command line wins"},
    /* model */
    {"image-size", "S|HxW", MX_VALUE_SIZE, 1, 1, SHAPE, AT(image_size), 1, 16384, NULL,
     "pixels of a side, or height x width"},
    {"image-size", "S|HxW", MX_VALUE_SIZE, 1, 0, MX_CMD_CONVERT, AT(image_size), 1, 16384, NULL,
     "pixels of a side, or height x width, where the file's tensors do not tell"},
    {"patch-size", "N", MX_VALUE_WHOLE, 1, 1, SHAPE, AT(patch_size), 1, 256, NULL,
     "pixels of a token's side"},
    {"channels", "N", MX_VALUE_WHOLE, 1, 1, SHAPE, AT(channels), 1, 64, NULL,
     "1 grey, 3 RGB, or as many as the files have"},
    {"embed-dim", "N", MX_VALUE_WHOLE, 1, 1, SHAPE, AT(embed_dim), 4, 65536, NULL,
     "width C of the first stage; doubles each stage"},
    {"depths", "N,N,..", MX_VALUE_WHOLES, 1, 1, SHAPE, LIST(depths), 1, 64, NULL, "blocks of each stage"},
    {"num-heads", "N,N,..", MX_VALUE_WHOLES, 1, 1, SHAPE, LIST(num_heads), 1, 65536, NULL,
     "attention heads of each stage"},
    {"window-size", "N,N,..", MX_VALUE_WHOLES, 1, 1, SHAPE, LIST(window_size), 1, 16384, NULL,
     "window side of each stage, in tokens"},
    {"decoder-dim", "N", MX_VALUE_WHOLE, 1, 1, MODEL, AT(decoder_dim), 4, 65536, NULL,
     "width of the decoder"},
    {"decoder-depth", "N", MX_VALUE_WHOLE, 1, 1, MODEL, AT(decoder_depth), 1, 64, NULL,
     "blocks of the decoder"},
    {"decoder-num-heads", "N", MX_VALUE_WHOLE, 1, 1, MODEL, AT(decoder_num_heads), 1, 65536, NULL,
     "attention heads of the decoder"},
    {"decoder-num-heads", "N", MX_VALUE_WHOLE, 1, 0, MX_CMD_CONVERT, AT(decoder_num_heads), 1, 65536, NULL,
     "attention heads of the decoder, which shapes do not tell; default: the model's, or 16"},
    {"mask-ratio", "R", MX_VALUE_REAL, 0, 1, MODEL | MX_CMD_RECONSTRUCT, AT(mask_ratio), 0, 1, "0.5",
     "share of mask units taken from the paired image"},
    {"range-mask-ratio", "R", MX_VALUE_REAL, 0, 1, MODEL, AT(range_mask_ratio), 0, 1, "0",
     "each step adds a random number up to this to the ratio"},
    {"norm-pix-loss", NULL, MX_VALUE_SWITCH, 0, 1, MODEL, AT(norm_pix_loss), 0, 0, "true",
     "targets are normalised by each patch's mean and deviation"},
    /* training */
    {"epochs", "E", MX_VALUE_REAL, 0, 1, FIT, AT(epochs), 0, 1e9, NULL,
     "passes over the images; default by model"},
    {"warmup-epochs", "E", MX_VALUE_REAL, 0, 1, FIT, AT(warmup_epochs), 0, 1e9, NULL,
     "epochs of linear warm-up from 0; default by model, at most a fifth of the run"},
    {"batch-size", "N", MX_VALUE_WHOLE, 0, 1, SHAPE, AT(batch_size), 1, 1 << 20, NULL,
     "images of a micro-batch; default by model"},
    {"batch-size", "N", MX_VALUE_WHOLE, 0, 0, USES, AT(batch_size), 1, 1 << 20, NULL,
     "images at a time; default by image size"},
    {"accum-steps", "N", MX_VALUE_WHOLE, 0, 1, SHAPE, AT(accum_steps), 1, 1 << 20, "1",
     "micro-batches of a step; pairs never cross one"},
    {"blr", "RATE", MX_VALUE_REAL, 0, 1, FIT, AT(blr), 0, 1e6, NULL,
     "base learning rate, for 256 images a step; default by model"},
    {"lr", "RATE", MX_VALUE_REAL, 0, 1, FIT, AT(lr), 0, 1e6, NULL,
     "learning rate itself; default blr x images a step / 256"},
    {"min-lr", "RATE", MX_VALUE_REAL, 0, 1, TRAIN, AT(min_lr), 0, 1e6, "0", "where the cosine ends"},
    {"min-lr", "RATE", MX_VALUE_REAL, 0, 1, TUNE, AT(min_lr), 0, 1e6, "1e-6", "where the cosine ends"},
    {"weight-decay", "W", MX_VALUE_REAL, 0, 1, FIT, AT(weight_decay), 0, 1e6, "0.05",
     "decoupled, on all tensors but 1-D ones"},
    {"betas", "A,B", MX_VALUE_PAIR, 0, 1, TRAIN, AT(betas), 0, 0.99999999, "0.9,0.95", "AdamW's moments"},
    {"betas", "A,B", MX_VALUE_PAIR, 0, 1, TUNE, AT(betas), 0, 0.99999999, "0.9,0.999", "AdamW's moments"},
    {"layer-decay", "R", MX_VALUE_REAL, 0, 1, TUNE, AT(layer_decay), 1e-3, 1, NULL,
     "learning rate of each block over that of the block behind it; default by model, 1 without --init"},
    {"drop-path", "P", MX_VALUE_REAL, 0, 1, TUNE, AT(drop_path), 0, 0.99, NULL,
     "probability of dropping a residual branch in the last block, from 0 in the first; default by model"},
    {"clip-grad", "NORM", MX_VALUE_REAL, 0, 1, FIT, AT(clip_grad), 0, BIG, "0",
     "largest gradient norm; 0: no clipping"},
    {"ema", "DECAY", MX_VALUE_REAL, 0, 1, FIT, AT(ema), 0, 0.9999999, "0",
     "keep a moving average of the weights (0.999, 0.9999): held-out images are measured with it and "
     "model.safetensors and best.safetensors hold it; 0: none"},
    {"seed", "N", MX_VALUE_WHOLE, 0, 1, SHAPE | MX_CMD_SYNTH | MX_CMD_RECONSTRUCT, AT(seed), 0, BIG, "0",
     "every random choice follows from it"},
    {"max-skipped", "N", MX_VALUE_WHOLE, 0, 1, FIT, AT(max_skipped), 1, 1 << 20, "5",
     "so many updates in a row that are not finite end the run"},
    /* data */
    {"crop-scale", "LO,HI", MX_VALUE_RANGE, 0, 1, TRAIN, AT(crop_scale), 1e-4, 1, "0.2,1",
     "share of an image's area that a random crop takes"},
    {"crop-scale", "LO,HI", MX_VALUE_RANGE, 0, 1, TUNE, AT(crop_scale), 1e-4, 1, "0.08,1",
     "share of an image's area that a random crop takes"},
    {"aa", "POLICY", MX_VALUE_TEXT, 0, 1, TUNE, AT(aa), 0, 0, "rand-m9-mstd0.5-inc1",
     "RandAugment policy, or none (8-bit images of 1 or 3 channels have one)"},
    {"color-jitter", "J", MX_VALUE_REAL, 0, 1, TUNE, AT(color_jitter), 0, 1, "0",
     "random brightness, contrast and saturation, where --aa is none"},
    {"reprob", "P", MX_VALUE_REAL, 0, 1, TUNE, AT(reprob), 0, 1, "0.25", "probability of random erasing"},
    {"remode", "MODE", MX_VALUE_TEXT, 0, 1, TUNE, AT(remode), 0, 0, "pixel",
     "what is put in: pixel (noise), rand (one colour) or const (0)"},
    {"recount", "N", MX_VALUE_WHOLE, 0, 1, TUNE, AT(recount), 1, 1000, "1", "boxes erased, at most"},
    {"mixup", "A", MX_VALUE_REAL, 0, 1, TUNE, AT(mixup), 0, 1000, "0.8", "mixup's alpha; 0: none"},
    {"cutmix", "A", MX_VALUE_REAL, 0, 1, TUNE, AT(cutmix), 0, 1000, "1", "cutmix's alpha; 0: none"},
    {"cutmix-minmax", "LO,HI", MX_VALUE_RANGE, 0, 1, TUNE, AT(cutmix_minmax), 0, 1, "0,0",
     "side of cutmix's box as a share of the image's, instead of alpha"},
    {"mixup-prob", "P", MX_VALUE_REAL, 0, 1, TUNE, AT(mixup_prob), 0, 1, "1",
     "probability that a batch is mixed at all"},
    {"mixup-switch-prob", "P", MX_VALUE_REAL, 0, 1, TUNE, AT(mixup_switch_prob), 0, 1, "0.5",
     "probability of cutmix where both are on"},
    {"mixup-mode", "MODE", MX_VALUE_TEXT, 0, 1, TUNE, AT(mixup_mode), 0, 0, "batch",
     "one draw for a batch, each pair or each elem"},
    {"smoothing", "S", MX_VALUE_REAL, 0, 1, TUNE, AT(smoothing), 0, 0.99, "0.1", "label smoothing"},
    {"label-fraction", "R", MX_VALUE_REAL, 0, 1, TUNE, AT(label_fraction), 1e-9, 1, "1",
     "train on this share of each class's images, chosen by the seed"},
    {"balance", "B", MX_VALUE_REAL, 0, 1, TUNE, AT(balance), 0, 1, "0",
     "draw images of rare classes more often: 0 as they come, 1 every class equally often, 0.5 by the square "
     "root of its size"},
    {"flip", "P", MX_VALUE_REAL, 0, 1, FIT, AT(flip), 0, 1, "0.5", "probability of a horizontal mirror"},
    {"value-range", "X", MX_VALUE_REAL, 0, 1, FIT, AT(value_range), 0, 1e30, "0",
     "sample value that becomes 1; 0: 255, 65535 or 1 by the files' type"},
    {"stats", "WHICH", MX_VALUE_TEXT, 0, 1, FIT, AT(stats), 0, 0, NULL,
     "imagenet or auto (computed); default imagenet for 3 channels, else auto"},
    {"mean", "X,X,..", MX_VALUE_REALS, 0, 1, FIT, LIST(mean), -1e30, 1e30, NULL,
     "mean of each channel after value-range"},
    {"std", "X,X,..", MX_VALUE_REALS, 0, 1, FIT, LIST(std), 0, 1e30, NULL,
     "standard deviation of each channel"},
    {"value-range", "X", MX_VALUE_REAL, 0, 0, MX_CMD_CONVERT, AT(value_range), 0, 1e30, "0",
     "sample value that becomes 1, with --mean and --std; 0: by the files' type"},
    {"mean", "X,X,..", MX_VALUE_REALS, 0, 0, MX_CMD_CONVERT, LIST(mean), -1e30, 1e30, NULL,
     "mean of each channel that the model was trained with; default for 3 channels: ImageNet's"},
    {"std", "X,X,..", MX_VALUE_REALS, 0, 0, MX_CMD_CONVERT, LIST(std), 0, 1e30, NULL,
     "standard deviation of each channel"},
    {"scaled-decode", NULL, MX_VALUE_SWITCH, 0, 1, FIT, AT(scaled_decode), 0, 0, "false",
     "JPEGs may be decoded faster where samples then differ a little: at 1/2, 1/4 or 1/8 where the crop "
     "stays larger "
     "than the model's input, colour without smoothing"},
    {"exif-orientation", NULL, MX_VALUE_SWITCH, 0, 1, FIT, AT(exif_orientation), 0, 0, "false",
     "turn JPEG, PNG and WebP pictures as their EXIF data say (torchvision does not; TIFF's own orientation "
     "always counts)"},
    {"exif-orientation", NULL, MX_VALUE_SWITCH, 0, 0, USES | MX_CMD_RECONSTRUCT | MX_CMD_PACK,
     AT(exif_orientation), 0, 0, "false",
     "turn JPEG, PNG and WebP pictures as their EXIF data say: as the model was trained"},
    {"max-bad", "SHARE", MX_VALUE_REAL, 0, 1, FIT, AT(max_bad), 0, 1, "0.01",
     "a larger share of unreadable files ends the run with a list"},
    {"workers", "N", MX_VALUE_WHOLE, 0, 0, FIT | READS, AT(workers), 0, 1024, NULL,
     "threads that decode images; 0: the training thread does"},
    /* machine */
    {"threads", "N", MX_VALUE_WHOLE, 0, 0, SHAPE | USES | MX_CMD_RECONSTRUCT | MX_CMD_VERIFY, AT(threads), 0,
     1024, "0", "compute threads; 0: all processors. Results do not depend on it"},
    {"memory", "AMOUNT", MX_VALUE_TEXT, 0, 0, SHAPE, AT(memory), 0, 0, NULL,
     "the most memory to take (8G, 2500M): what backward needs is computed again instead of kept, as little "
     "as will do. Results do not depend on it"},
    {"device", "NAME", MX_VALUE_TEXT, 0, 1, SHAPE, AT(device), 0, 0, "cpu", "cpu"},
    {"dtype", "TYPE", MX_VALUE_TEXT, 0, 1, SHAPE | USES | MX_CMD_RECONSTRUCT, AT(dtype), 0, 0, "auto",
     "f32; bf16: mixed precision, activations and products in bf16, sums and weights in f32; auto: bf16 "
     "where the processor multiplies it faster than f32 (instruction set avx512bf16), else f32. A run keeps "
     "what auto chose when it began"},
    {"dtype", "TYPE", MX_VALUE_TEXT, 0, 1, MX_CMD_VERIFY, AT(dtype), 0, 0, "f32",
     "f32, as the golden numbers were computed; bf16: mixed precision, held to wider limits; auto: as in the "
     "other commands"},
    {"backend", "NAME", MX_VALUE_TEXT, 0, 1, SHAPE | USES | MX_CMD_RECONSTRUCT | MX_CMD_VERIFY, AT(backend),
     0, 0, NULL, "cpu (fast) or ref (plain C, one thread); default cpu"},
    /* saving and showing */
    {"save-every", "N|TIME", MX_VALUE_TEXT, 0, 0, RUNS, AT(save_every), 0, 0, "10m",
     "steps (500) or time (10m, 90s, 1h) between saves"},
    {"log-every", "N", MX_VALUE_WHOLE, 0, 0, RUNS, AT(log_every), 0, BIG, "10",
     "steps between log lines; 0: none"},
    {"picture-every", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_PRETRAIN, AT(picture_every), -1, BIG, "0",
     "steps between pictures of reconstructions; 0: about ten a run; -1: none"},
    {"quiet", NULL, MX_VALUE_SWITCH, 0, 0, RUNS | READS | MX_CMD_VERIFY | MX_CMD_SYNTH, AT(quiet), 0, 0,
     "false", "no progress, only warnings; verify: only what is past its limit"},
    /* single commands */
    {"layer", "NAME", MX_VALUE_TEXT, 0, 0, MX_CMD_EMBED, AT(layer), 0, 0, "pooled",
     "pooled (the mean that a head reads), tokens (its map), or stage1, stage2, .. (map before the merging)"},
    {"top", "K", MX_VALUE_WHOLE, 0, 0, MX_CMD_PREDICT, AT(top), 1, 1000, "5", "classes shown an image"},
    {"json", NULL, MX_VALUE_SWITCH, 0, 0, MX_CMD_PREDICT | MX_CMD_EVAL | MX_CMD_PROBE, AT(json), 0, 0,
     "false", "print JSON, one object a line"},
    {"temperature", "T", MX_VALUE_REAL, 0, 0, MX_CMD_PROBE, AT(temperature), 1e-6, 1e6, "0.07",
     "of the nearest neighbours' votes"},
    {"views", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_PROBE, AT(views), 0, 1000, "0",
     "random crops of each training image whose features the linear probe learns from in turn; 0: the plain "
     "image "
     "only"},
    {"epochs", "E", MX_VALUE_REAL, 0, 0, MX_CMD_PROBE, AT(epochs), 0, 1e6, "90",
     "of the linear probe; 0: none"},
    {"warmup-epochs", "E", MX_VALUE_REAL, 0, 0, MX_CMD_PROBE, AT(warmup_epochs), 0, 1e6, "10",
     "of the linear probe; unless given, at most a fifth of --epochs"},
    {"lr", "RATE", MX_VALUE_REAL, 0, 0, MX_CMD_PROBE, AT(lr), 0, 1e6, "6.4",
     "the linear probe's learning rate (LARS)"},
    {"label-fraction", "R", MX_VALUE_REAL, 0, 0, MX_CMD_PROBE, AT(label_fraction), 1e-9, 1, "1",
     "use this share of each class's training images, chosen by the seed"},
    {"seed", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_PROBE, AT(seed), 0, BIG, "0",
     "every random choice follows from it"},
    {"task", "NAME", MX_VALUE_TEXT, 0, 0, MX_CMD_PLAN, AT(task), 0, 0, "pretrain", "pretrain or finetune"},
    {"steps", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_PLAN | MX_CMD_BENCH, AT(steps), 0, 1000, NULL,
     "steps to time: 3 (plan; 0: none), rounds: 5 (bench)"},
    {"profile", NULL, MX_VALUE_SWITCH, 0, 0, MX_CMD_BENCH, AT(profile), 0, 0, "false",
     "print where a step's time goes, op by op"},
    {"classes", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_SYNTH, AT(classes), 1, 1000, "12", "classes to draw"},
    {"classes", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_PLAN, AT(classes), 1, 1 << 20, "1000",
     "of the classifier, where no --data tells"},
    {"images", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_SYNTH, AT(images_per_class), 1, 1000000, "200",
     "training images of each class"},
    {"size", "S", MX_VALUE_WHOLE, 0, 0, MX_CMD_SYNTH, AT(size), 8, 4096, "64", "pixels of a side"},
    {"size", "S", MX_VALUE_WHOLE, 0, 0, MX_CMD_PACK, AT(size), 0, 16384, "256",
     "larger pictures are resized to a shorter side of so many pixels; 0: none is"},
    {"quality", "Q", MX_VALUE_WHOLE, 0, 0, MX_CMD_PACK, AT(quality), 1, 100, "95",
     "of the JPEG files that resized pictures become"},
    {"shard-size", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_PACK, AT(shard_size), 1, BIG, "10000",
     "images in a shard"},
    {"seed", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_PACK, AT(seed), 0, BIG, "0",
     "the order of the training images follows from it"},
    {"max-bad", "SHARE", MX_VALUE_REAL, 0, 0, MX_CMD_PACK, AT(max_bad), 0, 1, "0.01",
     "unreadable images are named and left out; a larger share is an error"},
    {"threads", "N", MX_VALUE_WHOLE, 0, 0, MX_CMD_PACK, AT(threads), 0, 1024, "0",
     "0: all processors. The bytes written do not depend on it"},
};

int mx_option_count(void) { return (int)(sizeof table / sizeof *table); }
const mx_option_row *mx_option_at(int i) { return &table[i]; }

int mx_option_find(const char *name, unsigned commands) {
    for (int i = 0; i < mx_option_count(); i++)
        if (!strcmp(table[i].name, name) && (!commands || (table[i].commands & commands))) return i;
    return -1;
}
