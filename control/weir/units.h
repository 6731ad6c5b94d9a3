/* units - numbers as people write them: 64k, 1MiB, 20ms, 2m, on.
 *
 *     UNIT_COUNT     1000, 0x3e8
 *     UNIT_BYTES     512, 64k = 64K = 64KiB, 1.5M, up to T; a factor is always 1024
 *     UNIT_TIME_NS   20ms, 0.5s, 2m, 24h, 7d; a bare number is seconds
 *     UNIT_SWITCH    on off
 *
 * A fraction is fine as long as the result is a whole number of bytes or
 * nanoseconds: nothing is ever rounded. `MB` is refused, because half of its
 * readers take it for 10^6 and the other half for 2^20.
 */
#ifndef CONTROL_WEIR_UNITS_H
#define CONTROL_WEIR_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/shm/settings.h"

enum { UNITS_TEXT_BYTES = 32 };

/* units_parse - Returns: 0 and *ret; -EINVAL: not written in this unit; -ERANGE: beyond 64 bits. */
int units_parse(enum setting_unit unit, const char *text, uint64_t *ret);

/* units_format - the shortest text that units_parse() reads back as the same number. */
void units_format(enum setting_unit unit, uint64_t value, char ret[UNITS_TEXT_BYTES]);

/* units_example - how a number of this unit is written, for error messages. */
const char *units_example(enum setting_unit unit);

#endif
