/* Counts files of a data set's folder that are not images, see passed.h, so that no file is skipped silently. Kinds are
 * detected by content, so a HEIC called .jpg is reported as HEIC. Magic numbers are from the formats'
 * specifications. */
#include "data/passed.h"

#include "base/again.h"
#include "data/image_internal.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    const char *name;
    int at, n;
    const char *bytes;
} magic;

static const char *first_match(const magic *m, const unsigned char *head, size_t n) {
    for (; m->name; m++)
        if ((size_t)(m->at + m->n) <= n && !memcmp(head + m->at, m->bytes, (size_t)m->n)) return m->name;
    return NULL;
}

static const magic foreign[] = {
    {"AVIF", 4, 8, "ftypavif"},
    {"AVIF", 4, 8, "ftypavis"},
    {"HEIC", 4, 7, "ftyphei"},
    {"HEIC", 4, 7, "ftyphev"},
    {"HEIF", 4, 8, "ftypmif1"},
    {"HEIF", 4, 8, "ftypmsf1"},
    {"camera raw", 4, 7, "ftypcrx"},
    {"JPEG 2000", 0, 8, "\0\0\0\fjP  "},
    {"JPEG 2000", 0, 4, "\xff\x4f\xff\x51"},
    {"JPEG XL", 0, 8, "\0\0\0\fJXL "},
    {"JPEG XL", 0, 2, "\xff\n"},
    {"JPEG XR", 0, 4, "II\xbc\1"},
    {"PSD", 0, 4, "8BPS"},
    {"camera raw", 0, 15, "FUJIFILMCCD-RAW"},
    {"camera raw", 0, 4, "IIRO"},
    {"camera raw", 0, 4, "IIRS"},
    {"camera raw", 0, 4, "MMOR"},
    {"camera raw", 0, 4, "IIU\0"},
    {"camera raw", 0, 4, "FOVb"},
    {"camera raw", 8, 2, "CR"}, /* after a TIFF header, checked below */
    {"OpenEXR", 0, 4, "\x76\x2f\x31\x01"},
    {"Radiance HDR", 0, 10, "#?RADIANCE"},
    {"Radiance HDR", 0, 6, "#?RGBE"},
    {"DDS", 0, 4, "DDS "},
    {"ICO", 0, 4, "\0\0\1\0"},
    {"CUR", 0, 4, "\0\0\2\0"},
    {"ICNS", 0, 4, "icns"},
    {"QOI", 0, 4, "qoif"},
    {"PAM", 0, 3, "P7\n"},
    {"SGI", 0, 3, "\x01\xda\x00"},
    {"SGI", 0, 3, "\x01\xda\x01"},
    {"Sun raster", 0, 4, "\x59\xa6\x6a\x95"},
    {"PCX", 0, 3, "\n\5\1"},
    {"XCF", 0, 9, "gimp xcf "},
    {"DICOM", 128, 4, "DICM"},
    {"FITS", 0, 9, "SIMPLE  ="},
    {"DjVu", 0, 8, "AT&TFORM"},
    {"BPG", 0, 4, "BPG\xfb"},
    {"FLIF", 0, 4, "FLIF"},
    {NULL, 0, 0, NULL},
};

const char *mx_foreign_format(const unsigned char *head, size_t n) {
    for (const magic *m = foreign; m->bytes; m++) {
        bool raw = m->at == 8 && m->n == 2; /* "CR" counts only after a TIFF header */
        if (raw && (n < 4 || memcmp(head, "II*\0", 4))) continue;
        if ((size_t)(m->at + m->n) <= n && !memcmp(head + m->at, m->bytes, (size_t)m->n)) return m->name;
    }
    return NULL;
}

/* Kinds of binary files that are not pictures. */
static const char *other_content(const unsigned char *head, size_t n) {
    static const magic kinds[] = {{"PDF", 0, 5, "%PDF-"},
                                  {"PostScript", 0, 4, "%!PS"},
                                  {"video", 4, 4, "ftyp"},
                                  {"video", 8, 4, "AVI "},
                                  {"video", 0, 4, "\x1a\x45\xdf\xa3"},
                                  {"video", 0, 4, "\0\0\1\xba"},
                                  {"HDF5", 0, 8, "\x89HDF\r\n\x1a\n"},
                                  {"ZIP archive", 0, 4, "PK\3\4"},
                                  {"gzip archive", 0, 2, "\x1f\x8b"},
                                  {"SVG", 0, 4, "<svg"},
                                  {NULL, 0, 0, NULL}};
    return first_match(kinds, head, n);
}

static const char *ending(const char *name) {
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strrchr(base, '.');
    return dot && dot > base && dot[1] ? dot + 1 : "";
}

static bool is_in(const char *ext, const char *const *list) {
    for (; *list; list++)
        if (!strcasecmp(ext, *list)) return true;
    return false;
}

bool mx_is_side_file(const char *name) {
    static const char *const side[] = {"txt",  "json", "jsonl", "xml", "csv",  "tsv", "lst", "md",
                                       "html", "htm",  "yaml",  "yml", "toml", "log", "ini", "cfg",
                                       "py",   "sh",   "db",    "cls", "rst",  "tex", "url", NULL};
    static const char *const whole[] = {"readme",    "license", "licence", "copying",
                                        "checksums", "md5sums", NULL};
    const char *slash = strrchr(name, '/');
    return is_in(ending(name), side) || is_in(slash ? slash + 1 : name, whole);
}

/* Camera raw files. Most look like TIFF, and start with a small picture. */
static bool is_raw_name(const char *name) {
    static const char *const raw[] = {"dng", "nef", "nrw", "arw", "srf", "sr2", "cr2", "cr3", "crw",
                                      "orf", "rw2", "raf", "pef", "srw", "3fr", "fff", "iiq", "erf",
                                      "kdc", "dcr", "mrw", "mos", "x3f", "raw", NULL};
    return is_in(ending(name), raw);
}

/* Formats by the name's ending, for files whose content does not show the format, or that are damaged. */
static const char *by_ending(const char *ext) {
    static const char *const known[][2] = {{"heic", "HEIC"},     {"heif", "HEIF"},     {"avif", "AVIF"},
                                           {"jp2", "JPEG 2000"}, {"j2k", "JPEG 2000"}, {"jpx", "JPEG 2000"},
                                           {"jxl", "JPEG XL"},   {"psd", "PSD"},       {"psb", "PSD"},
                                           {"tga", "TGA"},       {"svg", "SVG"},       {"exr", "OpenEXR"},
                                           {"dcm", "DICOM"},     {"nii", "NIfTI"},     {"eps", "PostScript"},
                                           {"ico", "ICO"},       {"xbm", "XBM"},       {"xpm", "XPM"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcasecmp(ext, known[i][0])) return known[i][1];
    return NULL;
}

void mx_file_kind(char kind[MX_PASSED_NAME], const unsigned char *head, size_t n, const char *name) {
    const char *ext = ending(name), *known = is_raw_name(name) ? "camera raw" : mx_foreign_format(head, n);
    if (!known) known = other_content(head, n);
    if (!known) known = by_ending(ext);
    size_t length = strlen(ext), at = 1;
    if (known)
        snprintf(kind, MX_PASSED_NAME, "%s", known);
    else if (!length || length > 8)
        snprintf(kind, MX_PASSED_NAME, "%s", n ? "unknown" : "empty");
    else {
        kind[0] = '.';
        for (; *ext; ext++)
            kind[at++] = isprint((unsigned char)*ext) ? (char)tolower((unsigned char)*ext) : '?';
        kind[at] = 0;
    }
}

void mx_passed_last(const mx_passed *p, char kind[MX_PASSED_NAME]) { memcpy(kind, p->last, sizeof p->last); }

void mx_passed_count(mx_passed *p, const char *kind, const char *path) {
    int i = 0;
    p->files++;
    snprintf(p->last, sizeof p->last, "%s", kind);
    while (i < p->kinds && strcmp(p->of[i].kind, kind)) i++;
    if (i == MX_PASSED_KINDS) return;
    if (i == p->kinds) {
        p->kinds++;
        snprintf(p->of[i].kind, sizeof p->of[i].kind, "%s", kind);
        mx_quote(p->of[i].first, path);
    }
    p->of[i].count++;
}

/* Reads the first bytes of a regular file and returns their number; 0: not a regular file, or unreadable. */
static size_t read_head(unsigned char head[MX_PASSED_HEAD], int dir_fd, const char *name) {
    struct stat st;
    ssize_t n = 0;
    int fd = mx_is_side_file(name) ? -1 : mx_open_read(dir_fd, name, O_NONBLOCK);
    if (fd >= 0 && !mx_stat_fd(fd, &st) && S_ISREG(st.st_mode)) n = mx_read_at(fd, head, MX_PASSED_HEAD, 0);
    if (fd >= 0) close(fd);
    return n > 0 ? (size_t)n : 0;
}

static bool is_image(const unsigned char *head, size_t n, const char *name) {
    return n && !is_raw_name(name) && !mx_foreign_format(head, n) && mx_format_told(head, n);
}

bool mx_file_is_image(int dir_fd, const char *name) {
    unsigned char head[MX_PASSED_HEAD];
    return mx_image_name_known(name) || is_image(head, read_head(head, dir_fd, name), name);
}

bool mx_passed_is_image(mx_passed *p, int dir_fd, const char *name, const char *path) {
    unsigned char head[MX_PASSED_HEAD];
    char kind[MX_PASSED_NAME];
    const size_t n = read_head(head, dir_fd, name);
    if (is_image(head, n, name)) return true;
    mx_file_kind(kind, head, n, name);
    mx_passed_count(p, kind, path);
    return false;
}

void mx_passed_folder(mx_passed *p, const char *name, int64_t images, int64_t others, const char *kind) {
    char *first = others ? p->lost : p->empty;
    if (images || (others && !kind)) return;
    if (others && !p->lost_folders++) snprintf(p->lost_kind, sizeof p->lost_kind, "%s", kind);
    if (!others) p->empty_folders++;
    if (!*first) mx_quote(first, name);
}

mx_status mx_passed_member(mx_index *x, const char *shard, const char *name, mx_error *e) {
    char kind[MX_PASSED_NAME], *path = NULL;
    if (mx_is_side_file(name)) return MX_OK;
    if (!x->passed && !(x->passed = calloc(1, sizeof *x->passed)))
        return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    if (asprintf(&path, "%s/%s", shard, name) < 0) return mx_fail(e, MX_ERR_MEMORY, "out of memory");
    mx_file_kind(kind, (const unsigned char *)"", 0, name);
    mx_passed_count(x->passed, kind, path);
    free(path);
    return MX_OK;
}

mx_status mx_passed_note(const mx_passed *p, mx_index *x, mx_error *e) {
    if (!p) return MX_OK;
    char text[MX_PASSED_KINDS * (MX_QUOTE + 64) + 2 * MX_QUOTE] = "";
    size_t at = 0, room = sizeof text;
    int64_t named = 0;
    if (p->files)
        at +=
            (size_t)snprintf(text, room, "%" PRId64 " file%s not read: ", p->files, p->files > 1 ? "s" : "");
    for (int i = 0; i < p->kinds; i++) {
        at += (size_t)snprintf(text + at, room - at, "%s%" PRId64 " %s (%s%s)", i ? ", " : "", p->of[i].count,
                               p->of[i].kind, p->of[i].count > 1 ? "first " : "", p->of[i].first);
        named += p->of[i].count;
    }
    if (named < p->files)
        at += (size_t)snprintf(text + at, room - at, ", %" PRId64 " of other kinds", p->files - named);
    if (p->empty_folders)
        snprintf(text + at, room - at, "%s%" PRId64 " empty class folder%s (%s%s)", at ? ", " : "",
                 p->empty_folders, p->empty_folders > 1 ? "s" : "", p->empty_folders > 1 ? "first " : "",
                 p->empty);
    if (*text && mx_index_add_text(x, text, &x->unread, e)) return e->status;
    if (!p->lost_folders) return MX_OK;
    snprintf(text, room,
             "nothing of the class folder %s can be read (its files are %s)%s: expected JPEG, PNG, WebP, "
             "TIFF, GIF, "
             "BMP, PNM or .npy files; convert them, or move the folder out of the data",
             p->lost, p->lost_kind, p->lost_folders > 1 ? ", and so with others" : "");
    return mx_index_add_text(x, text, &x->lost, e);
}
