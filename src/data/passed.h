/* Files of a data set that are not read, for one line that says so. Private to src/data. */
#ifndef MX_DATA_PASSED_H
#define MX_DATA_PASSED_H

#include "data/index.h"

#define MX_PASSED_KINDS 12 /* told apart; the rest is counted together */
#define MX_PASSED_NAME  24
#define MX_PASSED_HEAD  160 /* bytes of a file that tell its kind */

typedef struct mx_passed {
    struct {
        char kind[MX_PASSED_NAME];
        char first[MX_QUOTE]; /* the first file's path */
        int64_t count;
    } of[MX_PASSED_KINDS];
    int kinds;
    char last[MX_PASSED_NAME]; /* the kind counted last */
    int64_t files;             /* in all */
    /* class folders of which nothing is read: the first, what its first file is; and the empty ones */
    char lost[MX_QUOTE], lost_kind[MX_PASSED_NAME], empty[MX_QUOTE];
    int64_t lost_folders, empty_folders;
} mx_passed;

/* What a file that is no image for us is: "HEIC", "camera raw", ".txt"; by its first bytes, else by its name.
 */
void mx_file_kind(char kind[MX_PASSED_NAME], const unsigned char *head, size_t n, const char *name);
/* The name of a picture format by its first bytes that is known, but not read; NULL: none. */
const char *mx_foreign_format(const unsigned char *head, size_t n);
/* Does the name's ending say that the file goes beside images (.txt, .json, .xml, ...)? */
bool mx_is_side_file(const char *name);

/* By its name or else by its content. */
bool mx_file_is_image(int dir_fd, const char *name);
/* Looks at a file whose name is none of an image: is it one all the same? If not it is counted. */
bool mx_passed_is_image(mx_passed *p, int dir_fd, const char *name, const char *path);
/* The kind of the file that was counted last. */
void mx_passed_last(const mx_passed *p, char kind[MX_PASSED_NAME]);
void mx_passed_count(mx_passed *p, const char *kind, const char *path);
/* A class folder has been walked: images and other files that lay in it. */
void mx_passed_folder(mx_passed *p, const char *name, int64_t images, int64_t others, const char *kind);
/* Counts a member of a shard whose name is none of an image, unless it goes beside images. */
mx_status mx_passed_member(mx_index *x, const char *shard, const char *name, mx_error *e);
/* Puts the line into x->unread, and a sentence about lost classes into x->lost; none where there is nothing
 * to say, or p is NULL. */
mx_status mx_passed_note(const mx_passed *p, mx_index *x, mx_error *e);

#endif
