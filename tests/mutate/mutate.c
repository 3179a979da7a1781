/* mutate [--files N] [--seed N] [--format NAME] [--only NUMBER] [--keep FOLDER]: N (20000) mutated files, of
 * every format that the program reads, against its readers.
 *
 * Each is a valid file changed by one to four seeded changes (change.c) and read as readers.c says, in a
 * child that reads one after the other. Findings: the child crashed, aborted or a sanitizer reported; a file
 * took longer than SECONDS; what it asked of the allocator went past LIMIT and what its picture holds once
 * decoded; memory was left after it. Memory and leaks are seen in a build with AddressSanitizer alone, whose
 * allocator can be listened to.
 *
 * Prints counts by format: read, refused, findings; each finding with the format and number that repeat it
 * (--format NAME --only NUMBER, same --seed and --files). Exit code 0: no findings. See mutate.h. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mutate.h"

#if defined(__SANITIZE_ADDRESS__)
#define LISTENS 1
/* Of sanitizer/allocator_interface.h and lsan_interface.h, which not every compiler brings along. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *p);
int __lsan_do_recoverable_leak_check(void);
#else
#define LISTENS 0
#endif

#define SECONDS  10
#define LIMIT    ((size_t)256 << 20)
#define TOO_MUCH 91 /* exit codes of a child with a finding of its own */
#define LEAKED   92

/* Shared with the child: how far it is, and what came of it. */
typedef struct {
    int number; /* the file that is read */
    int read, refused;
    size_t most; /* bytes of the finding, or of the greediest file so far */
} progress;

typedef struct {
    uint64_t seed;
    const char *keep;
    int findings;
} settings;

/* ---- memory ---- */

static _Atomic(size_t) held, high;

#if LISTENS
static void on_malloc(const volatile void *p, size_t n) {
    size_t now = atomic_fetch_add(&held, n) + n;
    (void)p;
    if (now > high && now < SIZE_MAX / 2) high = now;
}
static void on_free(const volatile void *p) {
    if (p) atomic_fetch_sub(&held, __sanitizer_get_allocated_size((const volatile void *)p));
}
static void listen(void) { __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free); }
static bool leaks(void) { return __lsan_do_recoverable_leak_check() != 0; }
#else
static void listen(void) {}
static bool leaks(void) { return false; }
#endif

/* ---- the child ---- */

static void read_one(const mx_format *f, const mx_blobs *seeds, uint64_t seed, progress *p) {
    mx_blob b = mx_change(f, seeds, seed, p->number);
    size_t allowed = LIMIT + mx_picture_bytes(f, &b), before = held;
    high = before;
    alarm(SECONDS);
    mx_status s = f->read(&b);
    alarm(0);
    size_t took = high - before;
    free(b.bytes);
    s ? p->refused++ : p->read++;
    if (took > allowed) p->most = took, _exit(TOO_MUCH);
    if (took > p->most) p->most = took;
}

/* Files from p->number on; leaks are looked for after every 100, then after each since the last look. */
static void child(const mx_format *f, const mx_blobs *seeds, const settings *how, progress *p, int end,
                  bool each) {
    listen();
    for (int n = 1; p->number < end; p->number++, n++) {
        read_one(f, seeds, how->seed, p);
        if ((each || n % 100 == 0 || p->number + 1 == end) && leaks()) _exit(LEAKED);
    }
    _exit(EXIT_SUCCESS);
}

/* ---- the parent ---- */

static void finding(settings *how, const mx_format *f, const mx_blobs *seeds, const progress *p, int status,
                    const char *said) {
    char what[64], text[512] = "", *first = text;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    FILE *file = fopen(said, "r");
    while (file && fgets(text, sizeof text, file) && !strstr(text, "ERROR") &&
           !strstr(text, "runtime error")) {}
    if (file) fclose(file);
    first[strcspn(first, "\n")] = 0;
    if (code == TOO_MUCH)
        snprintf(what, sizeof what, "took %zu MB", p->most >> 20);
    else if (code == LEAKED)
        snprintf(what, sizeof what, "leaks");
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(what, sizeof what, "took longer than %d s", SECONDS);
    else
        snprintf(what, sizeof what, WIFSIGNALED(status) ? "signal %d" : "exit code %d",
                 WIFSIGNALED(status) ? WTERMSIG(status) : code);
    printf("FINDING %s %d: %s %s\n", f->name, p->number, what, first);
    how->findings++;
    if (!how->keep) return;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%d", how->keep, f->name, p->number);
    mx_blob b = mx_change(f, seeds, how->seed, p->number);
    if ((file = fopen(path, "wb"))) fwrite(b.bytes, 1, b.size, file), fclose(file);
    free(b.bytes);
}

/* Runs children until all files from..end are read; each finding ends one. */
static void try_files(settings *how, const mx_format *f, const mx_blobs *seeds, progress *p, int from,
                      int end) {
    char said[64];
    snprintf(said, sizeof said, "/tmp/mutate-%ld.txt", (long)getpid());
    bool each = false;
    int looked = from; /* files before this one leak nothing */
    p->number = from;
    while (p->number < end) {
        int begun = p->number, status;
        fflush(stdout);
        pid_t pid = fork();
        if (!pid) {
            int fd = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
            if (fd >= 0) dup2(fd, STDERR_FILENO);
            child(f, seeds, how, p, each ? looked + 100 < end ? looked + 100 : end : end, each);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid) perror("fork"), exit(EXIT_FAILURE);
        mx_readers_end((long)pid);
        if (WIFEXITED(status) && !WEXITSTATUS(status)) {
            each = false;
            continue;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == LEAKED && !each) { /* which of them? */
            each = true;
            p->number = looked = p->number - 99 > begun ? p->number - 99 : begun;
            continue;
        }
        finding(how, f, seeds, p, status, said);
        p->most = 0, p->number++;
    }
    unlink(said);
}

/* count < 0: the seeds and -count changed ones. */
static void try_format(settings *how, const mx_format *f, int count, int only) {
    mx_blobs seeds = {0};
    progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) exit(EXIT_FAILURE);
    int before = how->findings;
    f->seeds(&seeds);
    if (count < 0) count = seeds.count - count;
    try_files(how, f, &seeds, p, only < 0 ? 0 : only, only < 0 ? count : only + 1);
    printf("%-12s %6d %6d %6d %6d %9d %9zu\n", f->name, seeds.count, only < 0 ? count : 1, p->read,
           p->refused, how->findings - before, p->most >> 20);
    for (int i = 0; i < seeds.count; i++) free(seeds.at[i].bytes);
    free(seeds.at);
    munmap(p, sizeof *p);
}

int main(int argc, char **argv) {
    settings how = {.seed = 1};
    int files = 20000, each = 0, only = -1, weights = 0;
    const char *format = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (!strcmp(argv[i], "--files"))
            files = atoi(value);
        else if (!strcmp(argv[i], "--each"))
            each = atoi(value);
        else if (!strcmp(argv[i], "--seed"))
            how.seed = strtoull(value, NULL, 10);
        else if (!strcmp(argv[i], "--format"))
            format = value;
        else if (!strcmp(argv[i], "--only"))
            only = atoi(value);
        else if (!strcmp(argv[i], "--keep"))
            how.keep = value;
    }
    for (int i = 0; i < mx_format_count; i++) weights += mx_formats[i].weight;
    printf("seed %llu; %s\n%-12s %6s %6s %6s %6s %9s %9s\n", (unsigned long long)how.seed,
           LISTENS ? "limit 256 MB and the picture's samples"
                   : "memory and leaks are not watched in this build",
           "format", "seeds", "files", "read", "refuse", "findings", "most MB");
    for (int i = 0; i < mx_format_count; i++)
        if (!format || !strcmp(format, mx_formats[i].name))
            try_format(&how, &mx_formats[i],
                       each ? -each : 1 + (int)((int64_t)files * mx_formats[i].weight / weights), only);
    printf("%d findings\n", how.findings);
    return how.findings ? EXIT_FAILURE : EXIT_SUCCESS;
}
