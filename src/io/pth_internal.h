/* The parsed form of a .pth, shared by its containers (pth.c, pth_legacy.c), the walk through the pickle
 * (pth_walk.c) and the reading of elements (pth_read.c). Private to src/io. */
#ifndef MX_IO_PTH_INTERNAL_H
#define MX_IO_PTH_INTERNAL_H

#include <zip.h>

#include "io/pickle.h"
#include "io/pth.h"

/* A storage of the legacy container: raw elements in the file. */
typedef struct {
    const mx_pk_node *key;
    size_t at, bytes;
} mx_pth_record;

struct mx_pth {
    const unsigned char *bytes;
    size_t size;
    bool mapped;
    mx_pk *pk;
    /* zip */
    zip_t *zip;
    char *root;   /* "archive" */
    void *pickle; /* pk was parsed from this */
    bool big_endian;
    /* legacy */
    mx_pth_record *record; /* sorted by key */
    int records;
    /* found by the walk */
    mx_pth_tensor *tensor;
    int count, capacity;
    int *by_name; /* [count] */
    mx_pth_fact *fact, *object;
    int facts, objects;
    /* the last storage read from a zip */
    int64_t cached;
    unsigned char *cache;
    size_t cache_bytes;
};

/* A torch storage class or dtype. */
typedef struct {
    const char *dtype, *storage; /* "F32", "FloatStorage" */
    const char *name, *alias;    /* "float32", "float" of torch.float32 */
    int width;
} mx_pth_type;
const mx_pth_type *mx_pth_storage_type(const mx_pk_node *global); /* NULL: unknown */
const mx_pth_type *mx_pth_dtype(const mx_pk_node *global);

/* The claims of a persistent id: ('storage', class, key, location, count[, view]). */
typedef struct {
    const mx_pth_type *type;
    const mx_pk_node *key;
    int64_t count;           /* elements of the whole storage */
    int64_t first, elements; /* of the view; without a view 0 and count */
} mx_pth_storage;
/* where: the tensor's name for messages, or NULL. */
mx_status mx_pth_storage_read(mx_pth_storage *s, const mx_pk_node *persistent, const char *where,
                              mx_error *e);
/* Finds its record in the container and checks the record's size. */
mx_status mx_pth_storage_find(const mx_pth *p, const mx_pth_storage *s, const char *where, int64_t *record,
                              mx_error *e);

mx_status mx_pth_zip_open(mx_pth *p, mx_error *e);
mx_status mx_pth_zip_find(const mx_pth *p, const mx_pk_node *key, int64_t *record, size_t *bytes,
                          mx_error *e);
/* Reads a whole entry, followed by a 0, and compares its checksum. The caller frees it. */
mx_status mx_pth_zip_read(const mx_pth *p, int64_t record, size_t limit, void **out, size_t *size,
                          mx_error *e);
mx_status mx_pth_legacy_open(mx_pth *p, mx_error *e);
mx_status mx_pth_legacy_find(const mx_pth *p, const mx_pk_node *key, int64_t *record, size_t *bytes,
                             mx_error *e);
/* Fills tensors, facts and objects from the pickle. */
mx_status mx_pth_walk(mx_pth *p, mx_error *e);

#endif
