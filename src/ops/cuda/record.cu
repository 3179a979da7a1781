/* Recordings: CUDA graphs, with page-locked staging memory for their uploads. See ops/replay.h. */
#include <stdlib.h>
#include <string.h>

#include "ops/cuda/state.cuh"

typedef struct {
    const char *from;
    size_t bytes, at; /* at: in the staging memory */
    bool moves;       /* from is an offset into the caller's moving memory */
} upload;

struct mx_cuda_recording {
    cudaGraphExec_t graph;
    cudaEvent_t done; /* of the last replay: only then may its staging memory change */
    bool running;
    char *staging;
    size_t capacity, used;
    upload *item;
    int count, room;
    const char *moving;
    size_t moving_bytes;
};

static void free_recording(mx_cuda_recording *r) {
    if (r->running) cudaEventSynchronize(r->done);
    if (r->graph) cudaGraphExecDestroy(r->graph);
    if (r->done) cudaEventDestroy(r->done);
    if (r->staging) cudaFreeHost(r->staging);
    free(r->item);
    free(r);
}

/* Copies an upload's bytes to their place in staging memory. */
static void fill(const mx_cuda_recording *r, const upload *u, const char *moving) {
    memcpy(r->staging + u->at, u->moves ? moving + (size_t)u->from : u->from, u->bytes);
}

bool mx_cuda_record_upload(mx_ctx *c, void *address, const void *from, size_t bytes) {
    mx_cuda *d = mx_cuda_of(c);
    mx_cuda_recording *r = d->recording;
    const char *p = (const char *)from;
    if (r->count == r->room) {
        const int room = r->room ? 2 * r->room : 8;
        upload *grown = (upload *)realloc(r->item, sizeof *grown * (size_t)room);
        if (!grown) return mx_fail(&c->error, MX_ERR_MEMORY, "out of memory for a recording"), false;
        r->item = grown, r->room = room;
    }
    if (r->used + bytes > r->capacity)
        return mx_fail(&c->error, MX_ERR_ARGUMENT,
                       "recorded work uploads more than when it was first called"),
               false;
    const bool moves = r->moving && p >= r->moving && p + bytes <= r->moving + r->moving_bytes;
    const upload u = {moves ? (const char *)(p - r->moving) : p, bytes, r->used, moves};
    r->item[r->count++] = u;
    r->used += (bytes + MX_ALIGN - 1) / MX_ALIGN * MX_ALIGN;
    return mx_cuda_check(
        c, cudaMemcpyAsync(address, r->staging + u.at, bytes, cudaMemcpyHostToDevice, d->stream), "upload");
}

extern "C" {

bool mx_cuda_record_begin(mx_ctx *c, size_t uploaded, const void *moving, size_t bytes) {
    mx_cuda *d = mx_cuda_of(c);
    mx_cuda_recording *r = (mx_cuda_recording *)calloc(1, sizeof *r);
    if (!r) return mx_fail(&c->error, MX_ERR_MEMORY, "out of memory for a recording"), false;
    r->capacity = uploaded, r->moving = (const char *)moving, r->moving_bytes = bytes;
    if (mx_cuda_check(c, cudaMallocHost((void **)&r->staging, uploaded ? uploaded : 1), "staging memory") &&
        mx_cuda_check(c, cudaEventCreateWithFlags(&r->done, cudaEventDisableTiming), "event") &&
        mx_cuda_check(c, cudaStreamBeginCapture(d->stream, cudaStreamCaptureModeThreadLocal), "record")) {
        d->recording = r;
        return true;
    }
    free_recording(r);
    return false;
}

void *mx_cuda_record_end(mx_ctx *c) {
    mx_cuda *d = mx_cuda_of(c);
    mx_cuda_recording *r = d->recording;
    cudaGraph_t graph = NULL;
    d->recording = NULL;
    bool made = mx_cuda_check(c, cudaStreamEndCapture(d->stream, &graph), "record") && mx_ok(c) &&
                mx_cuda_check(c, cudaGraphInstantiate(&r->graph, graph, 0), "record");
    if (graph) cudaGraphDestroy(graph);
    if (made) return r;
    free_recording(r);
    return NULL;
}

void mx_cuda_replay(mx_ctx *c, void *recording, const void *moving) {
    mx_cuda *d = mx_cuda_of(c);
    mx_cuda_recording *r = (mx_cuda_recording *)recording;
    if (r->running && !mx_cuda_check(c, cudaEventSynchronize(r->done), "replay")) return;
    for (int i = 0; i < r->count; i++) fill(r, &r->item[i], (const char *)moving);
    r->running = mx_cuda_check(c, cudaGraphLaunch(r->graph, d->stream), "replay") &&
                 mx_cuda_check(c, cudaEventRecord(r->done, d->stream), "replay");
}

void mx_cuda_recording_free(mx_ctx *c, void *recording) {
    mx_cuda_of(c);
    free_recording((mx_cuda_recording *)recording);
}

} /* extern "C" */
