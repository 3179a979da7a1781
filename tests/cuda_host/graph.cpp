/* Graphs: a stream's calls, recorded between begin and end, with arguments by value, and replayed as often as wanted. */
#include "stream.h"

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode) {
    mx_host_lock lock;
    const int device = mx_host_stream_device(s, "cudaStreamBeginCapture");
    if (s->captured) mx_host_die("cudaStreamBeginCapture: the stream is captured already");
    s->captured = new mx_host_graph();
    s->captured->device = device;
    s->capture_mode = mode;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph) {
    mx_host_lock lock;
    mx_host_stream_device(s, "cudaStreamEndCapture");
    if (!s->captured) mx_host_die("cudaStreamEndCapture: the stream is not captured");
    *graph = s->captured;
    s->captured = NULL;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags) {
    mx_host_lock lock;
    if (flags) return mx_host_error(cudaErrorInvalidValue);
    *exec = new mx_host_graph_exec();
    (*exec)->device = graph->device;
    (*exec)->work = graph->work;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s) {
    mx_host_lock lock;
    if (mx_host_stream_device(s, "cudaGraphLaunch") != exec->device)
        mx_host_die("cudaGraphLaunch: the graph is of device %d", exec->device);
    if (s->captured) mx_host_die("cudaGraphLaunch: graphs in graphs are not emulated");
    for (const mx_host_work &work : exec->work) mx_host_enqueue(s, "cudaGraphLaunch", work.run);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    mx_host_lock lock;
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    mx_host_lock lock;
    delete exec;
    return cudaSuccess;
}
