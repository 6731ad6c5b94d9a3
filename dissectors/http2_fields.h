/* http2_fields - the fields of http2 and of grpc, one table for both: where grpc is not enabled its
 * calls are told as http2. */
#ifndef DISSECTORS_HTTP2_FIELDS_H
#define DISSECTORS_HTTP2_FIELDS_H

#include "dissectors/dissector.h"

enum http2_field {
	HTTP2_HOST = FIELD_OWN,
	HTTP2_SCHEME,
	HTTP2_PROTOCOL,
	HTTP2_INTERIM,
	HTTP2_PUSHED,
	HTTP2_RESET,
	HTTP2_GRAPHQL_TYPE,
	HTTP2_GRAPHQL_OPERATION,
	HTTP2_HEADERS,
	HTTP2_TRAILERS,
	GRPC_STATUS,
	GRPC_MESSAGE,
	GRPC_ENCODING,
	GRPC_MESSAGES,
	GRPC_MESSAGE_BYTES,
	GRPC_COMPRESSED,
};

enum { HTTP2_FIELD_COUNT = GRPC_COMPRESSED - FIELD_OWN + 1 };

extern const struct field http2_fields[HTTP2_FIELD_COUNT];
extern const struct dissector dissector_grpc;

#endif
