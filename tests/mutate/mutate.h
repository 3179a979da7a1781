/* Mutated files against the readers: shared by the parts of the driver (mutate.c). A row is a format: its
 * valid files (seeds.c), the function that corrects checksums after a change so that the code after their
 * check is reached (change.c), and the function that reads (readers.c). */
#ifndef MX_TESTS_MUTATE_H
#define MX_TESTS_MUTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct {
    uint8_t *bytes; /* free */
    size_t size;
} mx_blob;

typedef struct {
    mx_blob *at;
    int count;
} mx_blobs;

typedef struct {
    const char *name;
    int weight;                          /* share of the files */
    void (*seeds)(mx_blobs *s);          /* adds the valid files */
    void (*seal)(uint8_t *b, size_t n);  /* NULL: there is nothing to repair */
    mx_status (*read)(const mx_blob *f); /* aborts where the reader breaks its contract */
    bool text;                           /* numbers are digits */
    int sample;                          /* of a picture: bytes a decoded sample has at most; else 0 */
} mx_format;

extern const mx_format mx_formats[];
extern const int mx_format_count;

/* Valid files. */
void mx_seed_add(mx_blobs *s, const void *bytes, size_t size);
void mx_seed_folder(mx_blobs *s, const char *folder, const char *ending); /* of tests/fuzz/seeds */
void mx_seeds_jpeg(mx_blobs *s), mx_seeds_png(mx_blobs *s), mx_seeds_webp(mx_blobs *s),
    mx_seeds_tiff(mx_blobs *s), mx_seeds_gif(mx_blobs *s), mx_seeds_bmp(mx_blobs *s),
    mx_seeds_pnm(mx_blobs *s), mx_seeds_npy(mx_blobs *s);
void mx_seeds_checkpoint(mx_blobs *s), mx_seeds_state(mx_blobs *s), mx_seeds_model_pth(mx_blobs *s);

/* A changed copy of one of the seeds; the same for the same (format, seed, number). */
mx_blob mx_change(const mx_format *f, const mx_blobs *seeds, uint64_t seed, int number);
void mx_seal_png(uint8_t *b, size_t n), mx_seal_tar(uint8_t *b, size_t n),
    mx_seal_events(uint8_t *b, size_t n), mx_seal_safetensors(uint8_t *b, size_t n);

/* Bytes that the samples of a picture take once decoded, by its header; 0: it has none. */
size_t mx_picture_bytes(const mx_format *f, const mx_blob *b);
/* Removes what a child left on disk, however it ended. */
void mx_readers_end(long pid);

#endif
