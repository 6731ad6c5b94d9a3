/* rx_toy - back ends as modules, for the test of what loads them: one that is whole, one of another
 * build, one that lacks something of the program. None of them captures.
 */
#include "dataplane/rx/module.h"

#if defined(TOY_IS_whole)
#define NAME whole
MODULE_IS(whole);
#elif defined(TOY_IS_older)
#define NAME older
MODULE_EXPORT const uint64_t rx_older_layout[MODULE_LAYOUT_WORDS];
#elif defined(TOY_IS_lacking)
#define NAME lacking
MODULE_IS(lacking);
#endif

#define GLUED(a, b)   a##b
#define GLUE(a, b)    GLUED(a, b)
#define QUOTED(a)     #a
#define QUOTE(a)      QUOTED(a)
#define BACKEND(name) GLUE(rx_, name)

#if defined(TOY_IS_lacking)
int what_no_program_has(struct rx_port *p);
#define WAIT_FD what_no_program_has
#else
#define WAIT_FD NULL
#endif

MODULE_EXPORT extern const struct rx_backend BACKEND(NAME);
MODULE_EXPORT const struct rx_backend BACKEND(NAME) = {
	.name = QUOTE(NAME),
	.help = "a toy",
	.wait_fd = WAIT_FD,
};
