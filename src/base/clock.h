/* Wall-clock time. */
#ifndef MX_BASE_CLOCK_H
#define MX_BASE_CLOCK_H

/* Seconds since an arbitrary moment, monotonic. */
double mx_clock_now(void);
/* Seconds since 1970, UTC. */
double mx_clock_wall(void);

#endif
