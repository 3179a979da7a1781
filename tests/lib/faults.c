/* A library to preload into a program (LD_PRELOAD): it makes chosen calls of the C library fail, or counts
 * them. For tools/faults, tests/train/test_faults.sh and tests/train/test_transient.sh; needs glibc.
 * Controlled by environment variables:
 *
 * FAULT_CALL=malloc: which calls: malloc (with calloc, realloc, aligned_alloc, posix_memalign), mmap, open
 * (with openat, fopen, mkostemp), read (pread, fread, fgets), write (fwrite, fputs, fprintf to files), close
 * (fclose), flush (fflush), fsync, rename (link), stat (fstat, fstatat, access), opendir, readdir, mkdir,
 * unlink (rmdir), lock; flip: write and pwrite, which succeed with one bit changed; full (write and mkdir, with
 * FAULT_FROM and FAULT_TO): the disk is full in the middle of the first, and so it stays.
 *
 * FAULT_AT=N: the N-th of them fails, counted from 1. FAULT_FROM=N and FAULT_TO=M: the N-th to the M-th.
 *
 * FAULT_ALSO=unlink: every call of that kind fails too.
 *
 * FAULT_PATH=TEXT: count only calls whose path contains TEXT. FAULT_PLACE=HASH: only calls from that place, for
 * programs of several threads, whose calls come in another order each time.
 *
 * FAULT_LIBRARY=TEXT: only calls that a library makes whose file name contains TEXT.
 *
 * FAULT_WHO=FILE: the library (or program) that made the failed call is written to FILE.
 *
 * FAULT_COUNT=FILE: no call fails; at the end FILE gets the number of calls, then a line "FIRST LAST CALLS
 * HASH" for each calling place: the numbers of its first and last call, how many they are, and its name.
 *
 * A place is the five callers nearest the call, wherever they were loaded. Calls inside the C library (the mallocs of strdup, asprintf,
 * fopen, opendir) count, since they use the same names. Its own reads and writes do not, so fread and fwrite
 * are counted themselves. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACES  (1 << 16)
#define CALLERS 5

static const char *which, *also, *in_path, *count_file, *who_file, *library;
static long from, to;
static uint64_t in_place;
static atomic_long calls;
static struct {
    uint64_t hash;
    long first, last, calls;
} place[PLACES];
static atomic_flag busy = ATOMIC_FLAG_INIT;
static bool ready;
static atomic_bool full; /* the disk */
static _Thread_local void *caller __attribute__((tls_model("initial-exec")));
static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

/* never 0 */
static __attribute__((noinline)) uint64_t hash_of_place(void) {
    void *at[CALLERS + 3];
    Dl_info in;
    inside = true;
    int depth = backtrace(at, CALLERS + 3);
    uint64_t hash = 1469598103934665603u;
    for (int i = 3; i < depth; i++) {
        uintptr_t base = dladdr(at[i], &in) ? (uintptr_t)in.dli_fbase : 0;
        hash = (hash ^ ((uintptr_t)at[i] - base)) * 1099511628211u;
    }
    inside = false;
    return hash | 1;
}

static void note_place(uint64_t hash, long n) {
    while (atomic_flag_test_and_set(&busy)) {}
    size_t i = hash >> 20 & (PLACES - 1);
    while (place[i].hash && place[i].hash != hash) i = (i + 1) & (PLACES - 1);
    if (!place[i].hash) place[i].first = n;
    place[i].hash = hash, place[i].last = n, place[i].calls++;
    atomic_flag_clear(&busy);
}

static const char *name_of_caller(void) {
    Dl_info at;
    return caller && dladdr(caller, &at) ? at.dli_fname : "";
}

static void note_caller(void) {
    const char *name = name_of_caller(); /* before other calls become the last */
    inside = true;
    FILE *f = fopen(who_file, "w");
    if (f) fprintf(f, "%s\n", name);
    if (f) fclose(f);
    inside = false;
}

static __attribute__((noinline)) bool fails(const char *call, const char *path) {
    if (!ready || inside) return false;
    if (also && !strcmp(also, call)) return true;
    if (strcmp(which, call)) return false;
    if (in_path && !(path && strstr(path, in_path))) return false;
    if (library && !strstr(name_of_caller(), library)) return false;
    uint64_t hash = count_file || in_place ? hash_of_place() : 0;
    if (in_place && hash != in_place) return false;
    long n = atomic_fetch_add(&calls, 1) + 1;
    if (count_file) note_place(hash, n);
    bool now = !count_file && n >= from && n <= to;
    if (now && who_file) note_caller();
    return now;
}

static bool no(int error) {
    errno = error;
    return true;
}
#define FAILS(call, path, error) (caller = __builtin_return_address(0), fails(call, path) && no(error))

__attribute__((constructor)) static void begin(void) {
    const char *at = getenv("FAULT_AT"), *first = getenv("FAULT_FROM"), *last = getenv("FAULT_TO");
    void *warm[4];
    which = getenv("FAULT_CALL"), in_path = getenv("FAULT_PATH"), count_file = getenv("FAULT_COUNT");
    who_file = getenv("FAULT_WHO"), also = getenv("FAULT_ALSO"), library = getenv("FAULT_LIBRARY");
    if (!which) return;
    if (getenv("FAULT_PLACE")) in_place = strtoull(getenv("FAULT_PLACE"), NULL, 16);
    from = atol(first ? first : at ? at : "0"), to = atol(last ? last : at ? at : "0");
    if (count_file || in_place) backtrace(warm, 4); /* loads the libraries it needs */
    ready = true;
}

__attribute__((destructor)) static void end(void) {
    if (!ready || !count_file) return;
    ready = false;
    FILE *f = fopen(count_file, "w");
    if (!f) return;
    fprintf(f, "%ld\n", atomic_load(&calls));
    for (size_t i = 0; i < PLACES; i++)
        if (place[i].hash)
            fprintf(f, "%ld %ld %ld %" PRIx64 "\n", place[i].first, place[i].last, place[i].calls,
                    place[i].hash);
    fclose(f);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) { return FAILS("malloc", NULL, ENOMEM) ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return FAILS("malloc", NULL, ENOMEM) ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return FAILS("malloc", NULL, ENOMEM) ? NULL : __libc_realloc(p, size); }
void *reallocarray(void *p, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) return no(ENOMEM), NULL;
    return FAILS("malloc", NULL, ENOMEM) ? NULL : __libc_realloc(p, bytes);
}
void *aligned_alloc(size_t align, size_t size) {
    return FAILS("malloc", NULL, ENOMEM) ? NULL : __libc_memalign(align, size);
}
void *memalign(size_t align, size_t size) {
    return FAILS("malloc", NULL, ENOMEM) ? NULL : __libc_memalign(align, size);
}
int posix_memalign(void **out, size_t align, size_t size) {
    if (fails("malloc", NULL)) return ENOMEM;
    return (*out = __libc_memalign(align, size)) ? 0 : ENOMEM;
}

/* ---- files ----------------------------------------------------------------------------------------------
 */

/* The real one, looked up once: dlsym may allocate, which does not count. */
#define REAL(name)                                                                                           \
    static __typeof__(name) *real;                                                                           \
    if (!real) {                                                                                             \
        bool was = inside;                                                                                   \
        inside = true;                                                                                       \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);                                                  \
        inside = was;                                                                                        \
    }
/* type NAME(parameters): fails with result and error as a call of that kind, or calls the real one */
#define WRAP(type, name, parameters, arguments, call, path, result, error)                                   \
    type name parameters {                                                                                   \
        REAL(name)                                                                                           \
        return FAILS(call, path, error) ? result : real arguments;                                           \
    }

static int mode_of(int flags, va_list more) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0; }

int open(const char *path, int flags, ...) {
    REAL(open)
    va_list more;
    va_start(more, flags);
    int mode = mode_of(flags, more);
    va_end(more);
    return FAILS("open", path, EMFILE) ? -1 : real(path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    REAL(openat)
    va_list more;
    va_start(more, flags);
    int mode = mode_of(flags, more);
    va_end(more);
    return FAILS("open", path, EMFILE) ? -1 : real(folder, path, flags, mode);
}
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), "open", path, NULL, EMFILE)
WRAP(int, mkostemp, (char *path, int flags), (path, flags), "open", path, -1, EMFILE)
WRAP(DIR *, opendir, (const char *path), (path), "opendir", path, NULL, EMFILE)
WRAP(DIR *, fdopendir, (int fd), (fd), "opendir", NULL, NULL, ENOMEM)
WRAP(struct dirent *, readdir, (DIR * d), (d), "readdir", NULL, NULL, EIO)
WRAP(ssize_t, read, (int fd, void *to_, size_t n), (fd, to_, n), "read", NULL, -1, EIO)
WRAP(ssize_t, pread, (int fd, void *to_, size_t n, off_t at), (fd, to_, n, at), "read", NULL, -1, EIO)
WRAP(int, fsync, (int fd), (fd), "fsync", NULL, -1, EIO)
WRAP(int, fdatasync, (int fd), (fd), "fsync", NULL, -1, EIO)
WRAP(int, rename, (const char *a, const char *b), (a, b), "rename", b, -1, EIO)
WRAP(int, renameat, (int d, const char *a, int f, const char *b), (d, a, f, b), "rename", b, -1, EIO)
WRAP(int, link, (const char *a, const char *b), (a, b), "rename", b, -1, EIO)
WRAP(int, stat, (const char *path, struct stat *s), (path, s), "stat", path, -1, EIO)
WRAP(int, lstat, (const char *path, struct stat *s), (path, s), "stat", path, -1, EIO)
WRAP(int, fstat, (int fd, struct stat *s), (fd, s), "stat", NULL, -1, EIO)
WRAP(int, fstatat, (int d, const char *path, struct stat *s, int f), (d, path, s, f), "stat", path, -1, EIO)
WRAP(int, access, (const char *path, int how), (path, how), "stat", path, -1, EIO)
WRAP(int, faccessat, (int d, const char *path, int how, int f), (d, path, how, f), "stat", path, -1, EIO)
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir)
    return FAILS("mkdir", path, ENOSPC) || (full && no(ENOSPC)) ? -1 : real(path, mode);
}
WRAP(int, unlink, (const char *path), (path), "unlink", path, -1, EIO)
WRAP(int, unlinkat, (int d, const char *path, int f), (d, path, f), "unlink", path, -1, EIO)
WRAP(int, rmdir, (const char *path), (path), "unlink", path, -1, EIO)
WRAP(int, flock, (int fd, int how), (fd, how), "lock", NULL, -1, ENOLCK)
WRAP(int, ftruncate, (int fd, off_t size), (fd, size), "write", NULL, -1, EIO)
WRAP(void *, mmap, (void *at, size_t n, int p, int f, int fd, off_t o), (at, n, p, f, fd, o), "mmap", NULL,
     MAP_FAILED, ENOMEM)

/* The bytes as a broken disk keeps them: one bit in their middle differs. */
static const void *flipped(const void *p, size_t n) {
    unsigned char *copy = n && fails("flip", NULL) ? __libc_malloc(n) : NULL;
    if (!copy) return p;
    memcpy(copy, p, n);
    copy[n / 2] ^= 4;
    return copy; /* left to the end of the process */
}
/* Bytes of n that the disk still takes; 0 once it is full. As a part goes in, errno stays as it was. */
static size_t room_for(size_t n) {
    if (!fails("full", NULL)) return n;
    return atomic_exchange(&full, true) || n < 2 ? !no(ENOSPC) : n / 2;
}
ssize_t write(int fd, const void *p, size_t n) {
    REAL(write)
    size_t room = room_for(n);
    if ((n && !room) || FAILS("write", NULL, ENOSPC)) return -1;
    return real(fd, flipped(p, room), room);
}
ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
    REAL(pwrite)
    size_t room = room_for(n);
    if ((n && !room) || FAILS("write", NULL, ENOSPC)) return -1;
    return real(fd, flipped(p, room), room, at);
}

int close(int fd) { /* as on Linux: the number is freed all the same */
    REAL(close)
    bool bad = fails("close", NULL);
    int result = real(fd);
    return bad && no(EIO) ? -1 : result;
}

/* ---- streams: one that failed says so to ferror
 * ------------------------------------------------------------ */

#define STREAM_ERROR 0x20 /* glibc's _IO_ERR_SEEN */

/* Streams in memory fail by malloc alone. */
static bool stream_fails(FILE *f, const char *call, int error) {
    if (f == stdout || f == stderr || fileno(f) < 0) return false;
    if (!strcmp(call, "write") && fails("full", NULL)) full = true;
    if (!(full && error == ENOSPC) && !fails(call, NULL)) return false;
    f->_flags |= STREAM_ERROR;
    return no(error);
}
size_t fread(void *p, size_t size, size_t n, FILE *f) {
    REAL(fread)
    return stream_fails(f, "read", EIO) ? 0 : real(p, size, n, f);
}
char *fgets(char *p, int n, FILE *f) {
    REAL(fgets)
    return stream_fails(f, "read", EIO) ? NULL : real(p, n, f);
}
size_t fwrite(const void *p, size_t size, size_t n, FILE *f) {
    REAL(fwrite)
    return stream_fails(f, "write", ENOSPC) ? 0 : real(p, size, n, f);
}
int fputs(const char *text, FILE *f) {
    REAL(fputs)
    return stream_fails(f, "write", ENOSPC) ? EOF : real(text, f);
}
int fputc(int c, FILE *f) {
    REAL(fputc)
    return stream_fails(f, "write", ENOSPC) ? EOF : real(c, f);
}
int fprintf(FILE *f, const char *format, ...) {
    if (stream_fails(f, "write", ENOSPC)) return -1;
    va_list more;
    va_start(more, format);
    int n = vfprintf(f, format, more);
    va_end(more);
    return n;
}
int fflush(FILE *f) {
    REAL(fflush)
    return f && stream_fails(f, "flush", ENOSPC) ? EOF : real(f);
}
int fclose(FILE *f) {
    REAL(fclose)
    bool memory = fileno(f) < 0, bad = !memory && fails("close", NULL);
    bool lost = full && !memory && __fpending(f);
    if (lost) __fpurge(f);
    int result = real(f);
    bad |= lost;
    return bad && no(ENOSPC) ? EOF : result;
}
