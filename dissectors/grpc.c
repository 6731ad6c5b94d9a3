/* grpc - names and fields of gRPC calls, which http2.c finds by their content type.
 *
 * The full method is `method`, the status of the call (from the trailers, or from a response of
 * trailers only) is `code`. A call is one record, however many messages it streams: they are
 * counted, with their bytes, both ways.
 */
#include "dissectors/http2_fields.h"

const struct dissector dissector_grpc = {
	.name = "grpc",
	.proto = "grpc",
	.title = "gRPC, where http2 is read too",
	.fields = http2_fields,
	.field_count = HTTP2_FIELD_COUNT,
	.interim_field = HTTP2_INTERIM,
};
