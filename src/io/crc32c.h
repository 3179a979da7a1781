/* CRC-32C (Castagnoli), used by TensorBoard's records and run states. zlib and similar libraries only have
 * the other CRC-32. */
#ifndef MX_IO_CRC32C_H
#define MX_IO_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Reflected polynomial 0x82F63B78, initial and final inversion: "123456789" → 0xe3069283. */
uint32_t mx_crc32c(const void *bytes, size_t size);
/* Continues a CRC: bytes follow others whose CRC is crc (0: none). */
uint32_t mx_crc32c_more(uint32_t crc, const void *bytes, size_t size);
/* The same as mx_crc32c in plain C, for any processor. Tests compare it with the processor's instruction. */
uint32_t mx_crc32c_plain(const void *bytes, size_t size);
/* Rotated by 15 bits and offset, so that data containing CRCs can safely have a CRC (TensorBoard's record
 * format). */
uint32_t mx_crc32c_masked(const void *bytes, size_t size);

#endif
