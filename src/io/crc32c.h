/* CRC-32C (Castagnoli), as TensorBoard's records and run states use it; zlib and its like have only the other
 * CRC-32. */
#ifndef MX_IO_CRC32C_H
#define MX_IO_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Reflected polynomial 0x82F63B78, initial and final inversion: "123456789" → 0xe3069283. */
uint32_t mx_crc32c(const void *bytes, size_t size);
/* Of bytes that follow others, whose CRC is crc (0: of none). */
uint32_t mx_crc32c_more(uint32_t crc, const void *bytes, size_t size);
/* The same as mx_crc32c on any processor: what tests compare with the instruction's. */
uint32_t mx_crc32c_plain(const void *bytes, size_t size);
/* Rotated by 15 and offset, so that a CRC of data holding CRCs is safe (formats.md c). */
uint32_t mx_crc32c_masked(const void *bytes, size_t size);

#endif
