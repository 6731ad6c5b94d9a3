/* graphql - the operation that a request over HTTP asks for (GraphQL, October 2021; GraphQL over
 * HTTP).
 *
 *     POST application/json       {"query": document, "operationName": name or null}
 *     POST application/graphql    document
 *     GET  …?query=document&operationName=name
 *
 * What is told is beyond doubt: the whole document follows the grammar of executable documents, and
 * the operation is the one that is named, or the only one there is. Else nothing is told: batches,
 * persisted queries, members that occur twice, bodies not all there.
 *
 * Cost: linear in the bytes; nesting has a limit. No memory but the stack.
 */
#ifndef DISSECTORS_GRAPHQL_H
#define DISSECTORS_GRAPHQL_H

#include <stdbool.h>

#include "dissectors/cursor.h"

enum {
	GRAPHQL_BYTES = 16384,    /* of a body or a query; a longer one is not read */
	GRAPHQL_NAME_BYTES = 128, /* of an operation; a longer one is not told */
};

enum graphql_kind { GRAPHQL_NONE, GRAPHQL_JSON, GRAPHQL_TEXT };

struct graphql {
	const char *type; /* query, mutation, subscription */
	uint8_t name[GRAPHQL_NAME_BYTES];
	size_t name_bytes; /* 0: the operation has none */
};

/* graphql_kind - what a body of this content type may be. */
enum graphql_kind graphql_kind(struct slice content_type);

/* graphql_in_body, graphql_in_target - false: there is no operation, or one in doubt. */
bool graphql_in_body(enum graphql_kind kind, struct slice body, struct graphql *ret);
bool graphql_in_target(struct slice target, struct graphql *ret);

#endif
