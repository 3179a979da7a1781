/* Streams, events and graphs as the emulator keeps them. */
#ifndef MX_HOST_STREAM_H
#define MX_HOST_STREAM_H

#include "emulator.h"

#include <deque>
#include <vector>

/* A place in a stream, which work of other streams or the host waits for. An event names its latest one. */
struct mx_host_mark {
    bool done = false;
    double when = 0; /* milliseconds */
};

/* One of: something to run; a mark to set; a mark to wait for. */
struct mx_host_work {
    std::function<void()> run;
    std::shared_ptr<mx_host_mark> marks, waits_for;
    uint64_t number = 0; /* of the call */
};

struct mx_host_graph {
    int device = 0;
    std::vector<mx_host_work> work; /* `run` alone */
};
struct mx_host_graph_exec {
    int device = 0;
    std::vector<mx_host_work> work;
};
struct mx_host_event {
    bool timed = false;
    std::shared_ptr<mx_host_mark> last; /* NULL: never recorded */
};
struct mx_host_stream {
    int device = 0;
    std::deque<mx_host_work> queue;
    mx_host_graph *captured = NULL;
    cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;
};

#endif
