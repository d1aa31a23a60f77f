// CRC-32C by the processor's own instruction, which Swift cannot name: SSE 4.2 on x86-64, the CRC extension on ARM. Whether
// the processor has it is asked at run time; other processors use the table in Framing.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

#include <cpuid.h>

static inline int cchecksum_has_instruction(void) {
    unsigned int a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2) != 0;
}

#define CCHECKSUM_TARGET __attribute__((target("sse4.2")))
#define CCHECKSUM_EIGHT(crc, word) __builtin_ia32_crc32di((crc), (word))
#define CCHECKSUM_ONE(crc, byte) __builtin_ia32_crc32qi((uint32_t)(crc), (byte))

#elif defined(__aarch64__)

#include <sys/auxv.h>

static inline int cchecksum_has_instruction(void) {
    return (getauxval(AT_HWCAP) & (1 << 7)) != 0; // HWCAP_CRC32
}

#define CCHECKSUM_TARGET __attribute__((target("crc")))
#define CCHECKSUM_EIGHT(crc, word) __builtin_arm_crc32cd((uint32_t)(crc), (word))
#define CCHECKSUM_ONE(crc, byte) __builtin_arm_crc32cb((uint32_t)(crc), (byte))

#endif

#ifdef CCHECKSUM_TARGET

// Call it only where the instruction is. `crc` is inverted already, and so is what comes back.
CCHECKSUM_TARGET static inline uint32_t cchecksum_crc32c(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *at = (const uint8_t *)bytes;
    uint64_t wide = crc;
    for (; count >= 8; at += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, at, 8); // both kinds of processor are little-endian under Linux
        wide = CCHECKSUM_EIGHT(wide, word);
    }
    for (; count > 0; at++, count--) wide = CCHECKSUM_ONE(wide, *at);
    return (uint32_t)wide;
}

// Three stretches of `count` bytes, one behind the other, each with its own checksum: the instruction takes three clocks and
// one can begin at every clock. `count` is a multiple of 8. The first begins with `crc`, the others with 0; none is inverted.
CCHECKSUM_TARGET static inline void cchecksum_crc32c_of_three(
    uint32_t crc, const void *bytes, size_t count, uint32_t *first, uint32_t *second, uint32_t *third) {
    const uint8_t *a = (const uint8_t *)bytes, *b = a + count, *c = b + count;
    uint64_t wide_a = crc, wide_b = 0, wide_c = 0;
    for (size_t done = 0; done < count; done += 8) {
        uint64_t word_a, word_b, word_c;
        memcpy(&word_a, a + done, 8);
        memcpy(&word_b, b + done, 8);
        memcpy(&word_c, c + done, 8);
        wide_a = CCHECKSUM_EIGHT(wide_a, word_a);
        wide_b = CCHECKSUM_EIGHT(wide_b, word_b);
        wide_c = CCHECKSUM_EIGHT(wide_c, word_c);
    }
    *first = (uint32_t)wide_a, *second = (uint32_t)wide_b, *third = (uint32_t)wide_c;
}

#else

static inline int cchecksum_has_instruction(void) { return 0; }
static inline void cchecksum_crc32c_of_three(
    uint32_t crc, const void *bytes, size_t count, uint32_t *first, uint32_t *second, uint32_t *third) {
    (void)bytes, (void)count;
    *first = crc, *second = 0, *third = 0;
}
static inline uint32_t cchecksum_crc32c(uint32_t crc, const void *bytes, size_t count) {
    (void)bytes, (void)count;
    return crc;
}

#endif
