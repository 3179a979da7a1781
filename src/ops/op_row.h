/* Macros that turn a row of op_list.h into declarations, table entries and calls.
 *
 * A row's parameter is a list in brackets that starts with its kind. MX_EACH passes each to one of the macros
 * below, which picks the macro for that kind. */
#ifndef MX_OPS_OP_ROW_H
#define MX_OPS_OP_ROW_H

/* Expands to m (a) m (b) ... for up to 12 lists. */
#define MX_EACH(m, ...)                                            MX_EACH_PICK(__VA_ARGS__, MX_EACH_COUNTS)(m, __VA_ARGS__)
#define MX_EACH_COUNTS                                             12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
#define MX_EACH_PICK(...)                                          MX_EACH_PICKED(__VA_ARGS__)
#define MX_EACH_PICKED(a, b, c, d, e, f, g, h, i, j, k, l, n, ...) MX_EACH_##n
#define MX_EACH_1(m, a)                                            m a
#define MX_EACH_2(m, a, ...)                                       m a MX_EACH_1(m, __VA_ARGS__)
#define MX_EACH_3(m, a, ...)                                       m a MX_EACH_2(m, __VA_ARGS__)
#define MX_EACH_4(m, a, ...)                                       m a MX_EACH_3(m, __VA_ARGS__)
#define MX_EACH_5(m, a, ...)                                       m a MX_EACH_4(m, __VA_ARGS__)
#define MX_EACH_6(m, a, ...)                                       m a MX_EACH_5(m, __VA_ARGS__)
#define MX_EACH_7(m, a, ...)                                       m a MX_EACH_6(m, __VA_ARGS__)
#define MX_EACH_8(m, a, ...)                                       m a MX_EACH_7(m, __VA_ARGS__)
#define MX_EACH_9(m, a, ...)                                       m a MX_EACH_8(m, __VA_ARGS__)
#define MX_EACH_10(m, a, ...)                                      m a MX_EACH_9(m, __VA_ARGS__)
#define MX_EACH_11(m, a, ...)                                      m a MX_EACH_10(m, __VA_ARGS__)
#define MX_EACH_12(m, a, ...)                                      m a MX_EACH_11(m, __VA_ARGS__)

/* A parameter in a declaration. */
#define MX_PARAMETER(kind, ...)      MX_PARAMETER_##kind(__VA_ARGS__)
#define MX_PARAMETER_TENSOR(t)       , mx_tensor t
#define MX_PARAMETER_INDEX(index, n) , const int32_t *index
#define MX_PARAMETER_LAYOUT(lay)     , const mx_layout *lay
#define MX_PARAMETER_TARGETS(t, n)   , const mx_targets *t
#define MX_PARAMETER_VALUE(type, x)  , type x

/* Ops with scratch memory take it as their last parameter. MX_IF_WORK_##scratch(x) is x for those ops, else nothing. */
#define MX_IF_WORK_NONE(...)
#define MX_IF_WORK_ROWS(...)      __VA_ARGS__
#define MX_IF_WORK_LINEAR(...)    __VA_ARGS__
#define MX_IF_WORK_ATTENTION(...) __VA_ARGS__

/* The backend's function that returns the bytes of scratch memory. Its arguments depend on the row's kind of
 * scratch. */
#define MX_WORK_NONE(function)
#define MX_WORK_ROWS(function) size_t function(const mx_ctx *c, int64_t rows, int64_t width);
#define MX_WORK_LINEAR(function)                                                                             \
    size_t function(const mx_ctx *c, int64_t rows, int64_t out, int64_t in, mx_dtype x);
#define MX_WORK_ATTENTION(function)                                                                          \
    size_t function(const mx_ctx *c, const mx_layout *lay, int64_t batch, int64_t heads, int64_t d,          \
                    bool biased);

/* Prototype of the op; `(*name)` declares a pointer to it. */
#define MX_OP_FUNCTION(function, scratch, ...)                                                               \
    void function(mx_ctx *c MX_EACH(MX_PARAMETER, __VA_ARGS__) MX_IF_WORK_##scratch(, void *work))

/* Prototypes of a backend's functions for a row: prefix##name and, with scratch memory, prefix##name##_work. */
#define MX_OP_DECLARE(prefix, name, scratch, ...)                                                            \
    MX_OP_FUNCTION(prefix##name, scratch, __VA_ARGS__);                                                      \
    MX_WORK_##scratch(prefix##name##_work)

/* The same functions as entries of the backend's table. */
#define MX_OP_ENTRY(prefix, name, scratch)                                                                   \
    .name = prefix##name, MX_IF_WORK_##scratch(.name##_work = prefix##name##_work, )

#endif
