/* Parts of a data set (training, held out, test) by their usual names. Decides whether a folder with such names in it
 * is a set in parts or a set of classes, one of which is called "train". Private to src/data. */
#ifndef MX_DATA_SPLITS_H
#define MX_DATA_SPLITS_H

#include "data/source.h"

/* The part that a name stands for: train, training; val, valid, validation, dev; test, testing, eval, evaluation; in
 * upper or lower case, also followed by "set", "data" or "images" ("training_set"). */
typedef enum { MX_PART_NONE, MX_PART_TRAIN, MX_PART_VAL, MX_PART_TEST } mx_part_name;
mx_part_name mx_part_of(const char *name, size_t length);
/* Chooses one of names [count] for a split. MX_SPLIT_VAL prefers a val to a test; "train", "val" and "test" are
 * preferred to other spellings. *out -1: there is none. Two equally good names are an error that names them and
 * `folder`. */
mx_status mx_part_choose(int64_t *out, char *const *names, int64_t count, mx_split split, const char *folder,
                         mx_error *e);

/* Finds the split of a folder by s->reading (docs/DATA.md, "Parts or classes"). */
mx_source_finder mx_find_folder;
/* The part that a word in text names, and the position of that word. Words are separated by - _ .
 * ("set-Train-000.tar", "train_labels.csv"). A word for training wins over others. */
mx_part_name mx_part_in(const char *text, size_t *from, size_t *length);
/* The file in `folder` whose name differs from `name` only in the word for the part: val_labels.csv for
 * train_labels.csv. *out NULL: none. The caller frees it. */
mx_status mx_part_beside(char **out, const char *folder, const char *name, mx_split split, mx_error *e);

#endif
