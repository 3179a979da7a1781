/* The command `mixmae`: finds the command, prints its results, turns its status into an exit code. All work
 * is done by the library (mixmae.h), which itself prints nothing. */
#include <fcntl.h>
#ifdef __linux__
#include <malloc.h>
#endif
#include <mixmae.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

/* Prints to standard error, after the program's name. The text may come from outside, so nothing that a terminal obeys
 * is let through. */
__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...) {
    char text[2048], *plain;
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    plain = mixmae_plain(text);
    fprintf(stderr, "mixmae%s\n", plain ? plain : ": out of memory");
    free(plain);
}

/* A standard stream that was closed is opened again, or the first file of a run would get its number and with
 * it what is printed. For reading only, so that output is an error as it would be to a closed one. */
static void hold_streams(void) {
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd && open("/", O_RDONLY) != fd)
            _exit(MIXMAE_EXIT_FAILED);
}

static void print_text(void *user, const char *line) {
    progress_clear(user);
    puts(line);
    fflush(stdout);
}

/* Fails if not all output was written: on a full disk, a redirection would lose results without a word. */
static int end_of_output(int code) {
    if (!fflush(stdout) && !ferror(stdout)) return code;
    complain(": cannot write to standard output");
    return code ? code : MIXMAE_EXIT_DATA;
}

/* Prints and frees text. */
static int print_made(char *text) {
    fputs(text, stdout);
    free(text);
    return end_of_output(MIXMAE_EXIT_OK);
}

/* A command's help or manual page; NULL: there is no such command. */
static int print_about(char *text, const char *command) {
    if (text) return print_made(text);
    complain(": there is no command %s; mixmae --help lists them", command);
    return MIXMAE_EXIT_USAGE;
}

static int print_help(const char *command) { return print_about(mixmae_help(command), command); }

static int print_version(void) {
    char about[512];
    mixmae_about(about, sizeof about);
    printf("mixmae %s\n%s", mixmae_version(), about);
    return end_of_output(MIXMAE_EXIT_OK);
}

/* One a line, for scripts. */
static int print_commands(void) {
    for (int i = 0; mixmae_command_name(i); i++) puts(mixmae_command_name(i));
    return end_of_output(MIXMAE_EXIT_OK);
}

static int print_completion(const char *shell) {
    char *text = shell ? mixmae_completion(shell) : NULL;
    if (text) return print_made(text);
    complain(": --completion: expected bash, zsh or fish, found %s", shell ? shell : "nothing");
    return MIXMAE_EXIT_USAGE;
}

static int run(const char *command, int argc, char **argv) {
    char message[1024];
    bool help = false;
    mixmae_options *options = mixmae_options_make(command, argc, argv, &help, message, sizeof message);
    if (!options) {
        complain(" %s: %s", command, message);
        return MIXMAE_EXIT_USAGE;
    }
    int code = MIXMAE_EXIT_OK;
    if (help)
        code = print_help(command);
    else {
        progress_line live;
        progress_begin(&live, mixmae_options_flag(options, "quiet"), mixmae_command_stoppable(command));
        const mixmae_sink sink = {&live, print_text, progress_notice, progress_show, progress_stop_asked};
        code = mixmae_run(command, options, &sink, message, sizeof message);
        progress_end(&live);
        if (code) complain(" %s: %s", command, message);
        code = end_of_output(code);
    }
    mixmae_options_free(options);
    return code;
}

/* Large blocks (decoded images above all) go back to the system when they are freed. Otherwise the C library raises
 * the size from which it does so to that of the largest block freed, up to 32 MB, and each thread then keeps
 * that much and more: real memory would pass the plan by half. The size itself is above what a usual photograph
 * takes, whose blocks are kept for the next. */
static void return_large_blocks(void) {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 2 << 20);
#endif
}

int main(int argc, char **argv) {
    return_large_blocks();
    hold_streams();
    signal(SIGXFSZ, SIG_IGN); /* a file past its limit (ulimit -f) fails to be written, and that is said */
    if (argc < 2) {
        print_help(NULL);
        return MIXMAE_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) return print_help(argc > 2 ? argv[2] : NULL);
    if (!strcmp(argv[1], "--help-markdown")) return print_help("markdown");
    const char *next = argc > 2 ? argv[2] : NULL;
    if (!strcmp(argv[1], "--help-man")) return print_about(mixmae_man(next), next); /* for `make install` */
    if (!strcmp(argv[1], "--list-commands")) return print_commands();
    if (!strcmp(argv[1], "--completion")) return print_completion(next);
    if (!strcmp(argv[1], "--version")) return print_version();
    return run(argv[1], argc - 2, argv + 2);
}
