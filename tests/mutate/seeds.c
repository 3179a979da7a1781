/* Valid files to start from: those in tests/fuzz/seeds, and further kinds made by the tests' encoders. See
 * mutate.h. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image_encoders.h"
#include "mutate.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/read_any.h"

#define SIDE 24

void mx_seed_add(mx_blobs *s, const void *bytes, size_t size) {
    s->at = realloc(s->at, sizeof *s->at * (size_t)(s->count + 1));
    uint8_t *copy = malloc(size ? size : 1);
    if (!s->at || !copy) abort();
    memcpy(copy, bytes, size);
    s->at[s->count++] = (mx_blob){copy, size};
}

static void add_file(mx_blobs *s, const char *path) {
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 20);
    if (!f || !bytes) perror(path), exit(EXIT_FAILURE);
    mx_seed_add(s, bytes, fread(bytes, 1, 1 << 20, f));
    fclose(f), free(bytes);
}

static int is_seed(const struct dirent *x) { return x->d_name[0] != '.'; }

void mx_seed_folder(mx_blobs *s, const char *folder, const char *ending) {
    char path[4096];
    struct dirent **names;
    snprintf(path, sizeof path, "%s/%s", MX_SEEDS, folder);
    int n = scandir(path, &names, is_seed, alphasort); /* sorted: a number is the same file everywhere */
    if (n < 0) perror(path), exit(EXIT_FAILURE);
    for (int i = 0; i < n; i++) {
        size_t length = strlen(names[i]->d_name), tail = strlen(ending);
        snprintf(path, sizeof path, "%s/%s/%s", MX_SEEDS, folder, names[i]->d_name);
        if (length >= tail && !strcmp(names[i]->d_name + length - tail, ending)) add_file(s, path);
        free(names[i]);
    }
    free(names);
}

static void add_made(mx_blobs *s, file f) { mx_seed_add(s, f.bytes, f.size), free(f.bytes); }

static uint8_t *picture(void) { /* smooth enough to compress, of up to 4 samples of 4 bytes */
    static uint8_t p[SIDE * SIDE * 16];
    for (size_t i = 0; i < sizeof p; i++) p[i] = (uint8_t)(i / 7 + (i % 5) * 9);
    return p;
}

void mx_seeds_jpeg(mx_blobs *s) {
    mx_seed_folder(s, "fuzz_image", ".jpg");
    for (int v = 0; v < 8; v++)
        add_made(s, jpeg_make((jpeg_kind){.width = SIDE,
                                          .height = SIDE,
                                          .components = 3,
                                          .progressive = v & 3,
                                          .restart = v / 4 * 2,
                                          .sampling = 1 + v % 2,
                                          .given = JCS_RGB,
                                          .stored = JCS_YCbCr},
                              picture()));
    for (int v = 0; v < 2; v++)
        add_made(s, jpeg_make((jpeg_kind){.width = SIDE,
                                          .height = SIDE,
                                          .components = 4,
                                          .progressive = v,
                                          .given = JCS_CMYK,
                                          .stored = v ? JCS_YCCK : JCS_CMYK},
                              picture()));
    file f = jpeg_make(
        (jpeg_kind){
            .width = SIDE, .height = SIDE, .components = 1, .given = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE},
        picture());
    for (size_t i = 0; i + 5 < f.size; i++) /* extended, of 12 bits */
        if (f.bytes[i] == 0xff && f.bytes[i + 1] == 0xc0) f.bytes[i + 1] = 0xc1, f.bytes[i + 4] = 12;
    add_made(s, f);
}

/* A chunk that claims 512 MB, which libpng would ask for. */
static void add_claim(mx_blobs *s) {
    file f = png_make((png_kind){.width = SIDE, .height = SIDE, .depth = 8}, picture(), SIDE), g = {0};
    file_put(&g, f.bytes, 33); /* signature and IHDR */
    file_put(&g,
             "\x1f\xff\xff\xff"
             "eXIfMM",
             10);
    file_put(&g, f.bytes + 33, f.size - 33);
    free(f.bytes);
    add_made(s, g);
}

void mx_seeds_png(mx_blobs *s) {
    add_claim(s);
    static const struct {
        int type, depth;
    } kind[] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
                {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};
    mx_seed_folder(s, "fuzz_image", ".png");
    for (size_t i = 0; i < COUNT(kind); i++)
        for (int interlace = 0; interlace < 2; interlace++)
            add_made(s, png_make((png_kind){.width = SIDE,
                                            .height = SIDE,
                                            .depth = kind[i].depth,
                                            .type = kind[i].type,
                                            .interlace = interlace,
                                            .palette = kind[i].type == 3 ? 1 << kind[i].depth : 0,
                                            .clear = kind[i].type == 3 ? 2 : 0},
                                 picture(), SIDE * 8));
}

void mx_seeds_webp(mx_blobs *s) {
    mx_seed_folder(s, "fuzz_image", ".webp");
    for (int channels = 3; channels < 5; channels++) add_made(s, webp_make(picture(), SIDE, SIDE, channels));
    uint8_t *lossy = NULL;
    size_t n = WebPEncodeRGBA(picture(), SIDE, SIDE, SIDE * 4, 60, &lossy);
    mx_seed_add(s, lossy, n);
    WebPFree(lossy);
}

static void add_pages(mx_blobs *s, int pages) {
    file f = {0};
    tiff_kind k = {
        .width = SIDE, .height = SIDE, .samples = 1, .bits = 8, .photometric = PHOTOMETRIC_MINISBLACK};
    TIFF *t = TIFFClientOpen("memory", "w", &f, tiff_read, tiff_write, tiff_seek, tiff_close, tiff_size, NULL,
                             NULL);
    for (int p = 0; t && p < pages; p++) {
        tiff_tags(t, &k);
        TIFFWriteEncodedStrip(t, 0, picture(), SIDE * SIDE);
        TIFFWriteDirectory(t);
    }
    if (t) TIFFClose(t);
    add_made(s, f);
}

/* LERC's are files: what its encoder writes holds bytes that it never set, which Valgrind would follow. */
void mx_seeds_tiff(mx_blobs *s) {
    static const uint16_t codec[] = {COMPRESSION_NONE,    COMPRESSION_LZW,      COMPRESSION_ADOBE_DEFLATE,
                                     COMPRESSION_DEFLATE, COMPRESSION_PACKBITS, COMPRESSION_JPEG,
                                     COMPRESSION_LZMA,    COMPRESSION_ZSTD,     COMPRESSION_WEBP};
    static const char *const mode[] = {"w", "wb", "w8"};
    TIFFSetWarningHandler(NULL);
    mx_seed_folder(s, "fuzz_image", ".tif");
    for (size_t c = 0; c < COUNT(codec); c++)
        for (int tiled = 0; TIFFIsCODECConfigured(codec[c]) && tiled < 2; tiled++)
            add_made(s, tiff_make((tiff_kind){.width = SIDE,
                                              .height = SIDE,
                                              .samples = 3,
                                              .bits = 8,
                                              .rows = 8,
                                              .photometric = PHOTOMETRIC_RGB,
                                              .tiled = tiled,
                                              .compression = codec[c],
                                              .mode = mode[c % 3]},
                                  picture()));
    for (int v = 0; v < 8; v++)
        add_made(s,
                 tiff_make((tiff_kind){.width = SIDE,
                                       .height = SIDE,
                                       .samples = 1 + v % 4,
                                       .rows = 8,
                                       .bits = v & 1 ? 32 : 16,
                                       .planar = v & 2,
                                       .mode = mode[v % 3],
                                       .format = v & 1 ? SAMPLEFORMAT_IEEEFP : SAMPLEFORMAT_UINT,
                                       .photometric = v % 4 == 2 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK,
                                       .compression = v & 4 ? COMPRESSION_LZW : COMPRESSION_NONE},
                           picture()));
    add_pages(s, 2), add_pages(s, 3);
}

void mx_seeds_gif(mx_blobs *s) { mx_seed_folder(s, "fuzz_image", ".gif"); }

void mx_seeds_bmp(mx_blobs *s) { mx_seed_folder(s, "fuzz_image", ".bmp"); }

void mx_seeds_pnm(mx_blobs *s) {
    static const char *const ending[] = {".pbm", ".pgm", ".ppm", ".pfm"};
    for (size_t i = 0; i < COUNT(ending); i++) mx_seed_folder(s, "fuzz_image", ending[i]);
    char head[64];
    uint8_t bytes[4096];
    for (int v = 4; v <= 6; v++) /* raw, of 16 bits */
        for (int most = 255; most <= 65535; most += 65280) {
            int n = snprintf(head, sizeof head, v == 4 ? "P%d\n8 8\n" : "P%d\n8 8\n%d\n", v, most);
            memcpy(bytes, head, (size_t)n), memcpy(bytes + n, picture(), 8 * 8 * 6);
            mx_seed_add(s, bytes, (size_t)n + 8 * 8 * 6);
        }
}

void mx_seeds_npy(mx_blobs *s) {
    mx_seed_folder(s, "fuzz_image", ".npy");
    add_made(s, npy_make(NPY("|u1", "(12, 10, 3)"), 1, picture(), 360));
    add_made(s, npy_make(NPY("<u2", "(12, 10)"), 2, picture(), 240));
    add_made(s, npy_make(NPY(">f8", "(6, 5, 4)"), 1, picture(), 960));
    add_made(s, npy_make(NPY("<i8", "(6, 5)"), 1, picture(), 240));
}

/* ---- models ---- */

static void make_model(mx_model *m, mx_params_use use) {
    mx_error e = {0};
    mx_model_config c;
    const char *json = "{\"img_size\":32,\"patch_size\":4,\"in_chans\":3,\"embed_dim\":8,\"depths\":[1,1,1],"
                       "\"num_heads\":[1,2,2],\"window_size\":[4,4,2],\"mlp_ratio\":4.0,\"decoder_dim\":8,"
                       "\"decoder_depth\":1,\"decoder_num_heads\":2}";
    if (mx_config_from_json(&c, json, &e) || mx_model_make(m, &c, use, &e)) {
        fprintf(stderr, "cannot make a model: %s\n", e.text);
        exit(EXIT_FAILURE);
    }
}

enum { CHECKPOINT, STATE, PTH };

static void add_written(mx_blobs *s, int kind) {
    char path[64];
    mx_error e = {0};
    mx_model m = {0};
    mx_pixels px = {.value_range = 255, .mean = {0.5f, 0.5f, 0.5f}, .std = {1, 1, 1}};
    mx_run_state r = {.step = 3, .updates = 3, .best = -1, .instruction_set = "generic"};
    make_model(&m, MX_PARAMS_TRAIN);
    snprintf(path, sizeof path, "/tmp/mutate-%ld.safetensors", (long)getpid());
    if (kind == STATE ? mx_state_write(path, &m, &r, &px, &e)
        : kind == PTH ? mx_model_write_pth(path, &m, &px, &e)
                      : mx_checkpoint_write(path, &m, &px, &e)) {
        fprintf(stderr, "cannot write a seed: %s\n", e.text);
        exit(EXIT_FAILURE);
    }
    add_file(s, path);
    unlink(path);
    mx_model_free(&m);
}

void mx_seeds_checkpoint(mx_blobs *s) { add_written(s, CHECKPOINT); }

void mx_seeds_state(mx_blobs *s) { add_written(s, STATE); }

void mx_seeds_model_pth(mx_blobs *s) { add_written(s, PTH); }
