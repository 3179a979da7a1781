/* Streams and events.
 *
 * A stream is a queue. Its work waits until the host must wait for it, as on a GPU that lags behind. Then streams take
 * turns: in the order of the calls (forward), the one made last first (reversed), or a random one; a numeric order also
 * runs some work early. An event is a mark in a queue, and other streams may wait for it. So a host that reads or
 * overwrites a pinned buffer too early, and a stream that should have waited for another, get wrong bytes.
 *
 * CUDA_LAUNCH_BLOCKING=1, as with CUDA, runs work within the call that asks for it: for a debugger. Waiting also saves
 * time: the protection of device memory changes once for all that has queued up. */
#include "stream.h"

#include <algorithm>
#include <chrono>
#include <stdlib.h>

static std::vector<mx_host_stream *> streams; /* in the order of their making */
static uint64_t calls;
static bool blocking, blocking_known;

static double now(void) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

static bool runnable(const mx_host_stream *s) {
    return !s->queue.empty() && (!s->queue.front().waits_for || s->queue.front().waits_for->done);
}

static void run_first(mx_host_stream *s) {
    mx_host_work work = std::move(s->queue.front());
    s->queue.pop_front();
    if (work.run) {
        mx_host_open(s->device);
        work.run();
    }
    if (work.marks) work.marks->done = true, work.marks->when = now();
}

/* Runs one piece of work of any stream; false: there is none that can run. */
static bool step(void) {
    std::vector<mx_host_stream *> can;
    for (mx_host_stream *s : streams)
        if (runnable(s)) can.push_back(s);
    if (can.empty()) return false;
    size_t chosen = mx_host_choose(can.size());
    if (mx_host_order() == MX_HOST_FORWARD)
        for (size_t i = 0; i < can.size(); i++)
            if (can[i]->queue.front().number < can[chosen]->queue.front().number) chosen = i;
    run_first(can[chosen]);
    return true;
}

template <typename Done> static void run_until(Done done) {
    while (!done())
        if (!step()) mx_host_die("streams wait for each other");
    mx_host_open(-1);
}

void mx_host_run_stream(cudaStream_t s) {
    run_until([s] { return s->queue.empty(); });
}

void mx_host_run_device(int device) {
    for (mx_host_stream *s : streams)
        if (s->device == device) mx_host_run_stream(s);
}

static mx_host_stream *check(cudaStream_t s, const char *call) {
    if (!s) mx_host_die("%s: the NULL stream is not emulated; make one with cudaStreamNonBlocking", call);
    if (std::find(streams.begin(), streams.end(), s) == streams.end())
        mx_host_die("%s: no such stream", call);
    return s;
}

int mx_host_stream_device(cudaStream_t s, const char *call) { return check(s, call)->device; }
bool mx_host_captures(cudaStream_t s) { return s->captured != NULL; }

void mx_host_not_in_capture(const char *call) {
    if (mx_host_running.kernel) mx_host_die("%s inside a kernel", call);
    for (const mx_host_stream *s : streams)
        if (s->captured && s->capture_mode != cudaStreamCaptureModeRelaxed)
            mx_host_die("%s while a stream is captured", call);
}

static void queue(mx_host_stream *s, mx_host_work work) {
    if (!blocking_known) {
        const char *text = getenv("CUDA_LAUNCH_BLOCKING");
        blocking = text && *text == '1', blocking_known = true;
    }
    work.number = ++calls;
    s->queue.push_back(std::move(work));
    if (blocking)
        mx_host_run_stream(s);
    else if (mx_host_order() == MX_HOST_RANDOM && mx_host_choose(16) == 0) {
        for (size_t n = mx_host_choose(16); n && step(); n--) {}
        mx_host_open(-1);
    }
}

void mx_host_enqueue(cudaStream_t s, const char *what, std::function<void()> run) {
    check(s, what);
    if (s->device != mx_host_current_device())
        mx_host_die("%s: the stream belongs to device %d, the current device is %d", what, s->device,
                    mx_host_current_device());
    mx_host_work work;
    work.run = std::move(run);
    if (s->captured)
        s->captured->work.push_back(std::move(work));
    else
        queue(s, std::move(work));
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags) {
    mx_host_lock lock;
    if (flags != cudaStreamNonBlocking) return mx_host_error(cudaErrorNotSupported);
    *s = new mx_host_stream();
    (*s)->device = mx_host_current_device();
    streams.push_back(*s);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s) {
    mx_host_lock lock;
    check(s, "cudaStreamDestroy");
    mx_host_run_stream(s);
    streams.erase(std::find(streams.begin(), streams.end(), s));
    delete s;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s) {
    mx_host_lock lock;
    if (check(s, "cudaStreamSynchronize")->captured)
        mx_host_die("cudaStreamSynchronize of a stream that is captured");
    mx_host_not_in_capture("cudaStreamSynchronize");
    mx_host_run_stream(s);
    return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) {
    mx_host_lock lock;
    mx_host_not_in_capture("cudaDeviceSynchronize");
    mx_host_run_device(mx_host_current_device());
    return cudaSuccess;
}

/* ---- events ---- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
    mx_host_lock lock;
    if (flags & ~static_cast<unsigned>(cudaEventBlockingSync | cudaEventDisableTiming))
        return mx_host_error(cudaErrorInvalidValue);
    *event = new mx_host_event();
    (*event)->timed = !(flags & cudaEventDisableTiming);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t s) {
    mx_host_lock lock;
    if (check(s, "cudaEventRecord")->captured)
        mx_host_die("cudaEventRecord: events in graphs are not emulated");
    mx_host_work work;
    work.marks = event->last = std::make_shared<mx_host_mark>();
    queue(s, std::move(work));
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t event, unsigned flags) {
    mx_host_lock lock;
    if (flags) return mx_host_error(cudaErrorInvalidValue);
    if (check(s, "cudaStreamWaitEvent")->captured)
        mx_host_die("cudaStreamWaitEvent: events in graphs are not emulated");
    if (!event->last) return cudaSuccess; /* never recorded */
    mx_host_work work;
    work.waits_for = event->last;
    queue(s, std::move(work));
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    mx_host_lock lock;
    mx_host_not_in_capture("cudaEventSynchronize");
    const std::shared_ptr<mx_host_mark> mark = event->last;
    if (mark) run_until([mark] { return mark->done; });
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
    mx_host_lock lock;
    if (!start->timed || !end->timed || !start->last || !end->last)
        return mx_host_error(cudaErrorInvalidValue);
    if (!start->last->done || !end->last->done) return mx_host_error(cudaErrorNotReady);
    *milliseconds = static_cast<float>(end->last->when - start->last->when);
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    mx_host_lock lock;
    delete event;
    return cudaSuccess;
}
