/* One live line on a terminal, plain lines otherwise; and the signals that ask a run to stop. */
#ifndef MIXMAE_CLI_PROGRESS_H
#define MIXMAE_CLI_PROGRESS_H

#include <mixmae.h>

typedef struct {
    bool terminal, quiet, drawn;
    double last; /* seconds, when the line was drawn or a plain line printed */
} progress_line;

/* stoppable: installs handlers of SIGINT and SIGTERM; the first asks to stop, the second Ctrl-C leaves at
 * once. */
void progress_begin(progress_line *live, bool quiet, bool stoppable);
/* Takes the live line away before something else is printed. */
void progress_clear(progress_line *live);
void progress_end(progress_line *live);
/* The members of mixmae_sink; user is a progress_line. */
void progress_notice(void *user, const char *line);
void progress_show(void *user, const mixmae_progress *p);
bool progress_stop_asked(void *user);

#endif
