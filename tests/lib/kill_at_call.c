/* kill_at_call WHICH N FILE COMMAND [ARGUMENT...]: runs the command and kills it (SIGKILL, the whole process)
 * at the entry of its N-th system call, which is not carried out. The calls of all threads are counted
 * together, in the order of their start.
 *
 * WHICH  all   every call counts
 *        save  only those while a temporary (*.tmp) exists: from the call after its creation to the one after
 *              its rename, which flushes the folder
 * N      0: no kill
 * FILE   gets one line: calls counted, and the name of the call that was not carried out (its number, or 0)
 *
 * Exits as the command did, with 137 after a kill, with 77 if processes may not be traced here. For
 * tools/kills. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

#define SKIPPED   77
#define KILLED    137
#define IS_CALL   0x80 /* PTRACE_O_TRACESYSGOOD's mark in a stop's signal */
#define MOST_PATH 1024

typedef struct {
    const char *within; /* the text in a temporary's path; NULL: every call counts */
    long at, counted;   /* the call to kill at; calls counted so far */
    int open;           /* temporaries that exist */
    bool renamed;       /* the previous call renamed one */
    unsigned long long last;
} progress;

static bool reads_path(pid_t thread, unsigned long long address, char path[MOST_PATH]) {
    struct iovec to = {path, MOST_PATH - 1}, from = {(void *)(size_t)address, MOST_PATH - 1};
    ssize_t n = process_vm_readv(thread, &to, 1, &from, 1, 0);
    for (size_t page = 4096; n < 0 && page; page = 0) { /* the text may end just before an unmapped page */
        from.iov_len = page - (size_t)address % page;
        if (from.iov_len < MOST_PATH) n = process_vm_readv(thread, &to, 1, &from, 1, 0);
    }
    path[n < 0 ? 0 : n] = 0;
    return n > 0;
}

static bool temporary(const progress *p, pid_t thread, unsigned long long address) {
    char path[MOST_PATH];
    size_t n = reads_path(thread, address, path) ? strlen(path) : 0;
    return n > 4 && !strcmp(path + n - 4, ".tmp") && p->within && strstr(path, p->within);
}

/* Counts one call that begins; true: kill here. */
static bool count(progress *p, pid_t thread, const struct __ptrace_syscall_info *call) {
    bool counts = !p->within || p->open > 0 || p->renamed;
    p->renamed = false;
    if (counts && ++p->counted == p->at) {
        p->last = call->entry.nr;
        return true;
    }
    switch (call->entry.nr) {
    case SYS_openat:
        if ((call->entry.args[2] & O_CREAT) && temporary(p, thread, call->entry.args[1])) p->open++;
        break;
#ifdef SYS_rename
    case SYS_rename:
        if (p->open && temporary(p, thread, call->entry.args[0])) p->open--, p->renamed = true;
        break;
    case SYS_unlink:
        if (p->open && temporary(p, thread, call->entry.args[0])) p->open--;
        break;
#endif
    case SYS_renameat2:
    case SYS_renameat:
        if (p->open && temporary(p, thread, call->entry.args[1])) p->open--, p->renamed = true;
        break;
    default: break;
    }
    return false;
}

/* Lets the threads run from stop to stop until the process ends. Returns its exit code. */
static int follow(progress *p, pid_t first) {
    int status, code = EXIT_FAILURE;
    for (pid_t thread; (thread = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
        if (thread <= 0) continue;
        if (!WIFSTOPPED(status)) {
            if (thread != first) continue;
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        int signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | IS_CALL)) {
            struct __ptrace_syscall_info call;
            signal = 0;
            if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof call, &call) > 0 &&
                call.op == PTRACE_SYSCALL_INFO_ENTRY && count(p, thread, &call))
                kill(first, SIGKILL);
        } else if (signal == SIGTRAP || signal == SIGSTOP) /* caused by tracing itself: exec, clone, a new
                                                              thread */
            signal = 0;
        ptrace(PTRACE_SYSCALL, thread, 0, (void *)(size_t)signal);
    }
    return code;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: kill_at_call all|TEXT N FILE COMMAND...\n");
        return EXIT_FAILURE;
    }
    progress p = {.within = strcmp(argv[1], "all") ? argv[1] : NULL, .at = atol(argv[2])};
    int status;
    pid_t child = fork();
    if (!child) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(SKIPPED);
        raise(SIGSTOP);
        execvp(argv[4], argv + 4);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return SKIPPED;
    long how = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
               PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, child, 0, (void *)how)) {
        kill(child, SIGKILL);
        return SKIPPED;
    }
    ptrace(PTRACE_SYSCALL, child, 0, 0);
    int code = follow(&p, child);
    FILE *f = fopen(argv[3], "w");
    if (!f || fprintf(f, "%ld %llu\n", p.counted, p.last) < 0 || fclose(f)) return EXIT_FAILURE;
    return code == 128 + SIGKILL ? KILLED : code;
}
