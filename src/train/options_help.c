/* Help texts, made from the option table; and the model that options describe. */
#include "train/options.h"
#include "base/text_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const mx_command_text commands[] = {
    {MX_CMD_PRETRAIN, "pretrain", "pretrain a model on a folder of images",
     "mixmae pretrain --data DIR --model NAME --output RUN [options]",
     "Learns without labels from JPEG, PNG, WebP, TIFF, GIF, BMP, PNM or .npy files. The run's folder gets "
     "model.safetensors, the state to\n"
     "resume from, log.jsonl, TensorBoard events, pictures of reconstructions and report.html.\n"
     "The same seed and options give the same bytes with any number of threads and any number of stops.",
     "  mixmae pretrain --data photos --model nano --output run1\n"
     "  mixmae pretrain --data photos --model tiny --image-size 96 --window-size 6,6,6,3 --batch-size 32 "
     "--epochs 100 --output run2\n"
     "  mixmae pretrain --resume run2\n"
     "  mixmae pretrain --data scans --channels 1 --stats auto --model tiny --output run3\n"},
    {MX_CMD_FINETUNE, "finetune", "train a classifier from a pretrained encoder, or from scratch",
     "mixmae finetune --data DIR --init CKPT --output RUN [options]",
     "Learns the classes of a labelled data set with the paper's recipe: layer-wise learning-rate decay, "
     "drop "
     "path,\n"
     "RandAugment, random erasing, mixup, cutmix and label smoothing, each by option. After each epoch the "
     "held-out images\n"
     "give top-1, top-5 and loss; the run's folder keeps the best and the last model (best.safetensors, "
     "model.safetensors),\n"
     "the state to resume from, log.jsonl, TensorBoard events and report.html. At another resolution or "
     "window "
     "size the\n"
     "checkpoint's position embedding and bias tables are resized.",
     "  mixmae finetune --data photos --init run1/model.safetensors --output tuned\n"
     "  mixmae finetune --data photos --model micro --output scratch --epochs 30\n"
     "  mixmae finetune --data photos --init base.safetensors --image-size 384 --window-size 16,16,24,12 "
     "--output tuned384\n"
     "  mixmae finetune --resume tuned\n"},
    {MX_CMD_EVAL, "eval", "top-1, top-5 and loss of a classifier on labelled images",
     "mixmae eval --checkpoint FILE --data DIR [--output DIR]",
     "Classifies every image once, without augmentation. With --output: confusion.csv, per_class.csv, "
     "predictions.csv and\n"
     "report.html. The data's classes are matched to the model's by name.",
     "  mixmae eval --checkpoint tuned/best.safetensors --data photos --output result\n"},
    {MX_CMD_PREDICT, "predict", "class names and probabilities of images",
     "mixmae predict --checkpoint FILE IMAGES...",
     "One line an image and class, or JSON; a folder stands for all its images. Files that cannot be read "
     "are named "
     "and the\n"
     "others done.",
     "  mixmae predict --checkpoint tuned/best.safetensors cat.jpg dog.png\n"
     "  mixmae predict --checkpoint tuned/best.safetensors --json --top 3 photos\n"},
    {MX_CMD_EMBED, "embed", "features of images, as .npy or safetensors",
     "mixmae embed --checkpoint FILE --data DIR|IMAGES... --output FEATURES.npy",
     "Writes one row an image and, beside it, FEATURES.npy.txt with their names. Layers: the pooled vector, "
     "or any "
     "stage's\n"
     "map [H,W,C]. In safetensors the tensors are \"features\" and, of labelled data, \"labels\". The row of "
     "an "
     "image that\n"
     "cannot be read is NaN; it is named and the exit code is 4.",
     "  mixmae embed --checkpoint run1/model.safetensors --data photos --output photos.npy\n"
     "  mixmae embed --checkpoint run1/model.safetensors --layer stage2 a.jpg b.jpg --output "
     "maps.safetensors\n"},
    {MX_CMD_PROBE, "probe", "how good frozen features are: k nearest neighbours and a linear probe",
     "mixmae probe --checkpoint FILE --data DIR",
     "Computes each image's features once, then classifies the held-out images by the weighted vote of their "
     "nearest\n"
     "training images (DINO's: k 10, 20, 100, 200), and by a linear layer trained on the features (MAE's "
     "recipe: batch\n"
     "normalisation, LARS).",
     "  mixmae probe --checkpoint run1/model.safetensors --data photos\n"
     "  mixmae probe --checkpoint run1/model.safetensors --data photos --label-fraction 0.1 --views 4\n"},
    {MX_CMD_PLAN, "plan", "what a run would take: memory, FLOPs, time",
     "mixmae plan --data DIR --model NAME [--task finetune] [options of pretrain]",
     "Trains nothing. Prints parameters, memory by part to the byte, FLOPs a step and, after timing a few "
     "steps on made-up\n"
     "images, images a second and the time to the end.",
     "  mixmae plan --data photos --model base --batch-size 8\n  mixmae plan --model large --batch-size 4 "
     "--steps 0\n"
     "  mixmae plan --task finetune --init base.safetensors --image-size 384 --window-size 16,16,24,12 "
     "--batch-size "
     "8\n"},
    {MX_CMD_RECONSTRUCT, "reconstruct", "pictures of what a checkpoint sees and rebuilds",
     "mixmae reconstruct --checkpoint FILE --images FILE... --output GRID.png",
     "One row an image: the original, the mixed image that the encoder saw, the image rebuilt, its partner "
     "rebuilt; visible\n"
     "patches are pasted in. Image i is mixed with image n-1-i of the list.",
     "  mixmae reconstruct --checkpoint run1/model.safetensors --images a.jpg b.jpg c.png d.webp --output "
     "grid.png\n"},
    {MX_CMD_INSPECT, "inspect", "what is in a checkpoint", "mixmae inspect FILE...",
     "Prints metadata, configuration and every tensor's shape, type and statistics.",
     "  mixmae inspect run1/model.safetensors\n"},
    {MX_CMD_CONVERT, "convert", "models between PyTorch, safetensors and ONNX",
     "mixmae convert IN --output OUT.safetensors|.pth|.onnx",
     "Reads .pth files of the authors' program or of mmpretrain without Python, safetensors files and a "
     "run's "
     "state. The model's\n"
     "configuration is taken from the tensors' shapes where the file does not hold it; a tensor that is "
     "missing, left over or of\n"
     "another shape is an error that names it. Optimiser states are left behind.",
     "  mixmae convert mixmae_base_600ep.pth --output base.safetensors\n"
     "  mixmae convert run1/model.safetensors --output run1.pth\n"
     "  mixmae convert tuned/best.safetensors --output classifier.onnx\n"},
    {MX_CMD_VERIFY, "verify", "recompute golden files tensor by tensor",
     "mixmae verify FILE... [--backend ref|cpu] [--output OUT]",
     "Recomputes what the authors' program computed from the weights and images in each file and prints the "
     "relative errors\n"
     "against the limits of a right float32 implementation, worst last.",
     "  mixmae verify tests/golden/*.safetensors\n  mixmae verify --backend ref "
     "tests/golden/pretrain_64.safetensors\n"},
    {MX_CMD_SYNTH, "synth", "draw the built-in labelled image set",
     "mixmae synth --output DIR [--classes N] [--images N] [--size S] [--seed N]",
     "Fractals, textures, shapes and scenes from a seed: class folders of PNG files under DIR/train and "
     "DIR/val.",
     "  mixmae synth --output images --classes 12 --images 200 --size 64 --seed 1\n"},
    {MX_CMD_PACK, "pack", "any data set to tar shards of smaller images, for fast reading",
     "mixmae pack --data DATA --output DIR [--size S] [--quality Q] [--shard-size N]",
     "Writes DIR/train-000000.tar ..., DIR/val-000000.tar ... and DIR/classes.txt in WebDataset's layout; "
     "--data "
     "DIR reads them\n"
     "back. Pictures of 8 bits, grey or RGB, are resized; all others keep their bytes. The same data and "
     "options "
     "give the\n"
     "same bytes.",
     "  mixmae pack --data imagenet --output shards --size 256\n"
     "  mixmae pack --data inat:downloads/inat2018 --output inat --size 320 --quality 90\n"},
    {MX_CMD_BENCH, "bench", "training speed against the machine's matrix rate",
     "mixmae bench --model NAME [--batch-size N] [--profile]",
     "Interleaves (a) the products of a step alone and (b) whole training steps, and prints useful FLOPs a "
     "second of both.",
     "  mixmae bench --model base --batch-size 8\n  mixmae bench --model tiny --batch-size 16 --profile\n"},
};
#define COMMANDS ((int)(sizeof commands / sizeof *commands))

int mx_command_count(void) { return COMMANDS; }

void mx_command_at(int i, mx_command *command, const char **name, const char **brief) {
    *command = commands[i].command, *name = commands[i].name, *brief = commands[i].brief;
}

mx_command mx_command_find(const char *name) {
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(commands[i].name, name)) return commands[i].command;
    return (mx_command)0;
}

const mx_command_text *mx_command_text_at(int i) { return &commands[i]; }

const char mx_exit_codes_text[] =
    "Exit codes: 0 done; 1 failed, or a comparison past its limit; 2 options that cannot work;\n"
    "3 stopped by a signal after saving; 4 missing or broken input; 5 loss or gradients not finite.\n";

#define MX_HELP_LEFT  30
#define MX_HELP_WIDTH 100

/* "left    text", the text broken between words and indented. */
static void print_wrapped(FILE *f, const char *left, const char *text) {
    int at = fprintf(f, "  %-*s", MX_HELP_LEFT - 2, left);
    while (*text) {
        int word = (int)strcspn(text, " ");
        if (at + 1 + word > MX_HELP_WIDTH) {
            fprintf(f, "\n%-*s", MX_HELP_LEFT, "");
            at = MX_HELP_LEFT;
        }
        at += fprintf(f, " %.*s", word, text);
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', f);
}

static void print_option(FILE *f, const mx_option_row *r) {
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s%s", r->kind == MX_VALUE_SWITCH ? "[no-]" : "", r->name,
             r->value ? " " : "", r->value ? r->value : "");
    char text[512];
    snprintf(text, sizeof text, r->fallback ? "%s [%s]" : "%s", r->help, r->fallback);
    print_wrapped(f, left, text);
}

char *mx_options_help(mx_command command) {
    char *text = NULL;
    size_t size = 0;
    FILE *f = mx_text_stream(&text, &size);
    if (!f) return NULL;
    for (int i = 0; i < COMMANDS; i++) {
        if (commands[i].command != command) continue;
        fprintf(f, "mixmae %s: %s\n\nUsage: %s\n\n%s\n\nOptions [default]:\n", commands[i].name,
                commands[i].brief, commands[i].usage, commands[i].text);
        for (int j = 0; j < mx_option_count(); j++)
            if (mx_option_at(j)->commands & (unsigned)command) print_option(f, mx_option_at(j));
        fprintf(f, "  %-28s %s\n\nExamples:\n%s\n%s", "--help", "this text", commands[i].examples,
                mx_exit_codes_text);
    }
    fclose(f);
    return text;
}

static void take(int *to, int value) {
    if (value > 0) *to = value;
}

static mx_status take_list(const char *name, int *to, const int *values, int count, int stages, mx_error *e) {
    if (!count) return MX_OK;
    if (count != stages)
        return mx_fail(e, MX_ERR_ARGUMENT, "--%s holds %d numbers and the model has %d stages: give %d", name,
                       count, stages, stages);
    memcpy(to, values, sizeof *to * (size_t)count);
    return MX_OK;
}

mx_status mx_options_model(const mx_options *o, mx_model_config *c, mx_model_recipe *recipe, mx_error *e) {
    mx_model_recipe unused;
    if (o->model && !mx_model_named(o->model, c, recipe ? recipe : &unused))
        return mx_fail(e, MX_ERR_ARGUMENT, "there is no model %s; there are %s", o->model, mx_model_names());
    if (o->depths_count) {
        /* --depths alone sets the number of stages; the other lists must then follow it */
        if (o->depths_count > c->stages && (!o->num_heads_count || !o->window_size_count))
            return mx_fail(e, MX_ERR_ARGUMENT,
                           "--depths holds %d numbers and %s has %d stages: --num-heads and --window-size "
                           "must be given too",
                           o->depths_count, c->name, c->stages);
        c->stages = o->depths_count;
        memcpy(c->depths, o->depths, sizeof *c->depths * (size_t)o->depths_count);
    }
    if (take_list("num-heads", c->heads, o->num_heads, o->num_heads_count, c->stages, e) ||
        take_list("window-size", c->windows, o->window_size, o->window_size_count, c->stages, e))
        return e->status;
    take(&c->image_h, o->image_size[0]), take(&c->image_w, o->image_size[1]);
    take(&c->patch, o->patch_size), take(&c->channels, o->channels), take(&c->embed_dim, o->embed_dim);
    take(&c->decoder_dim, o->decoder_dim), take(&c->decoder_depth, o->decoder_depth);
    take(&c->decoder_heads, o->decoder_num_heads);
    c->norm_pix = o->norm_pix_loss;
    return mx_model_check(c, e);
}
