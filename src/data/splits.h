/* Parts of a data set (training, held out, test) by the names that people give them, and what a folder with
 * such names in it is: a set in parts, or classes of which one happens to be called "train". Private to
 * src/data. */
#ifndef MX_DATA_SPLITS_H
#define MX_DATA_SPLITS_H

#include "data/source.h"

/* train, training; val, valid, validation, dev; test, testing, eval, evaluation; in any case, and with "set",
 * "data" or "images" behind ("training_set"). */
typedef enum { MX_PART_NONE, MX_PART_TRAIN, MX_PART_VAL, MX_PART_TEST } mx_part_name;
mx_part_name mx_part_of(const char *name, size_t length);
/* Of several names of one split (names [count]) the one to use: for MX_SPLIT_VAL a val before a test, and
 * "train", "val", "test" themselves before other spellings. *out -1: there is none. Two that are equally
 * good: an error that names them and `folder`. */
mx_status mx_part_choose(int64_t *out, char *const *names, int64_t count, mx_split split, const char *folder,
                         mx_error *e);

/* A folder, read as s->reading says; docs/DATA.md, "Parts or classes". Fills s as a finder does. */
mx_source_finder mx_find_folder;
/* In text that stands between - _ . and the ends ("set-Train-000.tar", "train_labels.csv"): the part that a
 * word names, and where that word is. Training goes before the others. */
mx_part_name mx_part_in(const char *text, size_t *from, size_t *length);
/* The file beside `name` in `folder` that differs from it only in the word for the part: val_labels.csv for
 * train_labels.csv. *out NULL: none. The caller frees it. */
mx_status mx_part_beside(char **out, const char *folder, const char *name, mx_split split, mx_error *e);

#endif
