/* near LIMIT FILE FILE: the f32 numbers of two .npy or .safetensors files of one layout agree: the largest difference is
 * at most LIMIT times the largest number. Prints what it found; exits 0 or 1. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    unsigned char *bytes;
    size_t size, data; /* data: where the numbers begin */
} file;

static file read_file(const char *path) {
    file f = {0};
    FILE *in = fopen(path, "rb");
    if (!in) perror(path), exit(2);
    fseek(in, 0, SEEK_END);
    f.size = (size_t)ftell(in);
    rewind(in);
    f.bytes = malloc(f.size + 1);
    if (!f.bytes || fread(f.bytes, 1, f.size, in) != f.size || f.size < 16)
        fprintf(stderr, "%s: cannot be read\n", path), exit(2);
    fclose(in);
    uint64_t header;
    memcpy(&header, f.bytes, 8);
    f.data = memcmp(f.bytes, "\x93NUMPY", 6) ? 8 + (size_t)header : 10u + f.bytes[8] + 256u * f.bytes[9];
    if (f.data > f.size) fprintf(stderr, "%s: neither .npy nor safetensors\n", path), exit(2);
    return f;
}

static float number(const file *f, size_t i) {
    float x;
    memcpy(&x, f->bytes + f->data + 4 * i, sizeof x);
    return x;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    const file a = read_file(argv[2]), b = read_file(argv[3]);
    const size_t n = (a.size - a.data) / 4;
    double largest = 0, worst = 0;
    if (a.size - a.data != b.size - b.data)
        return printf("%zu and %zu numbers\n", n, (b.size - b.data) / 4), 1;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)number(&a, i), d = fabs(x - (double)number(&b, i));
        largest = fmax(largest, fabs(x));
        if (!(d <= worst)) worst = d; /* NaN too */
    }
    free(a.bytes), free(b.bytes);
    printf("%zu numbers, differences up to %.2e of %.2e\n", n, worst, largest);
    return worst <= atof(argv[1]) * largest ? 0 : 1;
}
