/* Where the samples of a data set come from, private to src/data.
 *
 * A source is found (sources.c tells the kinds apart and names the files of a split), then listed: its lister
 * fills an mx_index with samples, labels and class names. After that all sources are alike: dataset.c serves
 * the index, read.c reads the bytes, order.c shuffles, the loader knows nothing of kinds. Layouts:
 * formats.md (d) and (e), docs/DATA.md. */
#ifndef MX_DATA_SOURCE_H
#define MX_DATA_SOURCE_H

#include "data/index.h"

typedef enum { /* the numbers are in cache files: append only */
               MX_SOURCE_FOLDER,
               MX_SOURCE_INAT,
               MX_SOURCE_PLACES,
               MX_SOURCE_CIFAR,
               MX_SOURCE_LIST,
               MX_SOURCE_TAR,
               MX_SOURCE_KINDS
} mx_source_kind;

/* How a folder is read that may be a set in parts or a set of classes; by the prefix. */
typedef enum {
    MX_READ_TELL,   /* none: as its names and siblings say, or refused */
    MX_READ_FOLDER, /* folder: the same, but where nothing tells all of it is one set */
    MX_READ_PARTS,  /* split: its train, val and test are parts, whatever else there is */
    MX_READ_CLASSES /* classes: it has no parts */
} mx_reading;

#define MX_CIFAR_RECORD 3072 /* bytes: 32x32 planes of red, green, blue */

/* One split of one source. Strings are its own, paths relative to root or absolute. */
typedef struct {
    mx_source_kind kind;
    char *given; /* what the user wrote, for messages */
    char *root;  /* the folder that is opened */
    char **file; /* annotations, list, record files or shards, in order; of a folder that is opened with all
                    its parts: those, the class folders being below them */
    int64_t files, file_room;
    char *images;  /* Places: the folder of the images, with a slash, or "" */
    char *classes; /* file of class names, NULL when there is none */
    mx_reading reading;
    char *image_column, *label_column; /* of a list, as given; NULL: found by their names */
    mx_split rows;                     /* of a list with a column for it: the part whose lines are read */
    char *note;                        /* what the user should know of the choice, or NULL */
} mx_source;

void mx_source_free(mx_source *s);
/* A copy of path is the next of s->file. */
mx_status mx_source_add(mx_source *s, const char *path, mx_error *e);
/* What stands at r->spec ("PATH" or "PREFIX:PATH"). *found false with MX_OK: the source has no such split. */
mx_status mx_source_find(mx_source *s, bool *found, const mx_data_request *r, mx_split split, mx_error *e);
/* Names the split to the cache: kind, real path of root, files (free it); NULL: out of memory. */
char *mx_source_identity(const mx_source *s);

/* What each kind offers.
 * sign: the name of the file by which one sees that the folder holds this kind (free it), NULL: it does not.
 * find: fills s but for given; *found as above. The prefix says that it must be there, so nothing is an
 * error. list: fills x with the split's samples; every file that was read for it is in x->folder. */
typedef char *mx_source_sign(const char *folder);
typedef mx_status mx_source_finder(mx_source *s, bool *found, const char *path, mx_split split, mx_error *e);
typedef mx_status mx_source_lister(mx_index *x, const mx_source *s, int root_fd, mx_error *e);
mx_source_sign mx_sign_inat, mx_sign_places, mx_sign_cifar, mx_sign_tar;
mx_source_finder mx_find_inat, mx_find_places, mx_find_cifar, mx_find_list, mx_find_tar;
mx_source_lister mx_list_folder, mx_list_inat, mx_list_places, mx_list_cifar, mx_list_list, mx_list_tar;

/* The readers of files, which trust nothing; also for the fuzzers. bytes end with a 0 and may be changed. */
typedef struct {
    int root_fd;                             /* where the images lie, -1: unknown */
    const char *image_column, *label_column; /* as in mx_data_request */
    mx_split rows;                           /* which part's, where a column tells */
} mx_list_how;
/* Classes that x has already are those of classes.txt. */
mx_status mx_list_parse(mx_index *x, char *bytes, size_t size, const mx_list_how *how, mx_error *e);
mx_status mx_inat_parse(mx_index *x, const char *bytes, size_t size, mx_error *e);
mx_status mx_places_parse(mx_index *x, const char *images, char *bytes, size_t size, mx_error *e);
/* What all shards of a data set hold together, and the first of what is not used. */
typedef struct {
    int64_t most; /* the largest label, -1 at first */
    int64_t labelled, unlabelled;
    int64_t without, further, apart; /* samples without an image; pictures beside it; labels without one */
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
    int64_t *run; /* [runs + 1]: where the samples of each shard begin; NULL but for tar sources */
    int64_t runs;
    _Atomic int *holder_fd; /* [index.folders] of the files that hold samples, -1 until read; NULL: too many
                               to keep open */
    bool turn;              /* as EXIF data say */
};

/* Makes fingerprint and runs fit the index: after opening and after every change. */
mx_status mx_dataset_settle(mx_dataset *d, mx_error *e);

#endif
