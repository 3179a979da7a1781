/* From a pickled call of torch._utils._rebuild_tensor_v2 to a tensor whose elements are all inside its
 * storage, see pth_internal.h. */
#include "io/pth_internal.h"
#include "io/pth_tensor.h"

#include <stdio.h>
#include <string.h>

static const mx_pth_type types[] = {{"F32", "FloatStorage", "float32", "float", 4},
                                    {"F16", "HalfStorage", "float16", "half", 2},
                                    {"BF16", "BFloat16Storage", "bfloat16", "bfloat16", 2},
                                    {"F64", "DoubleStorage", "float64", "double", 8},
                                    {"I64", "LongStorage", "int64", "long", 8},
                                    {"I32", "IntStorage", "int32", "int", 4},
                                    {"I16", "ShortStorage", "int16", "short", 2},
                                    {"I8", "CharStorage", "int8", "int8", 1},
                                    {"U8", "ByteStorage", "uint8", "uint8", 1},
                                    {"U8", "UntypedStorage", "uint8", "uint8", 1},
                                    {"BOOL", "BoolStorage", "bool", "bool", 1},
                                    {"C64", "ComplexFloatStorage", "complex64", "cfloat", 8},
                                    {"C128", "ComplexDoubleStorage", "complex128", "cdouble", 16},
                                    {"U16", "", "uint16", "uint16", 2},
                                    {"U32", "", "uint32", "uint32", 4},
                                    {"U64", "", "uint64", "uint64", 8},
                                    {"C32", "", "complex32", "chalf", 4},
                                    {"F8_E8M0", "", "float8_e8m0fnu", "float8_e8m0fnu", 1},
                                    {"F8_E4M3FNUZ", "", "float8_e4m3fnuz", "float8_e4m3fnuz", 1},
                                    {"F8_E5M2FNUZ", "", "float8_e5m2fnuz", "float8_e5m2fnuz", 1},
                                    {"F8_E5M2", "", "float8_e5m2", "float8_e5m2", 1},
                                    {"F8_E4M3", "", "float8_e4m3fn", "float8_e4m3fn", 1}};
#define TYPES (sizeof types / sizeof *types)

const mx_pth_type *mx_pth_storage_type(const mx_pk_node *g) {
    static const char *const module[] = {"torch", "torch.storage", "torch.cuda"};
    for (size_t m = 0; m < 3; m++)
        for (size_t i = 0; i < TYPES; i++)
            if (mx_pk_is_global(g, module[m], types[i].storage)) return &types[i];
    return NULL;
}

const mx_pth_type *mx_pth_dtype(const mx_pk_node *g) {
    for (size_t i = 0; i < TYPES; i++)
        if (mx_pk_is_global(g, "torch", types[i].name) || mx_pk_is_global(g, "torch", types[i].alias))
            return &types[i];
    return NULL;
}

static mx_status bad(mx_error *e, const char *where, const char *why) {
    return where ? mx_fail(e, MX_ERR_FORMAT, "tensor %.200s: %s", where, why)
                 : mx_fail(e, MX_ERR_FORMAT, "%s", why);
}

/* Describes a node found in place of a storage's class or a dtype. The name is printed, so its control
 * characters become "?". */
static mx_status unknown_type(mx_error *e, const char *where, const char *what, const mx_pk_node *n) {
    char name[96] = "no name", why[160];
    if (n->kind == MX_PK_GLOBAL)
        snprintf(name, sizeof name, "%.*s.%.*s", (int)(n->size < 40 ? n->size : 40), n->text,
                 (int)(n->size2 < 40 ? n->size2 : 40), n->text2);
    for (char *c = name; *c; c++)
        if ((unsigned char)*c < 32 || *c == 127) *c = '?';
    snprintf(why, sizeof why, "a %s of a type that is not known (%s)", what, name);
    return bad(e, where, why);
}

static bool whole(const mx_pk_node *n, int64_t *out) {
    if (!n || n->kind != MX_PK_INT || n->whole < 0) return false;
    *out = n->whole;
    return true;
}

mx_status mx_pth_storage_read(mx_pth_storage *s, const mx_pk_node *persistent, const char *where,
                              mx_error *e) {
    const mx_pk_node *id = persistent->kind == MX_PK_PERSISTENT ? persistent->item[0] : NULL;
    if (!id || id->kind != MX_PK_TUPLE || id->count < 5 || id->count > 6 ||
        !mx_pk_is_text(id->item[0], "storage") || id->item[2]->kind != MX_PK_TEXT)
        return bad(e, where, "expected ('storage', type, key, location, count) for its storage");
    *s = (mx_pth_storage){.type = mx_pth_storage_type(id->item[1]), .key = id->item[2]};
    if (!s->type) return unknown_type(e, where, "storage", id->item[1]);
    if (!whole(id->item[4], &s->count)) return bad(e, where, "its storage has no count of elements");
    s->elements = s->count;
    const mx_pk_node *view = id->count == 6 ? id->item[5] : NULL;
    if (!view || view->kind == MX_PK_NONE) return MX_OK;
    if (view->kind != MX_PK_TUPLE || view->count != 3 || !whole(view->item[1], &s->first) ||
        !whole(view->item[2], &s->elements) || s->first > s->count || s->elements > s->count - s->first)
        return bad(e, where, "a view that passes the end of its storage");
    return MX_OK;
}

mx_status mx_pth_storage_find(const mx_pth *p, const mx_pth_storage *s, const char *where, int64_t *record,
                              mx_error *e) {
    size_t bytes = 0, want;
    mx_error own = {0};
    if (p->zip ? mx_pth_zip_find(p, s->key, record, &bytes, &own)
               : mx_pth_legacy_find(p, s->key, record, &bytes, &own))
        return bad(e, where, own.text);
    if (__builtin_mul_overflow((uint64_t)s->count, (size_t)s->type->width, &want) || want != bytes)
        return mx_fail(e, MX_ERR_FORMAT,
                       "tensor %.200s: its storage of %lld %s elements has %zu bytes in the file", where,
                       (long long)s->count, s->type->dtype, bytes);
    return MX_OK;
}

/* A tuple of integers, or a torch.Size. */
static mx_status read_list(int64_t out[MX_PTH_MAX_DIM], int *count, const mx_pk_node *n, const char *where,
                           const char *what, mx_error *e) {
    if (n->kind == MX_PK_CALL && mx_pk_is_global(n->item[0], "torch", "Size") && n->item[1]->count == 1)
        n = n->item[1]->item[0];
    if ((n->kind != MX_PK_TUPLE && n->kind != MX_PK_LIST) || n->count > MX_PTH_MAX_DIM)
        return mx_fail(e, MX_ERR_FORMAT, "tensor %.200s: %s must be a tuple of at most %d numbers", where,
                       what, MX_PTH_MAX_DIM);
    for (uint32_t i = 0; i < n->count; i++)
        if (!whole(n->item[i], &out[i]))
            return mx_fail(e, MX_ERR_FORMAT, "tensor %.200s: %s holds what is no whole number from 0", where,
                           what);
    *count = (int)n->count;
    return MX_OK;
}

/* Computes the number of elements and checks that the last one is among the `have` elements of its
 * storage. */
static mx_status check_reach(mx_pth_tensor *t, int64_t first, int64_t have, const char *where, mx_error *e) {
    int64_t last = first, step;
    t->count = 1;
    for (int i = 0; i < t->ndim; i++)
        if (t->dim[i] == 0) t->count = 0;
    if (!t->count) return MX_OK; /* nothing is read */
    for (int i = 0; i < t->ndim; i++)
        if (__builtin_mul_overflow(t->count, t->dim[i], &t->count) ||
            __builtin_mul_overflow(t->dim[i] - 1, t->stride[i], &step) ||
            __builtin_add_overflow(last, step, &last))
            return bad(e, where, "its shape or strides overflow");
    if (last >= have)
        return mx_fail(e, MX_ERR_FORMAT, "tensor %.200s: element %lld lies outside its storage of %lld",
                       where, (long long)last, (long long)have);
    return MX_OK;
}

/* The number of leading arguments that matter if the callee f rebuilds a tensor, else 0. *typed: it has a
 * dtype argument. */
static uint32_t tensor_arguments(const mx_pk_node *f, bool *typed) {
    *typed = mx_pk_is_global(f, "torch._utils", "_rebuild_tensor_v3");
    if (*typed) return 7;
    if (mx_pk_is_global(f, "torch._utils", "_rebuild_tensor_v2")) return 6;
    return mx_pk_is_global(f, "torch._utils", "_rebuild_tensor") ? 4 : 0;
}

/* Calls whose first argument is the tensor. */
static bool wraps(const mx_pk_node *f) {
    return mx_pk_is_global(f, "torch._utils", "_rebuild_parameter") ||
           mx_pk_is_global(f, "torch._utils", "_rebuild_parameter_with_state") ||
           mx_pk_is_global(f, "torch.nn.parameter", "Parameter") ||
           mx_pk_is_global(f, "torch.nn.parameter", "Buffer");
}

bool mx_pth_tensor_call(mx_pth_call *call, const mx_pk_node *n) {
    bool typed;
    if (n->kind != MX_PK_CALL) return false;
    *call = (mx_pth_call){n->item[0], n->item[1]};
    for (int depth = 0; depth < 8; depth++) {
        const mx_pk_node *a = call->arguments;
        if (tensor_arguments(call->what, &typed)) return true;
        if (mx_pk_is_global(call->what, "torch._tensor", "_rebuild_from_type_v2")) {
            /* (function, class, arguments, attributes): the class changes no element */
            if (a->count < 3 || a->item[2]->kind != MX_PK_TUPLE) return false;
            *call = (mx_pth_call){a->item[0], a->item[2]};
        } else if (wraps(call->what) && a->count && a->item[0]->kind == MX_PK_CALL)
            *call = (mx_pth_call){a->item[0]->item[0], a->item[0]->item[1]};
        else
            return false;
    }
    return false;
}

const char *mx_pth_tensor_other(const mx_pk_node *n) {
    static const char *const kind[][3] = {
        {"torch._utils", "_rebuild_qtensor", "a quantised tensor"},
        {"torch._utils", "_rebuild_sparse_tensor", "a sparse tensor"},
        {"torch._utils", "_rebuild_sparse_csr_tensor", "a sparse tensor"},
        {"torch._utils", "_rebuild_nested_tensor", "a nested tensor"},
        {"torch._utils", "_rebuild_meta_tensor_no_storage", "a tensor without values, of the device meta"},
        {"torch._utils", "_rebuild_wrapper_subclass", "a tensor of a class of its own"},
        {"torch._utils", "_rebuild_device_tensor_from_numpy", "a tensor kept as a NumPy array"},
        {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", "a tensor of another device"},
        {"numpy.core.multiarray", "_reconstruct", "a NumPy array"},
        {"numpy._core.multiarray", "_reconstruct", "a NumPy array"},
        {"numpy._core.numeric", "_frombuffer", "a NumPy array"},
        {"numpy.core.numeric", "_frombuffer", "a NumPy array"}};
    const mx_pk_node *f = n->kind == MX_PK_CALL ? n->item[0] : NULL;
    for (size_t i = 0; f && i < sizeof kind / sizeof *kind; i++)
        if (mx_pk_is_global(f, kind[i][0], kind[i][1])) return kind[i][2];
    return NULL;
}

/* Flags of a view that its storage does not show: (…, hooks, {'neg': True, 'conj': True}). */
static mx_status check_bits(const mx_pk_node *arguments, uint32_t at, const char *where, mx_error *e) {
    static const char *const bit[] = {"neg", "conj"};
    for (int i = 0; at < arguments->count && i < 2; i++) {
        const mx_pk_node *set = mx_pk_get(arguments->item[at], bit[i]);
        if (set && (set->kind != MX_PK_BOOL || set->whole))
            return bad(e, where,
                       "a lazily negated or conjugated view: save it with resolve_neg(), resolve_conj()");
    }
    return MX_OK;
}

mx_status mx_pth_tensor_read(const mx_pth *p, mx_pth_tensor *t, const mx_pth_call *call, const char *where,
                             mx_error *e) {
    bool typed;
    uint32_t need = tensor_arguments(call->what, &typed);
    const mx_pk_node *a = call->arguments;
    mx_pth_storage s;
    int64_t first, have;
    int strides = 0;
    if (a->count < need) return bad(e, where, "too few arguments of its call");
    if (mx_pth_storage_read(&s, a->item[0], where, e)) return e->status;
    if (mx_pth_storage_find(p, &s, where, &t->record, e)) return e->status;
    const mx_pth_type *type = typed ? mx_pth_dtype(a->item[6]) : s.type;
    if (!type) return unknown_type(e, where, "dtype", a->item[6]);
    if (check_bits(a, need, where, e)) return e->status;
    if (!whole(a->item[1], &first)) return bad(e, where, "its offset is no whole number from 0");
    if (read_list(t->dim, &t->ndim, a->item[2], where, "its shape", e) ||
        read_list(t->stride, &strides, a->item[3], where, "its strides", e))
        return e->status;
    if (strides != t->ndim) return bad(e, where, "another number of strides than of dimensions");
    t->dtype = type->dtype, t->width = type->width;
    have = s.elements * s.type->width / type->width; /* the product is at most the file's size */
    t->stored = have;
    if (check_reach(t, first, have, where, e)) return e->status;
    t->offset = t->count ? (size_t)s.first * (size_t)s.type->width + (size_t)first * (size_t)t->width : 0;
    return MX_OK;
}
