/* A data set: images with or without labels, from folders, lists, CIFAR's records or tar shards. It is listed once, and
 * the list is cached. The loader turns it into an ordered stream of batches. */
#ifndef MX_DATA_DATASET_H
#define MX_DATA_DATASET_H

#include "data/erase.h"
#include "data/image.h"
#include "data/pixels.h"
#include "data/randaugment.h"

typedef struct mx_dataset mx_dataset;

/* Opens the whole data set at spec: "PATH" or "PREFIX:PATH" (docs/DATA.md). The prefix gives the kind of source;
 * without one the files show it. A source with two parts that have separate lists is an error.
 *
 * A folder is walked recursively. Symbolic links are followed, cycles detected, hidden files and folders skipped, paths
 * sorted bytewise. The list has the files whose name passes mx_image_name_known, and others whose content is an image.
 * If every image is below a first-level folder, its label is the rank of that folder's name among those that contain
 * images; otherwise all labels are -1.
 *
 * The list has each file's size, mtime, width, height and channels (from headers; 0 when unreadable). It is cached in
 * cache_path (NULL: no cache) and reused while folders, lists and entries are unchanged (probe.c compares them). Keep
 * the cache outside the data: inside, writing it changes the folder, which is then listed each time. A damaged cache is
 * rebuilt. Failing to write the cache is no error.
 *
 * Missing, unreadable or empty data is an error. The folder stays open, so it may be renamed, and the process may
 * change its working folder. Any thread may call functions that read an open data set. */
mx_status mx_dataset_open(mx_dataset **out, const char *spec, const char *cache_path, mx_error *e);
void mx_dataset_close(mx_dataset *d);

/* VAL: the held-out part; the test part only if there is no other. TEST: the test part if the source has both, else as
 * VAL. ALL: everything, including all parts of a folder in parts (whose class folders are inside the parts); other
 * sources must have no held-out part. EVERY: as ALL, for callers that need no labels: a folder that may be parts or
 * classes is no error. */
typedef enum { MX_SPLIT_TRAIN, MX_SPLIT_VAL, MX_SPLIT_TEST, MX_SPLIT_ALL, MX_SPLIT_EVERY } mx_split;

/* What to open, and which columns of a list to read. */
typedef struct {
    const char *spec;
    const char *image_column, *label_column; /* names, or numbers from 1; NULL: found automatically */
} mx_data_request;

/* Opens one part. *out is NULL with MX_OK if there is no held-out part. Otherwise as mx_dataset_open. */
mx_status mx_dataset_open_split(mx_dataset **out, const char *spec, mx_split split, const char *cache_path,
                                mx_error *e);
mx_status mx_dataset_open_request(mx_dataset **out, const mx_data_request *r, mx_split split,
                                  const char *cache_path, mx_error *e);
/* What opening skipped or decided, one sentence per line; "": nothing to report. */
const char *mx_dataset_note(const mx_dataset *d);

/* spec with absolute paths, so that it means the same in any working folder. Keeps prefix, list and patterns, and also
 * paths that do not exist, for a later error message. The caller frees it; NULL: out of memory. */
char *mx_dataset_absolute(const char *spec);

/* MX_ERR_DATA with the reason if there are fewer than `least` classes (1 or 2). */
mx_status mx_dataset_need_classes(const mx_dataset *d, int least, mx_error *e);

/* The next functions change an open data set, and its fingerprint. Nothing else may use it at that time. */
/* Keeps a random share of each class (0 < fraction <= 1; at least one image per class; unlabelled images count as one
 * class), in listing order. */
mx_status mx_dataset_take_fraction(mx_dataset *d, double fraction, uint64_t seed, mx_error *e);
/* Divides each class: a share (0 < share < 1, rounded) is held out; at least one image if the class has two, never the
 * whole class. held: keeps that share; else keeps the rest. The same seed gives the same division. */
mx_status mx_dataset_take_share(mx_dataset *d, double share, uint64_t seed, bool held, mx_error *e);
/* Removes each image i with out[i] set. out [mx_dataset_count(d)]. */
mx_status mx_dataset_drop(mx_dataset *d, const bool *out, mx_error *e);
/* Gives val the labels and class names of train, matched by name. (Labels are ranks of class names, so a class that val
 * lacks would shift its other labels.) An image of a class that train lacks is an error that names the class. */
mx_status mx_dataset_same_classes(const mx_dataset *train, mx_dataset *val, mx_error *e);

/* Whether to apply EXIF orientation (--exif-orientation). TIFF's own orientation is always applied. */
void mx_dataset_turn(mx_dataset *d, bool on);
/* Fails if a class has no file that can be read, for example a folder of other kinds of files; when training, also if
 * no image of a class has a valid header. For callers that need the labels. */
mx_status mx_dataset_check_classes(const mx_dataset *d, bool training, mx_error *e);
/* "3 files not read: 2 HEIC (first a/1.heic), 1 .mov (b/2.mov)"; "": everything was read. */
const char *mx_dataset_unread(const mx_dataset *d);

int64_t mx_dataset_count(const mx_dataset *d);
/* Path relative to root, or inside a shard. Valid until a change or close. */
const char *mx_dataset_path(const mx_dataset *d, int64_t i);
/* The same with its folder, quoted, for messages. Returns out. */
#define MX_WHERE 512
const char *mx_dataset_where(char out[MX_WHERE], const mx_dataset *d, int64_t i);
int mx_dataset_label(const mx_dataset *d, int64_t i); /* -1: none */
int mx_dataset_classes(const mx_dataset *d);
const char *mx_dataset_class_name(const mx_dataset *d, int label);
const char *mx_dataset_root(const mx_dataset *d); /* what was opened, for messages */
/* Number of this program's own folders and files (runs, features) that the listing skipped; 0 if the list came from the
 * cache. *first: one of them. */
int64_t mx_dataset_passed_over(const mx_dataset *d, const char **first);
/* Bytes of the largest decoded image in the index, at its stored depth (for plans). */
size_t mx_dataset_largest(const mx_dataset *d);
/* The size of image i, as its header says; 0 if that could not be read. */
void mx_dataset_size(const mx_dataset *d, int64_t i, int *width, int *height);
/* The formats of the files, as bits 1 << mx_format_number; all bits if the index does not know. */
unsigned mx_dataset_formats(const mx_dataset *d);
/* A number that changes when names or sizes of the files change. Resuming compares it. */
uint64_t mx_dataset_fingerprint(const mx_dataset *d);
/* The difference from the list in a cache file, which may belong to another folder: "3 added (the first:
 * a.jpg), 1 removed (b.jpg)". False: unknown. */
bool mx_dataset_changes(const mx_dataset *d, const char *old_cache, char *text, size_t room);
/* Reads and decodes image i. Messages name it. A file whose size differs from the list's is an error. */
mx_status mx_dataset_read(const mx_dataset *d, int64_t i, int channels, mx_image *im, mx_error *e);

/* Per-channel mean and standard deviation of value/range over at most `limit` images spread evenly (0: all). mean, std:
 * [channels]. Each image has the same weight, whatever its size. value_range 0: by type, as in mx_transform. Skips
 * broken images; MX_ERR_DATA if none is left. A constant channel gets std 1. The result does not depend on the number
 * of threads. */
mx_status mx_dataset_stats(const mx_dataset *d, int channels, float value_range, int64_t limit, int threads,
                           float *mean, float *std, mx_error *e);

typedef struct {
    int height, width, channels;
    float mean[MX_MAX_CHANNELS], std[MX_MAX_CHANNELS];
    float value_range; /* 0: 255 for 8-bit, 65535 for 16-bit, 1 for float files */
    double scale_lo, scale_hi, ratio_lo, ratio_hi;
    double flip;                /* probability */
    mx_randaugment randaugment; /* 8-bit images of 1 or 3 channels only */
    double color_jitter;        /* used if randaugment is off; 0: none */
    mx_erase erase;
    bool scaled_decode; /* decode JPEGs of large crops at 1/2, 1/4 or 1/8: faster, other pixels (mx_part) */
    bool one_shot_crop; /* the linear probe's crop, mx_crop_draw_once */
    /* false: evaluation. Resize(shorter side) + CenterCrop, no flip; sample n of the run is file n mod count. */
    bool augment;
} mx_transform;

typedef struct {
    const mx_dataset *data;
    mx_transform transform;
    uint64_t seed;
    int batch;                 /* images per batch */
    int64_t batches_per_epoch; /* rounded down, this drops the last partial batch */
    int64_t first_batch;       /* of the whole run, 0-based: epoch = n / batches_per_epoch */
    int workers;               /* threads; 0: decodes in the calling thread */
    int ahead;                 /* batches kept ready */
    /* For mx_loader_measure: measures as if `mixmae pack --size` had shrunk the images to this shorter side; 0: no. */
    int packed;
    /* Stops with a list when more than this share of the images seen is broken. One broken file per pass is always
     * allowed, and the share counts of at least 1000 images (or one pass, if shorter): stops when
     * bad_count > max(passes begun, bad_share * max(bad_seen, min(1000, count))). */
    double bad_share;
    /* For evaluation: broken images are not replaced. Their pixels are zeros; index and label are -1. Samples beyond
     * the list's end are neither counted nor logged again. */
    bool no_replacement;
    /* 0: every image once per epoch. Up to 1: a class of n images is drawn in proportion to n^(1 - balance), so at 1
     * all classes are equally frequent. Images of one class are drawn equally often, give or take one. */
    double balance;
    int64_t bad_seen, bad_count; /* counters to continue from on resume: samples consumed, broken files met */
    void (*log)(
        void *user,
        const char *line); /* called for each broken file, in mx_loader_next's thread and in sample order */
    void *user;
} mx_loader_config;

/* Applies the transform's evaluation mode to one decoded image: chw [channels,height,width]. */
mx_status mx_transform_image(const mx_transform *t, const mx_image *im, float *chw, mx_error *e);

typedef struct mx_loader mx_loader;

typedef struct {
    /* [batch,channels,height,width]. The caller may change it (mixup) until the next mx_loader_next. */
    float *images;
    const int64_t *index;        /* [batch] dataset index used */
    const int32_t *label;        /* [batch] */
    int64_t number;              /* batch of the run */
    int64_t bad_seen, bad_count; /* counters after this batch */
    double wait_seconds;         /* time that the caller waited */
} mx_batch;

/* Sample k of epoch e (k = batch-in-epoch * batch + position) is permutation(seed, e)[k], augmented from the stream
 * (seed, MX_RNG_AUGMENT, e, k). It depends on seed, e and k only, never on workers. If an epoch is longer than the
 * list, the list repeats: permutation(seed, e)[k mod count]. A broken file (also a float file with NaN or infinity) is
 * logged, counted in sample order and replaced by the file that (seed, MX_RNG_REPLACE, e, k, attempt) draws, in up to
 * 16 attempts. A file drawn again for the same sample is not counted again. */
mx_status mx_loader_open(mx_loader **out, const mx_loader_config *config, mx_error *e);
/* After an error, every further call returns the same error. */
mx_status mx_loader_next(mx_loader *l, mx_batch *out, mx_error *e);
/* on: returns once no worker decodes; they then hold no memory for files, so that others may read images. Off: they
 * go on. Samples do not depend on it. Not while mx_loader_next runs. */
void mx_loader_pause(mx_loader *l, bool on);
/* Joins the workers. NULL is allowed. */
void mx_loader_close(mx_loader *l);
/* Most bytes that the loader holds with this configuration: a ring of ahead + 1 batches (the last one returned stays
 * valid) + workers * (largest file + most demanding image: decoded, with the memory of its decoder or resize). */
size_t mx_loader_memory(const mx_loader_config *config);

/* Its parts: the ring with all that does not depend on the images' sizes; one worker; images decoded at once; the
 * image that needs most. */
typedef struct {
    size_t ring, worker;
    int pictures;
    int64_t largest;
} mx_loader_needs;
mx_loader_needs mx_loader_measure(const mx_loader_config *config);

#endif
