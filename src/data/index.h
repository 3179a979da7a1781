/* The index of a data set, private to src/data: which samples there are, where their bytes lie, what their
 * headers and labels say.
 *
 * One string block and flat arrays, 48 bytes a sample besides its path, so that ten million fit in about a
 * gigabyte. A source (source.h) lists the samples, probe.c fills in sizes and headers, index.c keeps it all
 * in a cache file, dataset.c serves it. */
#ifndef MX_DATA_INDEX_H
#define MX_DATA_INDEX_H

#include "data/dataset.h"

/* The cache file holds these two structs as they are, little-endian; change its magic when they change. */
typedef struct {
    uint64_t name; /* where the path begins in names; relative to root, ends with 0 */
    int64_t size;  /* bytes; 0 with mtime 0: not there, or not a plain file */
    union {
        int64_t mtime;  /* of a file of its own: ns since 1970 */
        int64_t offset; /* inside its holder */
    };
    uint32_t width, height; /* 0: the header could not be read */
    uint16_t channels;
    uint16_t depth;  /* bytes a sample after decoding */
    uint32_t holder; /* 0: a file of its own; else its bytes lie in the file folder[holder - 1] */
    int32_t label;   /* -1: none */
    uint16_t format; /* mx_format_number; 0: none, or a cache of an older version */
    uint16_t zero;
} mx_entry;

/* What must be as it was for the list to hold: a folder that was listed, or a file that was read for the
 * list or holds samples. */
typedef struct {
    uint64_t name; /* "" is root itself */
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
    int64_t others;           /* files met that are no images, for the message */
    int64_t own;              /* met while listing: what this program wrote (own_files.c) and is no data */
    uint64_t own_name;        /* of the first, in names */
    struct mx_passed *passed; /* while listing: what was passed over (passed.h); its own */
    uint64_t unread,
        lost;   /* in names: what was passed over, class folders of which nothing is read; 0: nothing */
    int kind;   /* mx_source_kind (source.h) */
    char *note; /* how the listing was understood, one sentence a line; not in the cache */
} mx_index;

#define MX_INDEX_MAX      INT32_MAX          /* files: a permutation holds 4 bytes each */
#define MX_INDEX_FILE_MAX ((int64_t)5 << 30) /* bytes of an image file that is read at all */
#define MX_CLASSES_MAX    (1 << 20)

void mx_index_free(mx_index *x); /* leaves it empty */
mx_status mx_index_add_file(mx_index *x, const char *path, mx_error *e);
mx_status mx_index_add_folder(mx_index *x, const char *path, int64_t mtime, mx_error *e);
/* Looks at a file (path as openat(root_fd) takes it) and adds it to the watched ones, which may hold samples:
 * holder is then x->folders. *size may be NULL. */
mx_status mx_index_add_holder(mx_index *x, int root_fd, const char *path, int64_t *size, mx_error *e);
/* One sentence more in x->note. */
mx_status mx_index_note(mx_index *x, mx_error *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
mx_status mx_index_add_class(mx_index *x, const char *name, size_t length, mx_error *e);
/* Classes whose names look alike, being one in two Unicode forms, become one (labels.c). */
mx_status mx_index_join_classes(mx_index *x, mx_error *e);
/* A text for x->unread or x->lost, kept beside the names. */
mx_status mx_index_add_text(mx_index *x, const char *text, uint64_t *at, mx_error *e);
/* The entry of path, NULL when there is none. Files must be sorted (those of folder sources are). */
const mx_entry *mx_index_find(const mx_index *x, const char *path);

/* The first bytes of a run's options.ini. */
#define MX_RUN_MARK "; mixmae "
/* Does the folder (path as openat(root_fd) takes it, "" is root itself) hold a run of this program? */
bool mx_is_run_folder(int root_fd, const char *folder);
/* Is this .npy in the open folder what embed wrote, with its names in NAME.npy.txt? */
bool mx_is_features(int folder_fd, const char *name);
/* Notes that something of this program's own was passed over. */
mx_status mx_index_pass_over(mx_index *x, const char *path, mx_error *e);

/* Lists every image below the open folder (see mx_dataset_open), sorted; sizes and headers are not filled in.
 */
mx_status mx_index_walk(mx_index *x, int root_fd, const char *root, mx_error *e);

/* Size, mtime and header of every file; what `old` (may be NULL) holds of an unchanged file is taken from
 * there. MX_ERR_IO: the system would not let a file be looked at, also when tried again. */
mx_status mx_index_probe(mx_index *x, const mx_index *old, int root_fd, int threads, mx_error *e);
/* Is the folder as it was when x was made at time `written`? See probe.c for what is looked at. */
bool mx_index_current(const mx_index *x, int64_t written, int root_fd, int threads);

/* The cache. Reading trusts nothing: false on any doubt, x is then empty. `root`: the folder the cache must
 * be of; NULL: of any. */
bool mx_index_parse(mx_index *x, int64_t *written, const void *bytes, size_t size, const char *root);
bool mx_index_load(mx_index *x, int64_t *written, const char *path, const char *root);
/* Written whole or not at all; false when it could not be. */
bool mx_index_save(const mx_index *x, int64_t written, const char *path, const char *root);
/* Puts the length and checksum that fit into the header of a cache image (saving, and the fuzzer). */
void mx_index_seal(void *bytes, size_t size);

/* The bytes of sample i into *buffer (grown as needed, *room bytes long, the caller frees it at the end). A
 * file whose size is not the one of the index is an error: memory was planned for that one. */
mx_status mx_dataset_bytes(const mx_dataset *d, int64_t i, void **buffer, size_t *room, size_t *size,
                           mx_error *e);
/* What mx_dataset_bytes gave, decoded: most are image files; the records of CIFAR's files are bare planes. As
 * mx_image_decode in all else. */
mx_status mx_dataset_decode_part(const mx_dataset *d, int64_t i, int channels, const void *bytes, size_t size,
                                 const mx_part *part, mx_image *im, mx_box *box, mx_error *e);
mx_status mx_dataset_decode(const mx_dataset *d, int64_t i, int channels, const void *bytes, size_t size,
                            mx_image *im, mx_error *e);
/* Are the samples bare planes, without a file format? */
bool mx_dataset_raw(const mx_dataset *d);
/* order = the permutation of an epoch, a function of d, seed and epoch only (order.c). order has room for
 * mx_dataset_order_room numbers, of which the first mx_dataset_count are the result. */
void mx_dataset_order(const mx_dataset *d, uint64_t seed, int64_t epoch, uint32_t *order);
int64_t mx_dataset_order_room(const mx_dataset *d);
/* The same with images of rare classes more often (mx_loader_config.balance); its room. */
void mx_dataset_order_balanced(const mx_dataset *d, double balance, uint64_t seed, int64_t epoch,
                               uint32_t *order);
int64_t mx_dataset_balanced_room(const mx_dataset *d);
/* The index, for planning memory. */
const mx_index *mx_dataset_index(const mx_dataset *d);

/* name with control characters as \xNN and an over-long middle left out, for one line of a message. Returns
 * out. */
#define MX_QUOTE 256
const char *mx_quote(char out[MX_QUOTE], const char *name);

/* One file to one normalised tensor. Buffers of one worker, reused from file to file; free with
 * mx_scratch_free. */
typedef struct {
    void *bytes;
    size_t room;
    mx_image small; /* the resized crop */
    mx_image spare; /* beside it, for augmentation */
} mx_scratch;

void mx_scratch_free(mx_scratch *s);
/* chw [channels,height,width] from file i; draws crop (area, ratio, top, left), flip, then what RandAugment
 * (or colour jitter) and erasing take, from r when t->augment. */
mx_status mx_transform_file(const mx_dataset *d, const mx_transform *t, int64_t i, mx_rng r, mx_scratch *s,
                            float *chw, mx_error *e);
/* Are all the numbers of t usable? */
mx_status mx_transform_check(const mx_transform *t, mx_error *e);
/* Bytes of a worker for the most demanding file. SIZE_MAX when that does not fit a size. */
size_t mx_transform_memory(const mx_dataset *d, const mx_transform *t);
/* 255, 65535 or 1 by type unless range is given. */
float mx_value_range(const mx_image *im, float range);
/* Does a float image hold only finite numbers? (Integer ones do.) */
bool mx_image_finite(const mx_image *im);

#endif
