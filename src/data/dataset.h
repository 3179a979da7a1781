/* A set of images, labelled or not, indexed once and cached: folders, lists, CIFAR's records, tar shards; and
 * the loader that turns it into an ordered stream of batches. Knows nothing of devices or models. */
#ifndef MX_DATA_DATASET_H
#define MX_DATA_DATASET_H

#include "data/erase.h"
#include "data/image.h"
#include "data/pixels.h"
#include "data/randaugment.h"

typedef struct mx_dataset mx_dataset;

/* All of what spec names: "PATH" or "PREFIX:PATH" (docs/DATA.md), where the prefix says what it is and
 * without one it is told apart by what is there; a source with two parts, each with a list of its own, is an
 * error.
 *
 * A folder is walked recursively (symbolic links followed, cycles detected; hidden files and folders skipped;
 * paths sorted bytewise), keeping every name mx_image_name_known
 * and every other file that is an image by its content. Class folders: when every image lies below
 * a first-level folder, label = rank of that folder's name among those that hold images, else -1. The list,
 * with each file's size, mtime, width, height and channels (from headers; unreadable ones 0), is cached in
 * cache_path when not NULL and reused while folders, lists and entries are unchanged (probe.c says what is
 * looked at; keep the cache outside the data, where writing it would change the folder: then it is listed
 * each time). A cache that is damaged is made again; one that cannot be written is done without. Data that
 * are missing, without images or unreadable: one clear sentence. The folder is held open, so it may be
 * renamed and the process may change its own. All else is safe from any thread. */
mx_status mx_dataset_open(mx_dataset **out, const char *spec, const char *cache_path, mx_error *e);
void mx_dataset_close(mx_dataset *d);

/* VAL: what is held out, a test part only where there is no other. TEST: the test part, of sources that have
 * both; else as VAL. ALL: everything, of a folder in parts too (the class folders are then below those); of
 * the other sources where they have no held-out part. EVERY: as ALL, by one who needs no labels: a folder
 * that might be parts or classes is no error. */
typedef enum { MX_SPLIT_TRAIN, MX_SPLIT_VAL, MX_SPLIT_TEST, MX_SPLIT_ALL, MX_SPLIT_EVERY } mx_split;

/* What to open, and how lists are read. */
typedef struct {
    const char *spec;
    const char *image_column, *label_column; /* names, or numbers from 1; NULL: told by the header */
} mx_data_request;

/* One part of it. *out NULL with MX_OK: there is no held-out part. In all else as mx_dataset_open. */
mx_status mx_dataset_open_split(mx_dataset **out, const char *spec, mx_split split, const char *cache_path,
                                mx_error *e);
mx_status mx_dataset_open_request(mx_dataset **out, const mx_data_request *r, mx_split split,
                                  const char *cache_path, mx_error *e);
/* What was passed over or decided in opening it, one sentence a line; "" when there is nothing to say. */
const char *mx_dataset_note(const mx_dataset *d);

/* spec with its paths made absolute, so that it means the same in any folder; prefix, list and patterns stay.
 * What is not there keeps its name, for the message to come. The caller frees it; NULL: out of memory. */
char *mx_dataset_absolute(const char *spec);

/* MX_ERR_DATA with the reason when there are fewer classes than `least`, 1 or 2. */
mx_status mx_dataset_need_classes(const mx_dataset *d, int least, mx_error *e);

/* Changes of an open data set; not while anything else uses it. */
/* Keeps a random share of each class (0 < fraction <= 1; at least one image a class, unlabelled ones together
 * a class), in listing order; the fingerprint follows. */
mx_status mx_dataset_take_fraction(mx_dataset *d, double fraction, uint64_t seed, mx_error *e);
/* Splits a share (0 < share < 1) of each class off, rounded, at least one image of a class that has two,
 * never all of it: held keeps that share, else the rest is kept. The same seed gives the same division. */
mx_status mx_dataset_take_share(mx_dataset *d, double share, uint64_t seed, bool held, mx_error *e);
/* Takes away the images i whose out[i] is set, one of each of mx_dataset_count(d); the fingerprint follows.
 */
mx_status mx_dataset_drop(mx_dataset *d, const bool *out, mx_error *e);
/* Makes val's labels and class names train's, by name: folders are numbered by what is in them, so one class
 * missing shifts the rest. A class with images in val that train lacks: an error that names it. */
mx_status mx_dataset_same_classes(const mx_dataset *train, mx_dataset *val, mx_error *e);

/* Pictures are turned as their EXIF data say (--exif-orientation). TIFF's own orientation always counts. */
void mx_dataset_turn(mx_dataset *d, bool on);
/* Not MX_OK when nothing of some class can be read: a folder whose files are of other kinds; when training,
 * also a class of which no image has a header that is understood. For those who need the labels. */
mx_status mx_dataset_check_classes(const mx_dataset *d, bool training, mx_error *e);
/* "3 files not read: 2 HEIC (first a/1.heic), 1 .mov (b/2.mov)"; "": all is read. */
const char *mx_dataset_unread(const mx_dataset *d);

int64_t mx_dataset_count(const mx_dataset *d);
const char *mx_dataset_path(const mx_dataset *d, int64_t i); /* relative to root, or inside a shard; valid
                                                                until a change or close */
/* The same with its folder, for messages; quoted. Returns out. */
#define MX_WHERE 512
const char *mx_dataset_where(char out[MX_WHERE], const mx_dataset *d, int64_t i);
int mx_dataset_label(const mx_dataset *d, int64_t i); /* -1: none */
int mx_dataset_classes(const mx_dataset *d);
const char *mx_dataset_class_name(const mx_dataset *d, int label);
const char *mx_dataset_root(const mx_dataset *d); /* what was opened, for messages */
/* How many folders and files of this program's own (runs, features) were passed over while it was listed just
 * now, 0 when the list came from the cache; *first one of them. */
int64_t mx_dataset_passed_over(const mx_dataset *d, const char **first);
/* Bytes of the largest decoded image in the index, at its stored depth (for plans). */
size_t mx_dataset_largest(const mx_dataset *d);
/* The formats of the files: bits 1 << mx_format_number; all where the index does not know. */
unsigned mx_dataset_formats(const mx_dataset *d);
/* A number that changes when names or sizes of the files change: resume compares it. */
uint64_t mx_dataset_fingerprint(const mx_dataset *d);
/* What differs from the list of a cache file, whichever folder that is of: "3 added (the first: a.jpg), 1
 * removed (b.jpg)". False: it cannot be told. */
bool mx_dataset_changes(const mx_dataset *d, const char *old_cache, char *text, size_t room);
/* Reads and decodes image i; the message names it. A file whose size changed since it was listed is an error.
 */
mx_status mx_dataset_read(const mx_dataset *d, int64_t i, int channels, mx_image *im, mx_error *e);

/* Per-channel mean and standard deviation of value/range over at most `limit` images spread evenly (0: all).
 * mean, std [channels]. Each image counts alike whatever its size; value_range 0: by type, as in
 * mx_transform. Broken images are left out (MX_ERR_DATA when nothing is left). A constant channel gets std 1.
 * The same for any threads. */
mx_status mx_dataset_stats(const mx_dataset *d, int channels, float value_range, int64_t limit, int threads,
                           float *mean, float *std, mx_error *e);

typedef struct {
    int height, width, channels;
    float mean[MX_MAX_CHANNELS], std[MX_MAX_CHANNELS];
    float value_range; /* 0: 255 for 8-bit, 65535 for 16-bit, 1 for float files */
    double scale_lo, scale_hi, ratio_lo, ratio_hi;
    double flip;                /* probability */
    mx_randaugment randaugment; /* 8-bit images of 1 or 3 channels only */
    double color_jitter;        /* where randaugment is off; 0: none */
    mx_erase erase;
    bool scaled_decode; /* JPEGs of large crops at 1/2, 1/4 or 1/8: faster, other pixels (mx_part) */
    bool one_shot_crop; /* the linear probe's: one draw, cut to the image (schedule.md 7) */
    bool augment; /* false: Resize(shorter side) + CenterCrop, no flip, sample n of the run is file n mod
                     count: evaluation */
} mx_transform;

typedef struct {
    const mx_dataset *data;
    mx_transform transform;
    uint64_t seed;
    int batch;                 /* images a batch */
    int64_t batches_per_epoch; /* the last partial batch is dropped by choosing this */
    int64_t first_batch;       /* of the whole run, 0-based: epoch = n / batches_per_epoch */
    int workers;               /* >= 0; 0 decodes in the calling thread */
    int ahead;                 /* batches held ready */
    /* End with a list when more than this share of the images seen is broken. One broken file a pass over the
     * folder is always allowed, and the first 1000 images (or the first pass, if shorter) are judged as if
     * all seen: bad_count > max(passes begun, bad_share * max(bad_seen, min(1000, count))). */
    double bad_share;
    /* For evaluation: a broken image is not replaced by another. Its place holds zeros, its index and label
     * are -1. What goes beyond the list's end is neither counted nor named again. */
    bool no_replacement;
    /* 0: every image once an epoch. To 1: a class of n images is drawn in proportion to n^(1 - balance), so
     * that at 1 all classes come equally often; those of one class still equally often, give or take one. */
    double balance;
    int64_t bad_seen,
        bad_count; /* counters to continue from (resume): samples consumed and broken files met */
    void (*log)(
        void *user,
        const char *line); /* a broken file, named; called from mx_loader_next's thread in sample order */
    void *user;
} mx_loader_config;

/* One image that is already decoded, by the transform's evaluation mode: chw [channels,height,width]. */
mx_status mx_transform_image(const mx_transform *t, const mx_image *im, float *chw, mx_error *e);

typedef struct mx_loader mx_loader;

typedef struct {
    float *images;        /* [batch,channels,height,width]; the holder's to change (mixup), until the next
                             mx_loader_next */
    const int64_t *index; /* [batch] dataset index used */
    const int32_t *label; /* [batch] */
    int64_t number;       /* batch of the run */
    int64_t bad_seen, bad_count; /* counters after this batch */
    double wait_seconds;         /* the caller waited this long */
} mx_batch;

/* Sample k of epoch e (k = batch-in-epoch * batch + position) is permutation(seed, e)[k], augmented by the
 * stream (seed, MX_RNG_AUGMENT, e, k): a function of seed, e and k only, never of workers. A file that cannot
 * be decoded is named in the log, counted in sample order, and replaced by the file that (seed,
 * MX_RNG_REPLACE, e, k, attempt) draws, up to 16 attempts. A float file with NaN or infinity counts as
 * broken; a file drawn again for the same sample is not counted again. An epoch longer than the list goes
 * round it: permutation(seed, e)[k mod count]. */
mx_status mx_loader_open(mx_loader **out, const mx_loader_config *config, mx_error *e);
/* After an error every further call returns it again. */
mx_status mx_loader_next(mx_loader *l, mx_batch *out, mx_error *e);
/* Joins the workers; NULL is fine. */
void mx_loader_close(mx_loader *l);
/* Bytes that the loader holds for this configuration, worst case: ring of ahead + 1 batches (the last one
 * handed out stays valid) + workers * (largest file + most demanding image: decoded, and its decoder's or
 * resize's memory). */
size_t mx_loader_memory(const mx_loader_config *config);

#endif
