/* Where the samples of a data set come from. Private to src/data.
 *
 * First a source is found: sources.c detects its kind and the files of a split. Then it is listed: its lister fills an
 * mx_index with samples, labels and class names. From there on all kinds are alike: dataset.c serves the index, read.c
 * reads the bytes, order.c shuffles. docs/DATA.md describes the layouts. */
#ifndef MX_DATA_SOURCE_H
#define MX_DATA_SOURCE_H

#include "data/index.h"

typedef enum { /* cache files contain these numbers: append only */
               MX_SOURCE_FOLDER,
               MX_SOURCE_INAT,
               MX_SOURCE_PLACES,
               MX_SOURCE_CIFAR,
               MX_SOURCE_LIST,
               MX_SOURCE_TAR,
               MX_SOURCE_KINDS
} mx_source_kind;

/* How to read a folder that may be a set in parts or a set of classes, by the prefix of spec. */
typedef enum {
    MX_READ_TELL,   /* no prefix: by the names in it; an error if they do not decide */
    MX_READ_FOLDER, /* "folder:": the same, but one undivided set if they do not decide */
    MX_READ_PARTS,  /* "split:": its train, val and test are parts, whatever else it contains */
    MX_READ_CLASSES /* "classes:": it has no parts */
} mx_reading;

#define MX_CIFAR_RECORD 3072 /* bytes: 32x32 planes of red, green, blue */

/* One split of one source. Owns its strings. Paths are relative to root or absolute. */
typedef struct {
    mx_source_kind kind;
    char *given; /* what the user wrote, for messages */
    char *root;  /* the folder that is opened */
    /* Annotations, list, record files or shards, in order. For a folder opened with all its parts: the parts, which
     * contain the class folders. */
    char **file;
    int64_t files, file_room;
    char *images;  /* Places: the folder of the images, with a slash, or "" */
    char *classes; /* file of class names, or NULL */
    mx_reading reading;
    char *image_column, *label_column; /* of a list, as given; NULL: found by name */
    mx_split rows;                     /* for a list with a column of parts: the part to read */
    char *note;                        /* what the user should know about the choice, or NULL */
} mx_source;

void mx_source_free(mx_source *s);
/* Appends a copy of path to s->file. */
mx_status mx_source_add(mx_source *s, const char *path, mx_error *e);
/* Finds the source at r->spec ("PATH" or "PREFIX:PATH"). *found is false with MX_OK if it has no such split. */
mx_status mx_source_find(mx_source *s, bool *found, const mx_data_request *r, mx_split split, mx_error *e);
/* Identifies the split for the cache: kind, real path of root, files (free it); NULL: out of memory. */
char *mx_source_identity(const mx_source *s);

/* The functions of each kind. sign: returns the name of a file that shows that the folder contains this kind (free it),
 * or NULL. find: fills s except given; *found as above. list: fills x with the split's samples, and adds every file
 * that it read to x->folder. */
typedef char *mx_source_sign(const char *folder);
typedef mx_status mx_source_finder(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e);
typedef mx_status mx_source_lister(mx_index *x, const mx_source *s, int root_fd, mx_error *e);
mx_source_sign mx_sign_inat, mx_sign_places, mx_sign_cifar, mx_sign_tar;
mx_source_finder mx_find_inat, mx_find_places, mx_find_cifar, mx_find_list, mx_find_tar;
mx_source_lister mx_list_folder, mx_list_inat, mx_list_places, mx_list_cifar, mx_list_list, mx_list_tar;

/* Parsers, also called by the fuzzers. They trust nothing. bytes must end with a 0 and may be changed. */
typedef struct {
    int root_fd;                             /* folder of the images, -1: unknown */
    const char *image_column, *label_column; /* as in mx_data_request */
    mx_split rows;                           /* the part to read, if there is a column of parts */
} mx_list_how;
/* If x already has classes, they are those of classes.txt. */
mx_status mx_list_parse(mx_index *x, char *bytes, size_t size, const mx_list_how *how, mx_error *e);
mx_status mx_inat_parse(mx_index *x, const char *bytes, size_t size, mx_error *e);
mx_status mx_places_parse(mx_index *x, const char *images, char *bytes, size_t size, mx_error *e);
/* Counts over all shards of a data set, and the first example of each kind of member that is not used. */
typedef struct {
    int64_t most; /* the largest label; starts at -1 */
    int64_t labelled, unlabelled;
    /* Samples without an image, additional pictures of a sample, labels without an image. */
    int64_t without, further, apart;
    char first_without[MX_QUOTE], first_further[MX_QUOTE], first_apart[MX_QUOTE];
} mx_tar_counts;
/* One shard of `size` bytes, the last of x->folder. */
mx_status mx_tar_shard(mx_index *x, int fd, const char *shard, int64_t size, mx_tar_counts *counts,
                       mx_error *e);

struct mx_dataset {
    mx_index index;
    mx_source source;
    int root_fd;
    uint64_t fingerprint;
    int64_t *run; /* [runs + 1]: first sample of each shard; NULL except for tar sources */
    int64_t runs;
    /* [index.folders] descriptors of the files that hold samples, -1 until opened; NULL: too many to keep open. */
    _Atomic int *holder_fd;
    bool turn; /* apply EXIF orientation */
};

/* Updates fingerprint and runs. Call it after every change of the index. */
mx_status mx_dataset_settle(mx_dataset *d, mx_error *e);

#endif
