/* One sample made ready for a tar shard; the command is src/command/pack.c. */
#ifndef MX_DATA_PACK_H
#define MX_DATA_PACK_H

#include "data/dataset.h"

/* Sample i as an image file in memory (free(*bytes)) and the extension that fits it. shorter > 0: an 8-bit
 * grey or RGB picture whose shorter side is longer than that is resized to it (bicubic, as Pillow) and
 * becomes a JPEG of that quality; everything else keeps its bytes. CIFAR's records become PNG files. A sample
 * that cannot be decoded is an error; the message does not name it. */
mx_status mx_pack_sample(const mx_dataset *d, int64_t i, int shorter, int quality, void **bytes, size_t *size,
                         const char **extension, mx_error *e);
/* The first name that a tar member of sample i may have behind its number: its file's, cut at the first dot,
 * without characters that need care. out has room for 96. */
void mx_pack_stem(const mx_dataset *d, int64_t i, char *out);
/* order [count] = a permutation that is a function of seed only: shards of one class each would make poor
 * batches, since a reader shuffles a few shards at a time. */
void mx_pack_order(int64_t count, uint64_t seed, uint32_t *order);

#endif
