/* Memory figures of this process and this machine. */
#ifndef MX_BASE_PROCESS_H
#define MX_BASE_PROCESS_H

#include <stddef.h>

/* Resident bytes now, and their peak; 0 when unknown. */
size_t mx_process_resident(void);
size_t mx_process_peak(void);
/* Bytes of memory that a program can use without swapping; 0 when unknown. */
size_t mx_machine_available(void);

#endif
