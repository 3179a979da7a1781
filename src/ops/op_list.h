/* The list of ops that a backend computes, one row each: MX_OP(name, scratch, parameters...).
 *
 * Define MX_OP and include this file, any number of times; it undefines MX_OP. It generates the backend's
 * struct (backend.h), each backend's prototypes and table, and the calls that turn handles into addresses
 * (run.c). The contracts are in ops.h under the same names, except:
 *   linear       one forward for all linear ops. y [N,O] = epilogue(x wᵀ + b); h present: h = that sum, y = GELU(h);
 *                r present: y = r + keep * sum
 *   linear_back  one backward; h present: dx is multiplied by GELU'(h)
 * Kinds of parameters: T tensor; INDEX rows of a tensor, n of them; LAYOUT; TARGETS of n rows; V any other
 * value, by type.
 * Kinds of scratch memory, and what the size depends on:
 *   NONE         no scratch memory
 *   ROWS         n rows of a width (unmix_back: 2BL rows of D)
 *   LINEAR       rows, out, in, the type of x
 *   ATTENTION    layout (worst case over all masks; its tables must not be read), batch, heads, width of a head,
 *                whether there is a bias table */
#ifndef MX_OP
#error "define MX_OP(name, scratch, ...) first"
#endif

#define T(t)            (TENSOR, t)
#define INDEX(index, n) (INDEX, index, n)
#define LAYOUT(lay)     (LAYOUT, lay)
#define TARGETS(t, n)   (TARGETS, t, n)
#define V(type, x)      (VALUE, type, x)

/* clang-format off */
MX_OP(fill,               NONE,      T(t), V(float, value))
MX_OP(copy,               NONE,      T(y), T(x))
MX_OP(scale_samples,      NONE,      T(y), T(x), T(keep))
MX_OP(gather_rows,        NONE,      T(y), T(x), INDEX(index, y.dim[1]))
MX_OP(scatter_rows,       NONE,      T(dx), T(dy), INDEX(index, dy.dim[1]))
MX_OP(patch_rows,         NONE,      T(y), T(images), LAYOUT(lay), V(int, p))
MX_OP(add_position,       NONE,      T(x), T(pos), LAYOUT(lay))
MX_OP(linear,             LINEAR,    T(y), T(h), T(r), T(x), T(w), T(b), T(keep))
MX_OP(linear_back,        LINEAR,    T(dx), T(dw), T(db), T(dy), T(x), T(h), T(w))
MX_OP(gelu,               NONE,      T(y), T(h))
MX_OP(layernorm,          NONE,      T(y), T(mean), T(rstd), T(x), T(gamma), T(beta))
MX_OP(layernorm_back,     ROWS,      T(dx), T(dgamma), T(dbeta), T(dy), T(x), T(mean), T(rstd), T(gamma), V(bool, add))
MX_OP(attention,          ATTENTION, T(out), T(lse), T(qkv), T(table), LAYOUT(lay))
MX_OP(attention_back,     ATTENTION, T(dqkv), T(dtable), T(dout), T(out), T(lse), T(qkv), T(table), LAYOUT(lay))
MX_OP(unmix,              NONE,      T(y), T(z), T(token), T(pos), LAYOUT(lay))
MX_OP(unmix_back,         ROWS,      T(dz), T(dtoken), T(dy), LAYOUT(lay))
MX_OP(pixel_loss,         ROWS,      T(loss), T(dpred), T(pred), T(images), TARGETS(targets, mx_rows(pred)),
                                     V(float, scale))
MX_OP(soft_cross_entropy, NONE,      T(loss), T(dlogits), T(logits), T(targets), V(float, scale))
MX_OP(mean_rows,          NONE,      T(y), T(x))
MX_OP(mean_rows_back,     NONE,      T(dx), T(dy))
MX_OP(square_sum,         NONE,      T(sum), T(g))
MX_OP(update_begin,       NONE,      T(u), T(log), T(loss), V(double, clip))
MX_OP(adamw,              NONE,      T(w), T(m), T(v), T(g), T(u), V(const mx_adamw_args *, a))
MX_OP(average,            NONE,      T(average), T(w), V(double, decay))
/* clang-format on */

#undef T
#undef INDEX
#undef LAYOUT
#undef TARGETS
#undef V
#undef MX_OP
