#include "dataplane/base/ensure.h"

#include <stdio.h>
#include <stdlib.h>

void ensure_failed(const char *file, int line, const char *cond)
{
	fprintf(stderr, "weir: %s:%d: this must hold and does not: %s\n", file, line, cond);
	abort();
}
