/* Progress of a training run on standard error, see progress.h. */
#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_SECONDS 0.1
#define PLAIN_SECONDS  30.0

static volatile sig_atomic_t stops;

static void on_signal(int number) {
    (void)number;
    if (stops++) _exit(130); /* the second one leaves at once */
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_begin(progress_line *live, bool quiet, bool stoppable) {
    struct sigaction action = {.sa_handler = on_signal};
    *live = (progress_line){.terminal = isatty(STDERR_FILENO), .quiet = quiet};
    if (!stoppable) return;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* Progress that nobody reads any more must not end a run: what is printed is lost, the run goes on. The
     * other commands only print; they end with their reader, as `mixmae --help | head` should. */
    signal(SIGPIPE, SIG_IGN);
}

void progress_clear(progress_line *live) {
    if (live->drawn) fputs("\r\033[K", stderr);
    live->drawn = false;
}

void progress_end(progress_line *live) {
    progress_clear(live);
    fflush(stderr);
}

void progress_notice(void *user, const char *line) {
    progress_line *live = user;
    if (live->quiet && strncmp(line, "warning:", 8))
        return; /* quiet hides progress, not what may spoil a run */
    progress_clear(live);
    fprintf(stderr, "%s\n", line);
}

static void print_duration(char out[32], double seconds) {
    if (!(seconds >= 0 && seconds < 1e9)) { /* not known yet */
        snprintf(out, 32, "?");
        return;
    }
    long s = (long)(seconds + 0.5);
    if (s >= 86400)
        snprintf(out, 32, "%ldd %02ldh", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(out, 32, "%ldh %02ldm", s / 3600, s / 60 % 60);
    else
        snprintf(out, 32, "%ldm %02lds", s / 60, s % 60);
}

static int terminal_width(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 20 ? 80 : size.ws_col;
}

void progress_show(void *user, const mixmae_progress *p) {
    progress_line *live = user;
    double t = now();
    bool last = p->step >= p->steps;
    if (live->quiet || (!last && t - live->last < (live->terminal ? REDRAW_SECONDS : PLAIN_SECONDS))) return;
    live->last = t;
    char left[32], line[256];
    print_duration(left, p->seconds_left);
    snprintf(line, sizeof line,
             "epoch %.2f/%g  step %lld/%lld  loss %.4f  lr %.2e  %.1f img/s  wait %.0f%%  %.0f MB  %s left",
             p->epoch, p->epochs, (long long)p->step, (long long)p->steps, p->loss, p->lr,
             p->images_per_second, 100 * p->wait_share, (double)p->memory / 1e6, left);
    if (live->terminal) {
        fprintf(stderr, "\r\033[K%.*s", terminal_width() - 1, line);
        live->drawn = true;
    } else
        fprintf(stderr, "%s\n", line);
    fflush(stderr);
}

bool progress_stop_asked(void *user) {
    (void)user;
    return stops > 0;
}
