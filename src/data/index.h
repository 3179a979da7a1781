/* The index of a data set: its samples, where their bytes are, their sizes and labels. Private to src/data.
 *
 * One string block and flat arrays: 48 bytes per sample plus its path, so ten million samples take about a gigabyte. A
 * source (source.h) lists the samples, probe.c adds sizes and headers, index.c writes and reads the cache file,
 * dataset.c serves the index. */
#ifndef MX_DATA_INDEX_H
#define MX_DATA_INDEX_H

#include "data/dataset.h"

/* The cache file contains these two structs as they are, little-endian. Change its magic when they change. */
typedef struct {
    uint64_t name; /* where the path starts in names; relative to root, ends with 0 */
    int64_t size;  /* bytes; 0 with mtime 0: missing, or not a plain file */
    union {
        int64_t mtime;  /* sample with its own file: ns since 1970 */
        int64_t offset; /* other samples: position in the holder */
    };
    uint32_t width, height; /* 0: the header could not be read */
    uint16_t channels;
    uint16_t depth;  /* bytes per sample after decoding */
    uint32_t holder; /* 0: the sample has its own file; else its bytes are in the file folder[holder - 1] */
    int32_t label;   /* -1: none */
    uint8_t format;  /* mx_format_number; 0: none */
    uint8_t turn;    /* its EXIF orientation, 1 to 8; 0: not looked for */
    uint16_t beside; /* the decoder's own memory (mx_needs), in units of MX_BESIDE, rounded up */
} mx_entry;

#define MX_BESIDE 65536

/* A folder that was listed, or a file that was read for the list or that holds samples. The list is valid while these
 * are unchanged. */
typedef struct {
    uint64_t name; /* "" is the root */
    int64_t mtime;
    int64_t size; /* -1: a folder */
} mx_folder;

typedef struct {
    mx_entry *file;
    mx_folder *folder;
    uint64_t *class_name; /* [classes], in names */
    char *names;
    int64_t files, folders, classes;
    int64_t file_room, folder_room, class_room;
    size_t names_size, names_room;
    int64_t others;           /* files that are not images, for the message */
    int64_t own;              /* this program's own files (own_files.c), which the listing skips */
    uint64_t own_name;        /* the first of them, in names */
    struct mx_passed *passed; /* while listing: counts files that are not read (passed.h); owned */
    uint64_t unread,
        lost;   /* in names, or 0: texts about files not read, about class folders without readable file */
    int kind;   /* mx_source_kind (source.h) */
    char *note; /* how the listing was understood, one sentence per line; not in the cache */
} mx_index;

#define MX_INDEX_MAX      INT32_MAX          /* files: a permutation takes 4 bytes each */
#define MX_INDEX_FILE_MAX ((int64_t)5 << 30) /* largest image file that is read, in bytes */
#define MX_CLASSES_MAX    (1 << 20)

void mx_index_free(mx_index *x); /* leaves it empty */
mx_status mx_index_add_file(mx_index *x, const char *path, mx_error *e);
mx_status mx_index_add_folder(mx_index *x, const char *path, int64_t mtime, mx_error *e);
/* Checks a file (path as for openat(root_fd)) and adds it to those that must stay unchanged. It may hold samples; their
 * holder is then x->folders. size may be NULL. */
mx_status mx_index_add_holder(mx_index *x, int root_fd, const char *path, int64_t *size, mx_error *e);
/* Adds a sentence to x->note. */
mx_status mx_index_note(mx_index *x, mx_error *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
mx_status mx_index_add_class(mx_index *x, const char *name, size_t length, mx_error *e);
/* Joins classes whose names are the same in two Unicode forms (labels.c). */
mx_status mx_index_join_classes(mx_index *x, mx_error *e);
/* Stores a text for x->unread or x->lost in names. */
mx_status mx_index_add_text(mx_index *x, const char *text, uint64_t *at, mx_error *e);
/* The entry of path, or NULL. Files must be sorted (those of folder sources are). */
const mx_entry *mx_index_find(const mx_index *x, const char *path);

/* The first bytes of a run's options.ini. */
#define MX_RUN_MARK "; mixmae "
/* True if the folder (path as for openat(root_fd); "" is the root) contains a run of this program. */
bool mx_is_run_folder(int root_fd, const char *folder);
/* True if embed wrote this .npy in the open folder, with names in NAME.npy.txt. */
bool mx_is_features(int folder_fd, const char *name);
/* Records that a file or folder of this program's own was skipped. */
mx_status mx_index_pass_over(mx_index *x, const char *path, mx_error *e);

/* Lists every image below the open folder, sorted (see mx_dataset_open). Sizes and headers stay empty. */
mx_status mx_index_walk(mx_index *x, int root_fd, const char *root, mx_error *e);

/* Fills in size, mtime and header of every file. For unchanged files it takes them from `old` (may be NULL). MX_ERR_IO:
 * the system failed to access a file, also on the second try. */
mx_status mx_index_probe(mx_index *x, const mx_index *old, int root_fd, int threads, mx_error *e);
/* True if the data are unchanged since x was made at time `written`, as far as probe.c compares them. */
bool mx_index_current(const mx_index *x, int64_t written, int root_fd, int threads);

/* Reads a cache. It trusts nothing in it: anything invalid returns false with x empty. root: the folder that the cache
 * must belong to; NULL: any. */
bool mx_index_parse(mx_index *x, int64_t *written, const void *bytes, size_t size, const char *root);
bool mx_index_load(mx_index *x, int64_t *written, const char *path, const char *root);
/* Writes the whole file or nothing; false on failure. */
bool mx_index_save(const mx_index *x, int64_t written, const char *path, const char *root);
/* Writes the length and checksum into the header of a cache image (for saving and for the fuzzer). */
void mx_index_seal(void *bytes, size_t size);

/* Reads the bytes of sample i into *buffer, which grows as needed. *room: its size; the caller frees it at the end. A
 * file whose size differs from the index is an error, since memory was planned for the size in the index. */
mx_status mx_dataset_bytes(const mx_dataset *d, int64_t i, void **buffer, size_t *room, size_t *size,
                           mx_error *e);
/* Decodes the result of mx_dataset_bytes. Most samples are image files; records of CIFAR's files are bare
 * planes. Otherwise as mx_image_decode_part. */
mx_status mx_dataset_decode_part(const mx_dataset *d, int64_t i, int channels, const void *bytes, size_t size,
                                 const mx_part *part, mx_image *im, mx_box *box, mx_error *e);
mx_status mx_dataset_decode(const mx_dataset *d, int64_t i, int channels, const void *bytes, size_t size,
                            mx_image *im, mx_error *e);
/* True if the samples are bare planes, without a file format. */
bool mx_dataset_raw(const mx_dataset *d);
/* order = the permutation of an epoch, a function of d, seed and epoch only (order.c). order must have room
 * for mx_dataset_order_room numbers; the first mx_dataset_count are the result. */
void mx_dataset_order(const mx_dataset *d, uint64_t seed, int64_t epoch, uint32_t *order);
int64_t mx_dataset_order_room(const mx_dataset *d);
/* The same, with images of rare classes more often (mx_loader_config.balance), and its room. */
void mx_dataset_order_balanced(const mx_dataset *d, double balance, uint64_t seed, int64_t epoch,
                               uint32_t *order);
int64_t mx_dataset_balanced_room(const mx_dataset *d);
/* The index, for planning memory. */
const mx_index *mx_dataset_index(const mx_dataset *d);

/* Writes name for one line of a message: control characters as \xNN, the middle of a long name as "...". Returns
 * out. */
#define MX_QUOTE 256
const char *mx_quote(char out[MX_QUOTE], const char *name);

/* Buffers of one worker that turns files into normalised tensors, reused from file to file. Free with
 * mx_scratch_free. */
typedef struct {
    void *bytes;
    size_t room;
    mx_image small; /* the resized crop */
    mx_image spare; /* a second image, for augmentation */
} mx_scratch;

void mx_scratch_free(mx_scratch *s);
/* chw [channels,height,width] from file i. If t->augment, r draws the crop (area, ratio, top, left), the
 * flip, then what RandAugment (or colour jitter) and erasing need. */
mx_status mx_transform_file(const mx_dataset *d, const mx_transform *t, int64_t i, mx_rng r, mx_scratch *s,
                            float *chw, mx_error *e);
/* Fails if a number of t is invalid. */
mx_status mx_transform_check(const mx_transform *t, mx_error *e);
/* Bytes that a worker needs for the most demanding file; *largest receives its index. packed: see mx_loader_config.
 * SIZE_MAX: more than fits a size_t. */
size_t mx_transform_memory(const mx_dataset *d, const mx_transform *t, int packed, int64_t *largest);
/* Returns range or, if it is 0, the type's: 255, 65535 or 1. */
float mx_value_range(const mx_image *im, float range);
/* True if all values of the image are finite. (Integers always are.) */
bool mx_image_finite(const mx_image *im);

#endif
