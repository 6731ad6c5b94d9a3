/* toy - a protocol of lines, to test the host and pairing without a real one.
 *
 *     ?text      request            =text      response
 *     ~text      interim response   !text      one-way
 *     ?#5 text   request by key     =#5 text   response by key
 *     %7 text    request, then 7 bytes of body; `=%7 text` the same for a response
 *     @          the connection becomes opaque
 *
 * It stands in for the registry: link it instead of dissectors/registry.c.
 */
#ifndef TESTS_SUPPORT_TOY_H
#define TESTS_SUPPORT_TOY_H

#include "dissectors/registry.h"

extern const struct dissector dissector_toy;

#endif
