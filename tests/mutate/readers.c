/* The formats and their readers: first the reader itself, whose status is counted, then the format's fuzz
 * target, which aborts if the reader breaks its contract. See mutate.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/dataset.h"
#include "data/image.h"
#include "data/source.h"
#include "io/events.h"
#include "io/pickle.h"
#include "io/pth.h"
#include "io/safetensors.h"
#include "mutate.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/foreign.h"
#include "checkpoint/inspect.h"
#include "report/log.h"

#define TARGET(name) int fuzz_##name(const uint8_t *data, size_t size)
TARGET(config);
TARGET(events);
TARGET(foreign);
TARGET(image);
TARGET(inat);
TARGET(index);
TARGET(list);
TARGET(options);
TARGET(pickle);
TARGET(pth);
TARGET(safetensors);
TARGET(tar);

/* A refusal says why. */
static mx_status said(mx_status s, const mx_error *e) {
    if (s != e->status || (s && !*e->text)) abort();
    return s;
}

/* ---- pictures ---- */

size_t mx_picture_bytes(const mx_format *f, const mx_blob *b) {
    int w = 0, h = 0, c = 0;
    if (!f->sample || mx_image_probe(&w, &h, &c, b->bytes, b->size, NULL)) return 0;
    return (size_t)w * (size_t)h * (size_t)(c > 3 ? c : 3) * (size_t)f->sample;
}

static mx_status read_image(const mx_blob *f) {
    mx_image im;
    mx_error e = {0};
    mx_status s = said(mx_image_decode(&im, f->bytes, f->size, 3, &e), &e);
    mx_image_free(&im);
    fuzz_image(f->bytes, f->size);
    return s;
}

/* ---- containers ---- */

static mx_status read_safetensors(const mx_blob *f) {
    mx_st *st = NULL;
    mx_error e = {0};
    mx_status s = said(mx_st_parse(&st, f->bytes, f->size, &e), &e);
    mx_st_close(st);
    uint8_t *with = malloc(f->size + 1); /* the target's first byte: the file as it stands */
    if (!with) abort();
    with[0] = 0, memcpy(with + 1, f->bytes, f->size);
    fuzz_safetensors(with, f->size + 1);
    free(with);
    return s;
}

/* The first byte of these files is the target's: even, an archive; odd, a pickle to put into one. */
static mx_status read_pth(const mx_blob *f) {
    mx_pth *p = NULL;
    mx_error e = {0};
    if (!f->size) return MX_ERR_FORMAT;
    mx_status s = MX_OK;
    if (!(f->bytes[0] & 1)) s = said(mx_pth_parse(&p, f->bytes + 1, f->size - 1, &e), &e);
    mx_pth_close(p);
    fuzz_pth(f->bytes, f->size);
    return s;
}

static mx_status read_pickle(const mx_blob *f) {
    mx_pk *pk = NULL;
    mx_error e = {0};
    size_t used;
    mx_status s = said(mx_pk_parse(&pk, f->bytes, f->size, &used, &e), &e);
    mx_pk_free(pk);
    fuzz_pickle(f->bytes, f->size);
    return s;
}

static mx_status read_tar(const mx_blob *f) {
    mx_index x = {.kind = MX_SOURCE_TAR};
    mx_error e = {0};
    mx_tar_counts counts = {.most = -1};
    int fd = memfd_create("shard", MFD_CLOEXEC);
    if (fd < 0 || write(fd, f->bytes, f->size) != (ssize_t)f->size || lseek(fd, 0, SEEK_SET)) abort();
    mx_index_add_folder(&x, "shard.tar", 1, &e);
    x.folder[0].size = (int64_t)f->size;
    mx_status s = said(mx_tar_shard(&x, fd, "shard.tar", (int64_t)f->size, &counts, &e), &e);
    mx_index_free(&x);
    close(fd);
    fuzz_tar(f->bytes, f->size);
    return s;
}

/* ---- texts and tables ---- */

static char *text_of(const mx_blob *f, size_t from) {
    char *text = malloc(f->size - from + 1);
    if (!text) abort();
    memcpy(text, f->bytes + from, f->size - from), text[f->size - from] = 0;
    return text;
}

static mx_status read_inat(const mx_blob *f) {
    mx_index x = {.kind = MX_SOURCE_INAT};
    mx_error e = {0};
    char *text = text_of(f, 0);
    mx_status s = said(mx_inat_parse(&x, text, f->size, &e), &e);
    mx_index_free(&x), free(text);
    fuzz_inat(f->bytes, f->size);
    return s;
}

static mx_status read_list(const mx_blob *f) {
    mx_index x = {.kind = MX_SOURCE_LIST};
    mx_error e = {0};
    const mx_list_how how = {.root_fd = -1};
    if (!f->size) return MX_ERR_FORMAT;
    char *text = text_of(f, 1);
    mx_status s = said(f->bytes[0] % 3 == 2 ? mx_places_parse(&x, "data_256/", text, f->size - 1, &e)
                                            : mx_list_parse(&x, text, f->size - 1, &how, &e),
                       &e);
    mx_index_free(&x), free(text);
    fuzz_list(f->bytes, f->size);
    return s;
}

static mx_status read_config(const mx_blob *f) {
    mx_model_config c;
    mx_error e = {0};
    char *text = text_of(f, 0);
    mx_status s = said(mx_config_from_json(&c, text, &e), &e);
    free(text);
    fuzz_config(f->bytes, f->size);
    return s;
}

static mx_status read_options(const mx_blob *f) { return fuzz_options(f->bytes, f->size), MX_OK; }

static mx_status read_index(const mx_blob *f) {
    mx_index x;
    int64_t written;
    bool good = mx_index_parse(&x, &written, f->bytes, f->size, "/r");
    if (good) mx_index_free(&x);
    fuzz_index(f->bytes, f->size);
    return good ? MX_OK : MX_ERR_FORMAT;
}

static mx_status read_events(const mx_blob *f) {
    bool whole = mx_events_keep(f->bytes, f->size, INT64_MAX) == f->size;
    uint8_t *with = calloc(1, f->size + 1); /* the target's first byte: as it stands */
    if (!with) abort();
    memcpy(with + 1, f->bytes, f->size);
    fuzz_events(with, f->size + 1);
    free(with);
    return whole ? MX_OK : MX_ERR_FORMAT;
}

/* ---- what is read from disk ---- */

static char place[64]; /* a folder of this process */

static const char *on_disk(const mx_blob *f, const char *name) {
    static char path[160];
    if (!*place) {
        snprintf(place, sizeof place, "/dev/shm/mutate-%ld", (long)getpid());
        mkdir(place, 0700);
    }
    snprintf(path, sizeof path, "%s/%s", place, name);
    unlink(path);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(f->bytes, 1, f->size, file) != f->size || fclose(file))
        perror(path), exit(EXIT_FAILURE);
    return path;
}

void mx_readers_end(long pid) {
    char path[160 + 256];
    snprintf(path, sizeof path, "/dev/shm/fuzz_foreign-%ld.safetensors", pid);
    unlink(path);
    snprintf(path, sizeof path, "/dev/shm/mutate-%ld", pid);
    DIR *d = opendir(path);
    if (!d) return;
    for (struct dirent *x; (x = readdir(d));) unlinkat(dirfd(d), x->d_name, 0);
    closedir(d);
    rmdir(path);
}

static void line(void *user, const char *text) { *(size_t *)user += strlen(text); }

static void inspect(const char *path) {
    mx_error e = {0};
    size_t seen = 0;
    said(mx_inspect(path, line, &seen, &e), &e);
}

static mx_status read_checkpoint(const mx_blob *f) {
    const char *path = on_disk(f, "m.safetensors");
    mx_status s = MX_OK;
    for (mx_params_use use = MX_PARAMS_MAPPED; use <= MX_PARAMS_WEIGHTS; use++) {
        mx_model m = {0};
        mx_pixels px;
        mx_error e = {0};
        s = said(mx_checkpoint_read(&m, &px, path, use, &e), &e);
        mx_model_free(&m);
    }
    inspect(path);
    return s;
}

static mx_status read_state(const mx_blob *f) {
    const char *path = on_disk(f, "s.safetensors");
    mx_model m = {0};
    mx_run_state r;
    mx_pixels px;
    mx_error e = {0}, read = {0}, counters = {0};
    mx_blobs seed = {0};
    static mx_model_config c;
    if (!c.embed_dim) { /* that of the valid file */
        mx_seeds_state(&seed);
        char *whole = strdup(on_disk(&seed.at[0], "m.safetensors"));
        if (!whole || mx_checkpoint_config(&c, whole, &e)) abort();
        free(whole), free(seed.at[0].bytes), free(seed.at);
        path = on_disk(f, "s.safetensors");
    }
    if (mx_model_make(&m, &c, MX_PARAMS_TRAIN, &e)) abort();
    said(mx_state_counters(&r, path, &counters), &counters);
    mx_status s = said(mx_state_read(&m, &r, &px, path, &read), &read);
    mx_model_free(&m);
    inspect(path);
    return s;
}

static mx_status read_foreign_pth(const mx_blob *f) {
    const char *path = on_disk(f, "m.pth");
    mx_model m = {0};
    mx_pixels px;
    mx_error e = {0};
    const mx_foreign_hints h = {.partial = true, .image_h = 64, .image_w = 64};
    mx_status s = said(mx_foreign_read(&m, &px, path, &h, MX_PARAMS_WEIGHTS, &e), &e);
    mx_model_free(&m);
    inspect(path);
    return s;
}

static mx_status read_foreign(const mx_blob *f) { return fuzz_foreign(f->bytes, f->size), MX_OK; }

static mx_status read_log(const mx_blob *f) {
    const char *path = on_disk(f, "log.jsonl");
    mx_run_log *log = calloc(1, sizeof *log);
    mx_error e = {0}, cut = {0};
    if (!log) abort();
    mx_status s = said(mx_run_log_read(log, path, &e), &e);
    if (!s && log->damaged) s = MX_ERR_FORMAT;
    mx_run_log_free(log), free(log);
    said(mx_jsonl_cut(path, 3, &cut), &cut);
    return s;
}

static mx_status read_cifar(const mx_blob *f) {
    static const uint8_t record[MX_CIFAR_RECORD + 2];
    char spec[96];
    mx_dataset *d = NULL;
    mx_error e = {0};
    on_disk(&(mx_blob){(uint8_t *)record, sizeof record}, "test.bin");
    on_disk(f, "train.bin");
    snprintf(spec, sizeof spec, "cifar:%s", place);
    mx_status s = said(mx_dataset_open_split(&d, spec, MX_SPLIT_TRAIN, NULL, &e), &e);
    if (d) mx_dataset_close(d);
    return s;
}

/* ---- the table ---- */

#define FOLDER(name)                                                                                         \
    static void seeds_##name(mx_blobs *s) { mx_seed_folder(s, "fuzz_" #name, ""); }
FOLDER(tar)
FOLDER(pth)
FOLDER(pickle)
FOLDER(inat)
FOLDER(list)
FOLDER(config)
FOLDER(index)
FOLDER(foreign)

/* The targets' seeds begin with a byte that says how to read them; ours are files as they stand. */
static void add_whole(mx_blobs *s, const char *folder, size_t head) {
    mx_blobs of = {0};
    mx_seed_folder(&of, folder, "");
    for (int i = 0; i < of.count; i++) {
        uint8_t *b = calloc(1, head + of.at[i].size);
        if (!b) abort();
        size_t put = of.at[i].bytes[0] & 1 ? head : 0;
        memcpy(b + put, of.at[i].bytes + 1, of.at[i].size - 1);
        if (put) mx_seal_safetensors(b, put + of.at[i].size - 1);
        mx_seed_add(s, b, put + of.at[i].size - 1);
        free(b), free(of.at[i].bytes);
    }
    free(of.at);
}

static void seeds_safetensors(mx_blobs *s) {
    add_whole(s, "fuzz_safetensors", 8);
    mx_seeds_checkpoint(s), mx_seeds_state(s);
}

static void seeds_events(mx_blobs *s) { add_whole(s, "fuzz_events", 0); }

static void seal_index(uint8_t *b, size_t n) { mx_index_seal(b, n); }

static void seeds_sealed_index(mx_blobs *s) {
    seeds_index(s);
    for (int i = 0; i < s->count; i++) seal_index(s->at[i].bytes, s->at[i].size);
}

static void seeds_options(mx_blobs *s) {
    static const char *const texts[] = {"; a run\nmodel = tiny\nimage-size = 96x64\ndepths = "
                                        "2,2,18,2\nepochs = 300\nblr = 1.5e-4\nseed = 7\n",
                                        "data = /d\noutput = out\nbetas = 0.9,0.95\ncrop-scale = 0.2,1\nflip "
                                        "= 0.5\nmemory = 2500M\nquiet = true\n",
                                        "save-every = 10m\nmean = 0.4,0.5,0.6\nstd = 0.2,0.2,0.2\nchannels = "
                                        "3\ndtype = auto\nmax-bad = 0.01\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) mx_seed_add(s, texts[i], strlen(texts[i]));
}

static void seeds_log(mx_blobs *s) {
    static const char text[] =
        "{\"event\":\"2 images cannot be read\",\"step\":0}\n"
        "{\"epoch\":0.25,\"grad_norm\":0.76,\"images_per_second\":1446.9,\"loss\":1.23,\"lr\":0.0,\"step\":1,"
        "\"wait_share\":0.06}\n"
        "{\"epoch\":0.5,\"grad_norm\":0.91,\"images_per_second\":493.9,\"loss\":1.22,\"lr\":3.9e-5,\"step\":"
        "2,"
        "\"wait_share\":0.02}\n"
        "{\"epoch\":1.0,\"step\":4,\"val_loss\":1.19}\n{\"step\":8,\"test_acc1\":12.5,\"test_acc5\":60.0}\n";
    mx_seed_add(s, text, sizeof text - 1);
}

static void seeds_cifar(mx_blobs *s) {
    static uint8_t records[4][MX_CIFAR_RECORD + 2];
    for (int i = 0; i < 4; i++) records[i][0] = (uint8_t)i, records[i][1] = (uint8_t)i;
    mx_seed_add(s, records, sizeof records);
}

const mx_format mx_formats[] = {
    {"jpeg", 12, mx_seeds_jpeg, NULL, read_image, .sample = 1},
    {"png", 12, mx_seeds_png, mx_seal_png, read_image, .sample = 2},
    {"webp", 8, mx_seeds_webp, NULL, read_image, .sample = 1},
    {"tiff", 16, mx_seeds_tiff, NULL, read_image, .sample = 4},
    {"gif", 4, mx_seeds_gif, NULL, read_image, .sample = 1},
    {"bmp", 4, mx_seeds_bmp, NULL, read_image, .sample = 1},
    {"pnm", 4, mx_seeds_pnm, NULL, read_image, .sample = 4, .text = true},
    {"npy", 4, mx_seeds_npy, NULL, read_image, .sample = 4, .text = true},
    {"tar", 5, seeds_tar, mx_seal_tar, read_tar, .text = true},
    {"pth", 5, seeds_pth, NULL, read_pth, .text = false},
    {"pickle", 3, seeds_pickle, NULL, read_pickle, .text = true},
    {"safetensors", 4, seeds_safetensors, mx_seal_safetensors, read_safetensors, .text = true},
    {"inat", 3, seeds_inat, NULL, read_inat, .text = true},
    {"list", 3, seeds_list, NULL, read_list, .text = true},
    {"cifar", 1, seeds_cifar, NULL, read_cifar, .text = false},
    {"options", 2, seeds_options, NULL, read_options, .text = true},
    {"config", 2, seeds_config, NULL, read_config, .text = true},
    {"index", 2, seeds_sealed_index, seal_index, read_index, .text = false},
    {"events", 2, seeds_events, mx_seal_events, read_events, .text = false},
    {"log", 1, seeds_log, NULL, read_log, .text = true},
    {"foreign", 1, seeds_foreign, NULL, read_foreign, .text = true},
    {"foreign-pth", 2, mx_seeds_model_pth, NULL, read_foreign_pth, .text = false},
    {"checkpoint", 3, mx_seeds_checkpoint, mx_seal_safetensors, read_checkpoint, .text = true},
    {"state", 2, mx_seeds_state, mx_seal_safetensors, read_state, .text = true},
};
const int mx_format_count = sizeof mx_formats / sizeof *mx_formats;
