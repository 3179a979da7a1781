/* GIF by giflib: the first frame, on a canvas of the file's size, as Pillow shows it. Outside the frame the canvas has
 * the transparent index, or 0. An index that the palette lacks is a grey value; so are all without a palette. It reads
 * line by line, so giflib holds no whole picture. Sources: the GIF89a specification and, where that is silent, Pillow's
 * GifImagePlugin. */
#include "data/image_internal.h"

#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

#define MX_GIF_MAX_RATIO 2800 /* pixels per byte: LZW's longest code, 12 bits, can mean 4096 */
#define MX_GIF_CONTROL   0xf9

typedef struct {
    const unsigned char *next;
    size_t left, size;
} source;

static int read_bytes(GifFileType *g, GifByteType *out, int n) {
    source *s = g->UserData;
    size_t take = n < 0 ? 0 : (size_t)n < s->left ? (size_t)n : s->left;
    memcpy(out, s->next, take);
    s->next += take, s->left -= take;
    return (int)take;
}

static mx_status failed(const GifFileType *g, mx_error *e) {
    const char *text = GifErrorString(g->Error);
    if (g->Error == D_GIF_ERR_NOT_ENOUGH_MEM) return mx_fail(e, MX_ERR_MEMORY, "out of memory: %s", text);
    return mx_fail(e, MX_ERR_FORMAT, "damaged or cut off: %s", text ? text : "no picture");
}

static mx_status describe_frame(GifFileType *g, mx_error *e) {
    const source *s = g->UserData;
    if (DGifGetImageDesc(g) != GIF_ERROR) return MX_OK;
    if (g->Error != D_GIF_ERR_NOT_ENOUGH_MEM && s->next[-1] > 8) /* giflib failed on the block read last */
        return mx_fail(e, MX_ERR_UNSUPPORTED, "expected pixels of at most 8 bits, found %d", s->next[-1]);
    return failed(g, e);
}

/* Reads up to the first frame's description. *clear: the transparent index, -1: none. */
static mx_status find_frame(GifFileType *g, int *clear, mx_error *e) {
    GifRecordType kind;
    *clear = -1;
    for (;;) {
        if (DGifGetRecordType(g, &kind) == GIF_ERROR) return failed(g, e);
        if (kind == TERMINATE_RECORD_TYPE) return mx_fail(e, MX_ERR_FORMAT, "the file holds no picture");
        if (kind == IMAGE_DESC_RECORD_TYPE) return describe_frame(g, e);
        if (kind != EXTENSION_RECORD_TYPE) continue;
        GifByteType *block;
        int code;
        if (DGifGetExtension(g, &code, &block) == GIF_ERROR) return failed(g, e);
        if (code == MX_GIF_CONTROL && block && block[0] >= 4 && block[1] & 1) *clear = block[4];
        while (block)
            if (DGifGetExtensionNext(g, &block) == GIF_ERROR) return failed(g, e);
    }
}

/* The canvas grows to hold the frame. */
static void canvas_size(const GifFileType *g, int *width, int *height) {
    const GifImageDesc *f = &g->Image;
    *width = f->Left + f->Width > g->SWidth ? f->Left + f->Width : g->SWidth;
    *height = f->Top + f->Height > g->SHeight ? f->Top + f->Height : g->SHeight;
}

static mx_status read_indices(GifFileType *g, uint8_t *canvas, size_t width, mx_error *e) {
    static const struct {
        int first, step;
    } pass[] = {{0, 1}, {0, 8}, {4, 8}, {2, 4}, {1, 2}}; /* the first for pictures in order */
    const GifImageDesc *f = &g->Image;
    uint8_t *frame = canvas + (size_t)f->Top * width + (size_t)f->Left;
    for (int p = f->Interlace ? 1 : 0; p < (f->Interlace ? 5 : 1); p++)
        for (int y = pass[p].first; y < f->Height; y += pass[p].step)
            if (DGifGetLine(g, frame + (size_t)y * width, f->Width) == GIF_ERROR) return failed(g, e);
    return MX_OK;
}

static void look_up(uint8_t *rgb, const uint8_t *index, size_t n, const ColorMapObject *map) {
    uint8_t colour[256][3] = {{0}};
    bool needed = false;
    for (int i = 0; map && i < map->ColorCount && i < 256; i++) {
        const GifColorType *c = &map->Colors[i];
        colour[i][0] = c->Red, colour[i][1] = c->Green, colour[i][2] = c->Blue;
        needed |= c->Red != i || c->Green != i || c->Blue != i;
    }
    for (int i = 0; !needed && i < 256; i++) memset(colour[i], i, 3);
    for (size_t i = 0; i < n; i++) memcpy(rgb + 3 * i, colour[index[i]], 3);
}

static mx_status read_frame(GifFileType *g, mx_image *im, const source *s, mx_error *e) {
    int clear, width, height;
    if (find_frame(g, &clear, e)) return e->status;
    canvas_size(g, &width, &height);
    if ((uint64_t)width * (uint64_t)height > (uint64_t)s->size * MX_GIF_MAX_RATIO)
        return mx_fail(e, MX_ERR_FORMAT, "%zu bytes cannot hold %dx%d pixels", s->size, width, height);
    if (mx_image_make(im, width, height, 3, MX_PIXEL_U8, e)) return e->status;
    size_t n = (size_t)width * (size_t)height;
    uint8_t *canvas = malloc(n);
    if (!canvas) return mx_fail(e, MX_ERR_MEMORY, "cannot allocate %zu bytes for the picture", n);
    memset(canvas, clear < 0 ? 0 : clear, n);
    if (!read_indices(g, canvas, (size_t)width, e))
        look_up(im->pixels, canvas, n, g->Image.ColorMap ? g->Image.ColorMap : g->SColorMap);
    free(canvas);
    return e->status;
}

static GifFileType *open_memory(source *s, mx_error *e) {
    int error = 0;
    GifFileType *g = DGifOpen(s, read_bytes, &error);
    const char *text = GifErrorString(error);
    bool memory = error == D_GIF_ERR_NOT_ENOUGH_MEM;
    if (!g)
        mx_fail(e, memory ? MX_ERR_MEMORY : MX_ERR_FORMAT, "%s: %s",
                memory ? "out of memory" : "damaged or cut off", text ? text : "its header");
    return g;
}

mx_status mx_decode_gif(mx_image *im, int *colours, const unsigned char *bytes, size_t size, int channels,
                        mx_error *e) {
    source s = {bytes, size, size};
    *colours = 3;
    GifFileType *g = open_memory(&s, e);
    if (!g) return e->status;
    if (!mx_channels_check(3, 3, channels, e)) read_frame(g, im, &s, e);
    DGifCloseFile(g, NULL);
    return e->status;
}

mx_status mx_probe_gif(int *width, int *height, int *channels, const unsigned char *bytes, size_t size,
                       mx_error *e) {
    source s = {bytes, size, size};
    int clear;
    GifFileType *g = open_memory(&s, e);
    if (!g) return e->status;
    if (!find_frame(g, &clear, e)) canvas_size(g, width, height), *channels = 3;
    DGifCloseFile(g, NULL);
    return e->status;
}

/* The indices of the canvas. */
mx_needs mx_needs_gif(const unsigned char *bytes, size_t size) {
    int width = 0, height = 0, channels;
    mx_error ignored = {0};
    mx_probe_gif(&width, &height, &channels, bytes, size, &ignored);
    return (mx_needs){1, (uint64_t)width * (uint64_t)height};
}

/* giflib has no function for its version, so this is the header's. */
#define TEXT(x)       #x
#define DOTS(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)
const char *mx_version_gif(void) { return DOTS(GIFLIB_MAJOR, GIFLIB_MINOR, GIFLIB_RELEASE); }
