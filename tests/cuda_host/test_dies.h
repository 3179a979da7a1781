/* Runs a fault in a child process and demands that it dies with a given text on stderr. */
#ifndef MX_HOST_TEST_DIES_H
#define MX_HOST_TEST_DIES_H

#include "test_lib.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static inline std::vector<char> read_all(int from) {
    std::vector<char> text;
    char part[4096];
    for (ssize_t n; (n = read(from, part, sizeof part)) > 0;) text.insert(text.end(), part, part + n);
    text.push_back(0);
    return text;
}

static inline void dies(const char *name, const char *text, void (*fault)(void)) {
    int ends[2], status = 0;
    CHECK(!pipe(ends));
    const pid_t child = fork();
    CHECK(child >= 0);
    if (!child) {
        dup2(ends[1], 2);
        fault();
        _exit(0);
    }
    close(ends[1]);
    const std::vector<char> message = read_all(ends[0]);
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    if (status && strstr(message.data(), text)) return;
    fprintf(stderr, "%s: status %d, \"%s\" expected, found:\n%s\n", name, status, text, message.data());
    exit(1);
}

#endif
