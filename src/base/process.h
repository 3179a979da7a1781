/* What the system says about this process and this machine. */
#ifndef MX_BASE_PROCESS_H
#define MX_BASE_PROCESS_H

#include <stddef.h>

/* Resident bytes now, and the most there ever were; 0 when unknown. */
size_t mx_process_resident(void);
size_t mx_process_peak(void);
/* Bytes of memory that a program can take without swapping; 0 when unknown. */
size_t mx_machine_available(void);

#endif
