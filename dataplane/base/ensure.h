/* ensure - a condition that only a mistake of ours can break.
 *
 * Present in every build: a capture that goes on after its own invariants
 * broke would publish wrong numbers with a straight face. Traffic, files and
 * the other process are never a reason to get here.
 */
#ifndef DATAPLANE_BASE_ENSURE_H
#define DATAPLANE_BASE_ENSURE_H

#define ENSURE(cond)                                                                               \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			ensure_failed(__FILE__, __LINE__, #cond);                                  \
	} while (0)

/* ensure_failed - say which condition broke on stderr, then abort(). */
_Noreturn void ensure_failed(const char *file, int line, const char *cond);

#endif
