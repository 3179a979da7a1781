/* Counts files of a data set that are not read, and reports them in one line. Private to src/data. */
#ifndef MX_DATA_PASSED_H
#define MX_DATA_PASSED_H

#include "data/index.h"

#define MX_PASSED_KINDS 12 /* kinds counted separately; others are counted together */
#define MX_PASSED_NAME  24
#define MX_PASSED_HEAD  160 /* first bytes of a file that show its kind */

typedef struct mx_passed {
    struct {
        char kind[MX_PASSED_NAME];
        char first[MX_QUOTE]; /* the first file's path */
        int64_t count;
    } of[MX_PASSED_KINDS];
    int kinds;
    char last[MX_PASSED_NAME]; /* the kind counted last */
    int64_t files;             /* all files */
    /* Class folders without a readable file: the first of them and the kind of its first file; the first empty one. */
    char lost[MX_QUOTE], lost_kind[MX_PASSED_NAME], empty[MX_QUOTE];
    int64_t lost_folders, empty_folders;
} mx_passed;

/* The kind of a file that this program cannot read as an image: "HEIC", "camera raw", ".txt". By its first bytes, else
 * by its name. */
void mx_file_kind(char kind[MX_PASSED_NAME], const unsigned char *head, size_t n, const char *name);
/* The name of a known but unsupported picture format, by a file's first bytes; NULL: none. */
const char *mx_foreign_format(const unsigned char *head, size_t n);
/* True if the name ends like those of files that accompany images (.txt, .json, .xml, ...). */
bool mx_is_side_file(const char *name);

/* True by the file's name, or else by its content. */
bool mx_file_is_image(int dir_fd, const char *name);
/* Checks the content of a file whose name is not an image's. True: an image; else the file is counted. */
bool mx_passed_is_image(mx_passed *p, int dir_fd, const char *name, const char *path);
/* The kind of the file that was counted last. */
void mx_passed_last(const mx_passed *p, char kind[MX_PASSED_NAME]);
void mx_passed_count(mx_passed *p, const char *kind, const char *path);
/* Ends a class folder, with the numbers of images and other files in it. */
void mx_passed_folder(mx_passed *p, const char *name, int64_t images, int64_t others, const char *kind);
/* Counts a member of a shard whose name is not an image's, unless it accompanies images. */
mx_status mx_passed_member(mx_index *x, const char *shard, const char *name, mx_error *e);
/* Puts the line into x->unread and a sentence about lost classes into x->lost. Does nothing if there is
 * nothing to report or p is NULL. */
mx_status mx_passed_note(const mx_passed *p, mx_index *x, mx_error *e);

#endif
