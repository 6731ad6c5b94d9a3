/* show - findings and deeds as lines for people, or as one JSON object. */
#ifndef CONTROL_HOST_SHOW_H
#define CONTROL_HOST_SHOW_H

#include <stdio.h>

#include "control/host/mend.h"

/* show_lines - one each, in columns. `colour`: the first one in colour; `quiet`: only what is to
 * mend. `r` or `d` may be NULL. */
void show_lines(const struct report *r, const struct deeds *d, bool colour, bool quiet, FILE *to);

/* show_json - {"status":1,"findings":[...],"changes":[...]}, and a newline; `quiet` as above. */
void show_json(int status, const struct report *r, const struct deeds *d, bool quiet, FILE *to);

#endif
