/* kafka - the protocol of Apache Kafka (kafka.apache.org/protocol): a length, a header, a body.
 *
 * Understood: every API by name and version; which response answers which request, by
 * correlation id; the bodies of the APIs in `apis` that have a layout: topics (by id where the
 * version has no names), groups, partitions, records, error codes, in all their versions, flexible
 * ones included. Produce with acks 0 is `oneway`. Sets of records are not gathered: the head of
 * each batch says how many records it has, the rest is skipped; messages of the formats before
 * that (magic 0 and 1) are counted, a compressed one as one.
 *
 * Left alone: other bodies, records, tagged fields, and SASL tokens without headers (they follow
 * SaslHandshake version 0: the connection is opaque from there on).
 *
 * A layout is a list of fields with the versions they are in; reading it is a loop with a stack
 * of array counts that goes on wherever the bytes were cut, so that only a field is ever
 * gathered. A body that its layout does not fit is skipped by its length and flagged `anomaly`.
 *
 * After a gap the next message is where the length says, if the gap lies inside one message;
 * else at the next segment that begins with a request's header, or with the length and
 * correlation id of an open request, or that whole messages fill to the last byte.
 */
#include <string.h>

#include "dissectors/dissector.h"

enum own_field {
	KAFKA_CLIENT_ID = FIELD_OWN,
	KAFKA_CORRELATION_ID,
	KAFKA_GROUP,
	KAFKA_ACKS,
	KAFKA_TOPICS,
	KAFKA_PARTITIONS,
	KAFKA_RECORDS,
	KAFKA_ERRORS,
	KAFKA_REASON,
};

static const struct field fields[] = {
	{ "client_id", FIELD_TEXT, "what the client calls itself" },
	{ "correlation_id", FIELD_NUMBER, "number of the request, repeated in its response" },
	{ "group", FIELD_TEXT, "consumer group" },
	{ "acks", FIELD_TEXT, "acknowledgements a producer asks for: 0, 1 or -1 (all)" },
	{ "topics", FIELD_LIST, "topics, the first of which is the target; ids in base64" },
	{ "partitions", FIELD_NUMBER, "partitions spoken of" },
	{ "records", FIELD_NUMBER, "records produced or fetched" },
	{ "errors", FIELD_LIST, "errors in the response, each once" },
	{ "reason", FIELD_TEXT, "first error message of the response" },
};

enum {
	TEXT_BYTES = 256, /* of a name: a topic's has at most 249 */
	CLIENT_ID_BYTES = 256,
	TOPICS_MAX = 64, /* listed of one message */
	ERRORS_MAX = 192,
	NEWER_VERSIONS = 8, /* above the newest known that a broker may speak */
	REQUEST_HEADER_BYTES = 14,
	RESPONSE_HEADER_BYTES = 8,
	DEPTH_MAX = 6,
	UVARINT_BYTES = 5,
};
/* Of a message: the largest socket.request.max.bytes in use is below. */
#define LENGTH_MAX 0x40000000u
/* Of one that tells that this is Kafka: the default is 100 MiB. */
#define FIRST_LENGTH_MAX 0x08000000u

/* ---- errors ---- */

/* clang-format off */
static const char *const error_names[] = {
	"NONE", "OFFSET_OUT_OF_RANGE", "CORRUPT_MESSAGE", "UNKNOWN_TOPIC_OR_PARTITION", "INVALID_FETCH_SIZE",
	"LEADER_NOT_AVAILABLE", "NOT_LEADER_OR_FOLLOWER", "REQUEST_TIMED_OUT", "BROKER_NOT_AVAILABLE",
	"REPLICA_NOT_AVAILABLE", "MESSAGE_TOO_LARGE", "STALE_CONTROLLER_EPOCH", "OFFSET_METADATA_TOO_LARGE",
	"NETWORK_EXCEPTION", "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR",
	"INVALID_TOPIC_EXCEPTION", "RECORD_LIST_TOO_LARGE", "NOT_ENOUGH_REPLICAS",
	"NOT_ENOUGH_REPLICAS_AFTER_APPEND", "INVALID_REQUIRED_ACKS", "ILLEGAL_GENERATION",
	"INCONSISTENT_GROUP_PROTOCOL", "INVALID_GROUP_ID", "UNKNOWN_MEMBER_ID", "INVALID_SESSION_TIMEOUT",
	"REBALANCE_IN_PROGRESS", "INVALID_COMMIT_OFFSET_SIZE", "TOPIC_AUTHORIZATION_FAILED",
	"GROUP_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED", "INVALID_TIMESTAMP",
	"UNSUPPORTED_SASL_MECHANISM", "ILLEGAL_SASL_STATE", "UNSUPPORTED_VERSION", "TOPIC_ALREADY_EXISTS",
	"INVALID_PARTITIONS", "INVALID_REPLICATION_FACTOR", "INVALID_REPLICA_ASSIGNMENT", "INVALID_CONFIG",
	"NOT_CONTROLLER", "INVALID_REQUEST", "UNSUPPORTED_FOR_MESSAGE_FORMAT", "POLICY_VIOLATION",
	"OUT_OF_ORDER_SEQUENCE_NUMBER", "DUPLICATE_SEQUENCE_NUMBER", "INVALID_PRODUCER_EPOCH",
	"INVALID_TXN_STATE", "INVALID_PRODUCER_ID_MAPPING", "INVALID_TRANSACTION_TIMEOUT",
	"CONCURRENT_TRANSACTIONS", "TRANSACTION_COORDINATOR_FENCED", "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
	"SECURITY_DISABLED", "OPERATION_NOT_ATTEMPTED", "KAFKA_STORAGE_ERROR", "LOG_DIR_NOT_FOUND",
	"SASL_AUTHENTICATION_FAILED", "UNKNOWN_PRODUCER_ID", "REASSIGNMENT_IN_PROGRESS",
	"DELEGATION_TOKEN_AUTH_DISABLED", "DELEGATION_TOKEN_NOT_FOUND", "DELEGATION_TOKEN_OWNER_MISMATCH",
	"DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
	"DELEGATION_TOKEN_EXPIRED", "INVALID_PRINCIPAL_TYPE", "NON_EMPTY_GROUP", "GROUP_ID_NOT_FOUND",
	"FETCH_SESSION_ID_NOT_FOUND", "INVALID_FETCH_SESSION_EPOCH", "LISTENER_NOT_FOUND",
	"TOPIC_DELETION_DISABLED", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH",
	"UNSUPPORTED_COMPRESSION_TYPE", "STALE_BROKER_EPOCH", "OFFSET_NOT_AVAILABLE", "MEMBER_ID_REQUIRED",
	"PREFERRED_LEADER_NOT_AVAILABLE", "GROUP_MAX_SIZE_REACHED", "FENCED_INSTANCE_ID",
	"ELIGIBLE_LEADERS_NOT_AVAILABLE", "ELECTION_NOT_NEEDED", "NO_REASSIGNMENT_IN_PROGRESS",
	"GROUP_SUBSCRIBED_TO_TOPIC", "INVALID_RECORD", "UNSTABLE_OFFSET_COMMIT", "THROTTLING_QUOTA_EXCEEDED",
	"PRODUCER_FENCED", "RESOURCE_NOT_FOUND", "DUPLICATE_RESOURCE", "UNACCEPTABLE_CREDENTIAL",
	"INCONSISTENT_VOTER_SET", "INVALID_UPDATE_VERSION", "FEATURE_UPDATE_FAILED",
	"PRINCIPAL_DESERIALIZATION_FAILURE", "SNAPSHOT_NOT_FOUND", "POSITION_OUT_OF_RANGE",
	"UNKNOWN_TOPIC_ID", "DUPLICATE_BROKER_REGISTRATION", "BROKER_ID_NOT_REGISTERED",
	"INCONSISTENT_TOPIC_ID", "INCONSISTENT_CLUSTER_ID", "TRANSACTIONAL_ID_NOT_FOUND",
	"FETCH_SESSION_TOPIC_ID_ERROR", "INELIGIBLE_REPLICA", "NEW_LEADER_ELECTED",
	"OFFSET_MOVED_TO_TIERED_STORAGE", "FENCED_MEMBER_EPOCH", "UNRELEASED_INSTANCE_ID",
	"UNSUPPORTED_ASSIGNOR", "STALE_MEMBER_EPOCH", "MISMATCHED_ENDPOINT_TYPE", "UNSUPPORTED_ENDPOINT_TYPE",
	"UNKNOWN_CONTROLLER_ID", "UNKNOWN_SUBSCRIPTION_ID", "TELEMETRY_TOO_LARGE", "INVALID_REGISTRATION",
	"TRANSACTION_ABORTABLE", "INVALID_RECORD_STATE", "SHARE_SESSION_NOT_FOUND",
	"INVALID_SHARE_SESSION_EPOCH", "FENCED_STATE_EPOCH", "INVALID_VOTER_KEY", "DUPLICATE_VOTER",
	"VOTER_NOT_FOUND", "INVALID_REGULAR_EXPRESSION", "REBOOTSTRAP_REQUIRED", "STREAMS_INVALID_TOPOLOGY",
	"STREAMS_INVALID_TOPOLOGY_EPOCH", "STREAMS_TOPOLOGY_FENCED", "SHARE_SESSION_LIMIT_REACHED",
};
/* clang-format on */

enum { ERROR_UNSUPPORTED_VERSION = 35 };

/* ---- layouts ---- */

/* What a field is. Up to 16: so many bytes that are stepped over. */
enum what {
	BYTE = 1,
	SHORT = 2,
	INT = 4,
	LONG = 8,
	UUID = 16,
	TEXT,      /* a string */
	BLOB,      /* bytes */
	TOPIC,     /* a string that is a topic */
	TOPIC_ID,  /* a UUID that is one */
	GROUP,     /* a string that is a group */
	MEMBER_OF, /* the same, where there are no topics: the target */
	NAME,      /* a string that is the target where there is no topic */
	REASON,    /* a string that says what an error means */
	ACKS,      /* int16 */
	ERROR,     /* int16 */
	PARTITION, /* int32 */
	INTS,      /* an array of int32 that are partitions */
	NODES,     /* an array of int32 */
	LONGS,     /* an array of int64 */
	RECORDS,
	ARRAY, /* of structs: up to END */
	END,
	LIST, /* an array of single fields, which have no tags: up to LIST_END */
	LIST_END,
	DONE,
};

struct op {
	uint8_t what;
	uint8_t from, to; /* versions */
};

#define ANY     0, 255
#define FROM(n) n, 255

/* clang-format off */
static const struct op produce_request[] = {
	{ TEXT, FROM(3) },  { ACKS, ANY },      { INT, ANY }, { ARRAY, ANY },
	{ TOPIC, 0, 12 },   { TOPIC_ID, FROM(13) }, { ARRAY, ANY }, { PARTITION, ANY },
	{ RECORDS, ANY },   { END, ANY },       { END, ANY }, { DONE, ANY },
};
static const struct op produce_response[] = {
	{ ARRAY, ANY },     { TEXT, 0, 12 }, { UUID, FROM(13) }, { ARRAY, ANY }, { PARTITION, ANY },
	{ ERROR, ANY },     { LONG, ANY },   { LONG, FROM(2) },  { LONG, FROM(5) },
	{ ARRAY, FROM(8) }, { INT, ANY },    { TEXT, ANY },      { END, ANY },   { REASON, FROM(8) },
	{ END, ANY },       { END, ANY },    { INT, FROM(1) },   { DONE, ANY },
};
static const struct op fetch_request[] = {
	{ INT, 0, 14 },     { INT, ANY },       { INT, ANY },       { INT, FROM(3) },
	{ BYTE, FROM(4) },  { INT, FROM(7) },   { INT, FROM(7) },   { ARRAY, ANY },
	{ TOPIC, 0, 12 },   { TOPIC_ID, FROM(13) }, { ARRAY, ANY }, { PARTITION, ANY },
	{ INT, FROM(9) },   { LONG, ANY },      { INT, FROM(12) },  { LONG, FROM(5) },
	{ INT, ANY },       { END, ANY },       { END, ANY },       { ARRAY, FROM(7) },
	{ TEXT, 0, 12 },    { UUID, FROM(13) }, { NODES, ANY },     { END, ANY },
	{ TEXT, FROM(11) }, { DONE, ANY },
};
static const struct op fetch_response[] = {
	{ INT, FROM(1) },   { ERROR, FROM(7) }, { INT, FROM(7) },   { ARRAY, ANY },
	{ TOPIC, 0, 12 },   { TOPIC_ID, FROM(13) }, { ARRAY, ANY }, { PARTITION, ANY },
	{ ERROR, ANY },     { LONG, ANY },      { LONG, FROM(4) },  { LONG, FROM(5) },
	{ ARRAY, FROM(4) }, { LONG, ANY },      { LONG, ANY },      { END, ANY },
	{ INT, FROM(11) },  { RECORDS, ANY },   { END, ANY },       { END, ANY },
	{ DONE, ANY },
};
static const struct op list_offsets_request[] = {
	{ INT, ANY },       { BYTE, FROM(2) }, { ARRAY, ANY },    { TOPIC, ANY }, { ARRAY, ANY },
	{ PARTITION, ANY }, { INT, FROM(4) },  { LONG, ANY },     { INT, 0, 0 },  { END, ANY },
	{ END, ANY },       { INT, FROM(10) }, { DONE, ANY },
};
static const struct op list_offsets_response[] = {
	{ INT, FROM(2) },  { ARRAY, ANY },  { TEXT, ANY },    { ARRAY, ANY },    { PARTITION, ANY },
	{ ERROR, ANY },    { LONGS, 0, 0 }, { LONG, FROM(1) }, { LONG, FROM(1) }, { INT, FROM(4) },
	{ END, ANY },      { END, ANY },    { DONE, ANY },
};
static const struct op metadata_request[] = {
	{ ARRAY, ANY },    { TOPIC_ID, FROM(10) }, { TOPIC, ANY },    { END, ANY },
	{ BYTE, FROM(4) }, { BYTE, 8, 10 },        { BYTE, FROM(8) }, { DONE, ANY },
};
static const struct op metadata_response[] = {
	{ INT, FROM(3) },  { ARRAY, ANY },     { INT, ANY },      { TEXT, ANY },     { INT, ANY },
	{ TEXT, FROM(1) }, { END, ANY },       { TEXT, FROM(2) }, { INT, FROM(1) },  { ARRAY, ANY },
	{ ERROR, ANY },    { TEXT, ANY },      { UUID, FROM(10) }, { BYTE, FROM(1) }, { ARRAY, ANY },
	{ ERROR, ANY },    { PARTITION, ANY }, { INT, ANY },      { INT, FROM(7) },  { NODES, ANY },
	{ NODES, ANY },    { NODES, FROM(5) }, { END, ANY },      { INT, FROM(8) },  { END, ANY },
	{ INT, 8, 10 },    { ERROR, FROM(13) }, { DONE, ANY },
};
static const struct op offset_commit_request[] = {
	{ GROUP, ANY },        { INT, FROM(1) }, { TEXT, FROM(1) },   { TEXT, FROM(7) },
	{ LONG, 2, 4 },        { ARRAY, ANY },   { TOPIC, 0, 9 },     { TOPIC_ID, FROM(10) },
	{ ARRAY, ANY },        { PARTITION, ANY }, { LONG, ANY },     { INT, FROM(6) },
	{ LONG, 1, 1 },        { TEXT, ANY },    { END, ANY },        { END, ANY },
	{ DONE, ANY },
};
static const struct op offset_commit_response[] = {
	{ INT, FROM(3) },   { ARRAY, ANY }, { TEXT, 0, 9 }, { UUID, FROM(10) }, { ARRAY, ANY },
	{ PARTITION, ANY }, { ERROR, ANY }, { END, ANY },   { END, ANY },       { DONE, ANY },
};
static const struct op offset_fetch_request[] = {
	{ GROUP, 0, 7 },      { ARRAY, 0, 7 },   { TOPIC, ANY },    { INTS, ANY },
	{ END, ANY },         { ARRAY, FROM(8) }, { GROUP, ANY },   { TEXT, FROM(9) },
	{ INT, FROM(9) },     { ARRAY, ANY },    { TOPIC, 0, 9 },   { TOPIC_ID, FROM(10) },
	{ INTS, ANY },        { END, ANY },      { END, ANY },      { BYTE, FROM(7) },
	{ DONE, ANY },
};
static const struct op offset_fetch_response[] = {
	{ INT, FROM(3) },   { ARRAY, 0, 7 },     { TEXT, ANY },    { ARRAY, ANY },   { PARTITION, ANY },
	{ LONG, ANY },      { INT, FROM(5) },    { TEXT, ANY },    { ERROR, ANY },   { END, ANY },
	{ END, ANY },       { ERROR, 2, 7 },     { ARRAY, FROM(8) }, { TEXT, ANY },  { ARRAY, ANY },
	{ TEXT, 0, 9 },     { UUID, FROM(10) },  { ARRAY, ANY },   { PARTITION, ANY }, { LONG, ANY },
	{ INT, ANY },       { TEXT, ANY },       { ERROR, ANY },   { END, ANY },     { END, ANY },
	{ ERROR, ANY },     { END, ANY },        { DONE, ANY },
};
static const struct op find_coordinator_request[] = {
	{ NAME, 0, 3 }, { BYTE, FROM(1) },  { LIST, FROM(4) },
	{ NAME, ANY },  { LIST_END, ANY },  { DONE, ANY },
};
static const struct op find_coordinator_response[] = {
	{ INT, FROM(1) },   { ERROR, 0, 3 }, { REASON, 1, 3 }, { INT, 0, 3 },   { TEXT, 0, 3 },
	{ INT, 0, 3 },      { ARRAY, FROM(4) }, { TEXT, ANY }, { INT, ANY },    { TEXT, ANY },
	{ INT, ANY },       { ERROR, ANY },  { REASON, ANY },  { END, ANY },    { DONE, ANY },
};
static const struct op join_group_request[] = {
	{ MEMBER_OF, ANY }, { INT, ANY },   { INT, FROM(1) }, { TEXT, ANY }, { TEXT, FROM(5) }, { TEXT, ANY },
	{ ARRAY, ANY }, { TEXT, ANY },  { BLOB, ANY },    { END, ANY },  { TEXT, FROM(8) }, { DONE, ANY },
};
static const struct op join_group_response[] = {
	{ INT, FROM(2) },  { ERROR, ANY }, { INT, ANY },   { TEXT, FROM(7) }, { TEXT, ANY },
	{ TEXT, ANY },     { BYTE, FROM(9) }, { TEXT, ANY }, { ARRAY, ANY },  { TEXT, ANY },
	{ TEXT, FROM(5) }, { BLOB, ANY },  { END, ANY },   { DONE, ANY },
};
static const struct op heartbeat_request[] = {
	{ MEMBER_OF, ANY }, { INT, ANY }, { TEXT, ANY }, { TEXT, FROM(3) }, { DONE, ANY },
};
static const struct op throttle_and_error[] = { /* Heartbeat and others */
	{ INT, FROM(1) }, { ERROR, ANY }, { DONE, ANY },
};
static const struct op leave_group_request[] = {
	{ MEMBER_OF, ANY }, { TEXT, 0, 2 },    { ARRAY, FROM(3) }, { TEXT, ANY },
	{ TEXT, ANY },  { TEXT, FROM(5) }, { END, ANY },       { DONE, ANY },
};
static const struct op leave_group_response[] = {
	{ INT, FROM(1) }, { ERROR, ANY }, { ARRAY, FROM(3) }, { TEXT, ANY },
	{ TEXT, ANY },    { ERROR, ANY }, { END, ANY },       { DONE, ANY },
};
static const struct op sync_group_request[] = {
	{ MEMBER_OF, ANY },    { INT, ANY },   { TEXT, ANY }, { TEXT, FROM(3) }, { TEXT, FROM(5) },
	{ TEXT, FROM(5) }, { ARRAY, ANY }, { TEXT, ANY }, { BLOB, ANY },     { END, ANY },
	{ DONE, ANY },
};
static const struct op sync_group_response[] = {
	{ INT, FROM(1) },  { ERROR, ANY }, { TEXT, FROM(5) },
	{ TEXT, FROM(5) }, { BLOB, ANY },  { DONE, ANY },
};
static const struct op sasl_handshake_request[] = { { NAME, ANY }, { DONE, ANY } };
static const struct op sasl_handshake_response[] = {
	{ ERROR, ANY }, { LIST, ANY }, { TEXT, ANY }, { LIST_END, ANY }, { DONE, ANY },
};
static const struct op sasl_authenticate_request[] = { { BLOB, ANY }, { DONE, ANY } };
static const struct op sasl_authenticate_response[] = {
	{ ERROR, ANY }, { REASON, ANY }, { BLOB, ANY }, { LONG, FROM(1) }, { DONE, ANY },
};
static const struct op api_versions_request[] = {
	{ TEXT, FROM(3) }, { TEXT, FROM(3) }, { DONE, ANY },
};
static const struct op api_versions_response[] = {
	{ ERROR, ANY }, { ARRAY, ANY }, { SHORT, ANY },    { SHORT, ANY },
	{ SHORT, ANY }, { END, ANY },   { INT, FROM(1) },  { DONE, ANY },
};
static const struct op create_topics_request[] = {
	{ ARRAY, ANY }, { TOPIC, ANY }, { INT, ANY },   { SHORT, ANY }, { ARRAY, ANY }, { PARTITION, ANY },
	{ NODES, ANY }, { END, ANY },   { ARRAY, ANY }, { TEXT, ANY },  { TEXT, ANY },  { END, ANY },
	{ END, ANY },   { INT, ANY },   { BYTE, FROM(1) }, { DONE, ANY },
};
static const struct op create_topics_response[] = {
	{ INT, FROM(2) },    { ARRAY, ANY },    { TEXT, ANY },      { UUID, FROM(7) },  { ERROR, ANY },
	{ REASON, FROM(1) }, { INT, FROM(5) },  { SHORT, FROM(5) }, { ARRAY, FROM(5) }, { TEXT, ANY },
	{ TEXT, ANY },       { BYTE, ANY },     { BYTE, ANY },      { BYTE, ANY },      { END, ANY },
	{ END, ANY },        { DONE, ANY },
};
static const struct op delete_topics_request[] = {
	{ ARRAY, FROM(6) }, { TOPIC, ANY }, { TOPIC_ID, ANY }, { END, ANY }, { LIST, 0, 5 },
	{ TOPIC, ANY },     { LIST_END, ANY }, { INT, ANY },   { DONE, ANY },
};
static const struct op delete_topics_response[] = {
	{ INT, FROM(1) }, { ARRAY, ANY },      { TEXT, ANY }, { UUID, FROM(6) },
	{ ERROR, ANY },   { REASON, FROM(5) }, { END, ANY },  { DONE, ANY },
};
static const struct op init_producer_id_request[] = {
	{ NAME, ANY },      { INT, ANY },      { LONG, FROM(3) }, { SHORT, FROM(3) },
	{ BYTE, FROM(6) },  { BYTE, FROM(6) }, { DONE, ANY },
};
static const struct op init_producer_id_response[] = {
	{ INT, ANY },   { ERROR, ANY },    { LONG, ANY },
	{ SHORT, ANY }, { LONG, FROM(6) }, { SHORT, FROM(6) }, { DONE, ANY },
};

/* clang-format on */

enum api_key {
	API_PRODUCE = 0,
	API_CONTROLLED_SHUTDOWN = 7,
	API_SASL_HANDSHAKE = 17,
	API_VERSIONS = 18
};
enum { NEVER = 255 };

struct api {
	const char *name;
	uint8_t newest, flexible; /* versions: the newest known, the first flexible one */
	const struct op *request, *response;
};

/* By key. As of Kafka 4.1. */
static const struct api apis[] = {
	{ "Produce", 13, 9, produce_request, produce_response },
	{ "Fetch", 18, 12, fetch_request, fetch_response },
	{ "ListOffsets", 11, 6, list_offsets_request, list_offsets_response },
	{ "Metadata", 13, 9, metadata_request, metadata_response },
	{ "LeaderAndIsr", 7, 4, NULL, NULL },
	{ "StopReplica", 4, 2, NULL, NULL },
	{ "UpdateMetadata", 8, 6, NULL, NULL },
	{ "ControlledShutdown", 3, 3, NULL, NULL },
	{ "OffsetCommit", 10, 8, offset_commit_request, offset_commit_response },
	{ "OffsetFetch", 10, 6, offset_fetch_request, offset_fetch_response },
	{ "FindCoordinator", 6, 3, find_coordinator_request, find_coordinator_response },
	{ "JoinGroup", 9, 6, join_group_request, join_group_response },
	{ "Heartbeat", 4, 4, heartbeat_request, throttle_and_error },
	{ "LeaveGroup", 5, 4, leave_group_request, leave_group_response },
	{ "SyncGroup", 5, 4, sync_group_request, sync_group_response },
	{ "DescribeGroups", 6, 5, NULL, NULL },
	{ "ListGroups", 5, 3, NULL, NULL },
	{ "SaslHandshake", 1, NEVER, sasl_handshake_request, sasl_handshake_response },
	{ "ApiVersions", 5, 3, api_versions_request, api_versions_response },
	{ "CreateTopics", 7, 5, create_topics_request, create_topics_response },
	{ "DeleteTopics", 6, 4, delete_topics_request, delete_topics_response },
	{ "DeleteRecords", 2, 2, NULL, NULL },
	{ "InitProducerId", 6, 2, init_producer_id_request, init_producer_id_response },
	{ "OffsetForLeaderEpoch", 4, 4, NULL, NULL },
	{ "AddPartitionsToTxn", 5, 3, NULL, NULL },
	{ "AddOffsetsToTxn", 4, 3, NULL, NULL },
	{ "EndTxn", 5, 3, NULL, NULL },
	{ "WriteTxnMarkers", 2, 1, NULL, NULL },
	{ "TxnOffsetCommit", 5, 3, NULL, NULL },
	{ "DescribeAcls", 3, 2, NULL, NULL },
	{ "CreateAcls", 3, 2, NULL, NULL },
	{ "DeleteAcls", 3, 2, NULL, NULL },
	{ "DescribeConfigs", 4, 4, NULL, NULL },
	{ "AlterConfigs", 2, 2, NULL, NULL },
	{ "AlterReplicaLogDirs", 2, 2, NULL, NULL },
	{ "DescribeLogDirs", 5, 2, NULL, NULL },
	{ "SaslAuthenticate", 2, 2, sasl_authenticate_request, sasl_authenticate_response },
	{ "CreatePartitions", 3, 2, NULL, NULL },
	{ "CreateDelegationToken", 3, 2, NULL, NULL },
	{ "RenewDelegationToken", 2, 2, NULL, NULL },
	{ "ExpireDelegationToken", 2, 2, NULL, NULL },
	{ "DescribeDelegationToken", 3, 2, NULL, NULL },
	{ "DeleteGroups", 2, 2, NULL, NULL },
	{ "ElectLeaders", 2, 2, NULL, NULL },
	{ "IncrementalAlterConfigs", 1, 1, NULL, NULL },
	{ "AlterPartitionReassignments", 1, 0, NULL, NULL },
	{ "ListPartitionReassignments", 0, 0, NULL, NULL },
	{ "OffsetDelete", 0, NEVER, NULL, NULL },
	{ "DescribeClientQuotas", 1, 1, NULL, NULL },
	{ "AlterClientQuotas", 1, 1, NULL, NULL },
	{ "DescribeUserScramCredentials", 0, 0, NULL, NULL },
	{ "AlterUserScramCredentials", 0, 0, NULL, NULL },
	{ "Vote", 2, 0, NULL, NULL },
	{ "BeginQuorumEpoch", 1, 1, NULL, NULL },
	{ "EndQuorumEpoch", 1, 1, NULL, NULL },
	{ "DescribeQuorum", 2, 0, NULL, NULL },
	{ "AlterPartition", 3, 0, NULL, NULL },
	{ "UpdateFeatures", 2, 0, NULL, NULL },
	{ "Envelope", 0, 0, NULL, NULL },
	{ "FetchSnapshot", 1, 0, NULL, NULL },
	{ "DescribeCluster", 2, 0, NULL, NULL },
	{ "DescribeProducers", 0, 0, NULL, NULL },
	{ "BrokerRegistration", 4, 0, NULL, NULL },
	{ "BrokerHeartbeat", 1, 0, NULL, NULL },
	{ "UnregisterBroker", 0, 0, NULL, NULL },
	{ "DescribeTransactions", 0, 0, NULL, NULL },
	{ "ListTransactions", 2, 0, NULL, NULL },
	{ "AllocateProducerIds", 0, 0, NULL, NULL },
	{ "ConsumerGroupHeartbeat", 1, 0, NULL, NULL },
	{ "ConsumerGroupDescribe", 1, 0, NULL, NULL },
	{ "ControllerRegistration", 0, 0, NULL, NULL },
	{ "GetTelemetrySubscriptions", 0, 0, NULL, NULL },
	{ "PushTelemetry", 0, 0, NULL, NULL },
	{ "AssignReplicasToDirs", 0, 0, NULL, NULL },
	{ "ListConfigResources", 1, 0, NULL, NULL },
	{ "DescribeTopicPartitions", 0, 0, NULL, NULL },
	{ "ShareGroupHeartbeat", 1, 0, NULL, NULL },
	{ "ShareGroupDescribe", 1, 0, NULL, NULL },
	{ "ShareFetch", 1, 0, NULL, NULL },
	{ "ShareAcknowledge", 1, 0, NULL, NULL },
	{ "AddRaftVoter", 1, 0, NULL, NULL },
	{ "RemoveRaftVoter", 0, 0, NULL, NULL },
	{ "UpdateRaftVoter", 0, 0, NULL, NULL },
	{ "InitializeShareGroupState", 0, 0, NULL, NULL },
	{ "ReadShareGroupState", 0, 0, NULL, NULL },
	{ "WriteShareGroupState", 0, 0, NULL, NULL },
	{ "DeleteShareGroupState", 0, 0, NULL, NULL },
	{ "ReadShareGroupStateSummary", 0, 0, NULL, NULL },
	{ "StreamsGroupHeartbeat", 0, 0, NULL, NULL },
	{ "StreamsGroupDescribe", 0, 0, NULL, NULL },
	{ "DescribeShareGroupOffsets", 0, 0, NULL, NULL },
	{ "AlterShareGroupOffsets", 0, 0, NULL, NULL },
	{ "DeleteShareGroupOffsets", 0, 0, NULL, NULL },
};

enum { API_COUNT = sizeof(apis) / sizeof(apis[0]) };

/* ---- state ---- */

enum state {
	AT_START,
	IN_BODY,  /* what is skipped of it lies behind */
	IN_REST,  /* of a message that is not read on; the next feed() is behind it */
	DROPPING, /* what is left of a message behind a gap */
	SEARCHING,
};

struct frame {
	const struct op *body; /* its first field */
	uint32_t left;         /* elements, with the one being read */
};

struct kafka_side {
	struct message *m;
	uint8_t state;
	bool begun;   /* feed() has been called */
	bool torn;    /* its last bytes are part of something */
	bool headed;  /* message_head() has been called */
	bool whole;   /* its layout has been read to the end */
	bool refused; /* ApiVersions: nothing behind the error can be relied on */
	bool response;
	bool flexible;
	uint8_t version;
	uint8_t api;
	uint32_t left;         /* bytes of the message not taken yet */
	uint32_t drop;         /* of those, what is stepped over first */
	uint32_t tags;         /* tagged fields to step over */
	uint32_t records_left; /* bytes of a set of records */
	const struct op *op;   /* the next field; NULL: the body is not read */
	uint8_t depth;
	struct frame frame[DEPTH_MAX];
	/* what it says */
	bool targeted, reasoned;
	int16_t error; /* the first that is one */
	uint32_t topics, partitions;
	bool has_records;
	uint64_t records;
	uint64_t seen[ERRORS_MAX / 64];
};

struct kafka_conn {
	struct kafka_side side[2];
	bool sasl_tokens; /* SaslHandshake version 0 has been sent */
};

/* One call of feed(). */
struct reader {
	struct conn *c;
	enum side side;
	struct kafka_conn *h;
	struct kafka_side *s;
	struct slice in; /* what is not taken */
	bool all;        /* it is all there will ever be */
	bool client;
	bool stop;
};

static const uint8_t *take(struct reader *r, size_t bytes)
{
	const uint8_t *at = r->in.at;

	if (bytes == 0) /* there may be no bytes at all */
		return at;
	r->in = slice_after(r->in, bytes);
	r->s->left -= (uint32_t)bytes;
	return at;
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void head_ends(struct reader *r)
{
	if (!r->s->headed && r->in.at != NULL)
		message_head(r->s->m, r->in.at);
	r->s->headed = true;
}

static void skip(struct reader *r, uint32_t bytes, enum state then)
{
	struct kafka_side *s = r->s;

	head_ends(r);
	s->left -= bytes;
	s->state = (uint8_t)then;
	conn_skip(r->c, r->side, bytes, s->m);
	r->stop = true;
}

static void give_up(struct reader *r)
{
	struct kafka_side *s = r->s;

	if (s->m != NULL) {
		message_flag(s->m, FLAG_anomaly);
		message_end(s->m, r->in.at);
		s->m = NULL;
	}
	conn_become(r->c, NULL);
	r->stop = true;
}

/* ---- what a message says ---- */

static void put_text(struct message *m, uint16_t field, const char *text)
{
	message_text(m, field, slice_of(text, strlen(text)));
}

static struct slice decimal(int64_t value, uint8_t room[24])
{
	uint64_t v = value < 0 ? (uint64_t)-value : (uint64_t)value;
	size_t at = 24;

	do {
		room[--at] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	if (value < 0)
		room[--at] = '-';
	return slice_of(room + at, 24 - at);
}

static struct slice error_name(int16_t error, uint8_t room[24])
{
	if (error == -1)
		return slice_of("UNKNOWN_SERVER_ERROR", 20);
	if (error >= 0 && (size_t)error < sizeof(error_names) / sizeof(error_names[0]))
		return slice_of(error_names[error], strlen(error_names[error]));
	return decimal(error, room);
}

/* -1 has its place behind all others. */
static void take_error(struct kafka_side *s, int16_t error)
{
	uint32_t bit = error == -1 ? ERRORS_MAX - 1 : (uint32_t)(uint16_t)error;
	uint8_t room[24];

	if (error == 0)
		return;
	if (s->error == 0)
		s->error = error;
	if (bit >= ERRORS_MAX || (s->seen[bit / 64] >> bit % 64 & 1) != 0)
		return;
	s->seen[bit / 64] |= UINT64_C(1) << bit % 64;
	message_text(s->m, KAFKA_ERRORS, error_name(error, room));
}

static void take_topic(struct kafka_side *s, struct slice topic)
{
	if (topic.bytes == 0)
		return;
	if (!s->response && !s->targeted) {
		s->targeted = true;
		message_text(s->m, FIELD_TARGET, topic);
	}
	if (s->topics++ < TOPICS_MAX)
		message_text(s->m, KAFKA_TOPICS, topic);
}

/* As Kafka prints them: base64 for URLs, without padding. All zeros is none. */
static void take_topic_id(struct kafka_side *s, const uint8_t id[UUID])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789-_";
	static const uint8_t none[UUID];
	char text[24];
	size_t n = 0;

	if (memcmp(id, none, UUID) == 0)
		return;
	for (size_t bit = 0; bit < 132; bit += 6) {
		uint32_t two = (uint32_t)id[bit / 8] << 8 |
			       (bit / 8 + 1 < UUID ? id[bit / 8 + 1] : 0);

		text[n++] = digits[two >> (10 - bit % 8) & 63];
	}
	take_topic(s, slice_of(text, n));
}

static void take_text(struct kafka_side *s, enum what what, struct slice text)
{
	switch (what) {
	case TOPIC: take_topic(s, text); break;
	case GROUP: message_text(s->m, KAFKA_GROUP, text); break;
	case MEMBER_OF:
		message_text(s->m, KAFKA_GROUP, text);
		message_text(s->m, FIELD_TARGET, text);
		break;
	case NAME:
		if (!s->targeted && text.bytes > 0)
			message_text(s->m, FIELD_TARGET, text);
		s->targeted = true;
		break;
	case REASON:
		if (!s->reasoned && text.bytes > 0)
			message_text(s->m, KAFKA_REASON, text);
		s->reasoned = s->reasoned || text.bytes > 0;
		break;
	default: break;
	}
}

static void put_counts(struct kafka_side *s)
{
	uint8_t room[24];

	if (s->partitions > 0)
		message_number(s->m, KAFKA_PARTITIONS, s->partitions);
	if (s->has_records)
		message_number(s->m, KAFKA_RECORDS, s->records);
	if (s->response && (s->whole || s->error != 0))
		message_text(s->m, FIELD_CODE, error_name(s->error, room));
	if (s->error != 0)
		message_failed(s->m);
}

static void message_over(struct reader *r)
{
	struct kafka_side *s = r->s;

	put_counts(s);
	head_ends(r);
	message_end(s->m, r->in.at);
	s->m = NULL;
	s->state = AT_START;
}

/* ---- bodies ---- */

enum got { GOT, MORE, BAD };

/* Is so much of the message there? */
static enum got there(const struct reader *r, size_t bytes)
{
	if (bytes > r->s->left)
		return BAD;
	return bytes > r->in.bytes ? MORE : GOT;
}

/* KIP-482: seven bits a byte, the lowest first. *ret_bytes is what it takes. */
static enum got read_uvarint(const struct reader *r, uint32_t *ret, size_t *ret_bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < UVARINT_BYTES; i++) {
		enum got got = there(r, i + 1);

		if (got != GOT)
			return got;
		v |= (uint64_t)(r->in.at[i] & 0x7f) << (7 * i);
		if ((r->in.at[i] & 0x80) == 0) {
			*ret = (uint32_t)v;
			*ret_bytes = i + 1;
			return v <= UINT32_MAX ? GOT : BAD;
		}
	}
	return BAD;
}

/* A length or count in `bytes` bytes, or, in flexible versions, a varint of one more. Null is 0. */
static enum got read_count(const struct reader *r, size_t bytes, uint32_t *ret, size_t *ret_bytes)
{
	enum got got;
	int32_t v;

	if (r->s->flexible) {
		got = read_uvarint(r, ret, ret_bytes);
		if (got == GOT && *ret > 0)
			--*ret;
		return got;
	}
	got = there(r, bytes);
	if (got != GOT)
		return got;
	v = bytes == 2 ? (int16_t)be16(r->in.at) : (int32_t)be32(r->in.at);
	if (v < -1)
		return BAD;
	*ret = v < 0 ? 0 : (uint32_t)v;
	*ret_bytes = bytes;
	return GOT;
}

static enum got take_string(struct reader *r, enum what what)
{
	struct kafka_side *s = r->s;
	uint32_t bytes = 0, shown;
	size_t head;
	enum got got = read_count(r, what == BLOB ? 4 : 2, &bytes, &head);

	if (got != GOT)
		return got;
	if (bytes > s->left - head)
		return BAD;
	shown = what == TEXT || what == BLOB ? 0 : bytes < TEXT_BYTES ? bytes : TEXT_BYTES;
	got = there(r, head + shown);
	if (got != GOT)
		return got;
	take(r, head);
	if (shown > 0)
		take_text(s, what, slice_of(r->in.at, shown));
	if (shown > 0 && shown < bytes)
		message_flag(s->m, FLAG_head_cut);
	take(r, shown);
	s->drop = bytes - shown;
	return GOT;
}

static enum got take_numbers(struct reader *r, enum what what)
{
	struct kafka_side *s = r->s;
	uint32_t count, bytes = what == LONGS ? 8 : 4;
	size_t head;
	enum got got = read_count(r, 4, &count, &head);

	if (got != GOT)
		return got;
	if (count > (s->left - head) / bytes)
		return BAD;
	take(r, head);
	s->drop = count * bytes;
	if (what == INTS)
		s->partitions += count;
	return GOT;
}

static const struct op *behind_array(const struct op *op)
{
	int depth = 1;

	while (depth > 0) {
		op++;
		depth += op->what == ARRAY || op->what == LIST;
		depth -= op->what == END || op->what == LIST_END;
	}
	return op + 1;
}

/* Sets s->op itself. */
static enum got open_array(struct reader *r)
{
	struct kafka_side *s = r->s;
	uint32_t count;
	size_t head;
	enum got got = read_count(r, 4, &count, &head);

	if (got != GOT)
		return got;
	/* No element is empty, so a count is never more than the bytes left. */
	if (count > s->left - head || s->depth == DEPTH_MAX)
		return BAD;
	take(r, head);
	if (count == 0) {
		s->op = behind_array(s->op);
		return GOT;
	}
	s->op++;
	s->frame[s->depth++] = (struct frame){ s->op, count };
	return GOT;
}

static enum got read_tags(struct reader *r)
{
	size_t bytes;
	enum got got = read_uvarint(r, &r->s->tags, &bytes);

	if (got != GOT)
		return got;
	take(r, bytes);
	return r->s->tags <= r->s->left ? GOT : BAD;
}

/* The end of an element, whose tags come first. */
static enum got end_element(struct reader *r)
{
	struct kafka_side *s = r->s;
	struct frame *f = &s->frame[s->depth - 1];
	enum got got;

	if (s->flexible && s->op->what == END) {
		got = read_tags(r);
		if (got != GOT)
			return got;
	}
	if (--f->left > 0) {
		s->op = f->body;
		return GOT;
	}
	s->depth--;
	s->op++;
	return GOT;
}

static enum got take_tag(struct reader *r)
{
	struct kafka_side *s = r->s;
	struct reader behind = *r;
	uint32_t tag, bytes;
	size_t n, m;
	enum got got = read_uvarint(r, &tag, &n);

	if (got != GOT)
		return got;
	behind.in = slice_after(r->in, n);
	s->left -= (uint32_t)n;
	got = read_uvarint(&behind, &bytes, &m);
	s->left += (uint32_t)n;
	if (got != GOT)
		return got;
	if (bytes > s->left - n - m)
		return BAD;
	take(r, n + m);
	s->drop = bytes;
	s->tags--;
	return GOT;
}

static enum got open_records(struct reader *r)
{
	struct kafka_side *s = r->s;
	uint32_t bytes;
	size_t head;
	enum got got = read_count(r, 4, &bytes, &head);

	if (got != GOT)
		return got;
	if (bytes > s->left - head)
		return BAD;
	take(r, head);
	s->records_left = bytes;
	s->has_records = true;
	return GOT;
}

static enum got skip_records(struct reader *r, uint32_t bytes)
{
	r->s->records_left -= bytes;
	skip(r, bytes, IN_BODY);
	return GOT;
}

/* One batch (magic 2: a count in its head) or one message of the older formats. What a broker has
 * cut off at the end of a set is no batch. */
static enum got take_batch(struct reader *r)
{
	enum { LENGTH_AT = 8, MAGIC_AT = 16, COUNT_AT = 57, HEAD = 61, PREFIX = 12 };
	struct kafka_side *s = r->s;
	uint32_t bytes;
	uint8_t magic;
	enum got got;

	if (s->records_left <= MAGIC_AT)
		return skip_records(r, s->records_left);
	got = there(r, MAGIC_AT + 1);
	if (got != GOT)
		return got;
	bytes = be32(r->in.at + LENGTH_AT);
	magic = r->in.at[MAGIC_AT];
	if (magic > 2 || bytes > s->records_left - PREFIX ||
	    bytes < (magic == 2 ? HEAD : MAGIC_AT + 2) - PREFIX)
		return skip_records(r, s->records_left);
	bytes += PREFIX;
	if (magic < 2) {
		s->records++;
		return skip_records(r, bytes);
	}
	got = there(r, HEAD);
	if (got != GOT)
		return got;
	if (be32(r->in.at + COUNT_AT) <= INT32_MAX)
		s->records += be32(r->in.at + COUNT_AT);
	return skip_records(r, bytes);
}

static enum got take_field(struct reader *r)
{
	struct kafka_side *s = r->s;
	enum what what = (enum what)s->op->what;
	size_t fixed = what <= UUID ? what : what == TOPIC_ID ? UUID : what == PARTITION ? 4 : 2;
	const uint8_t *at;
	uint8_t room[24];
	enum got got;

	switch (what) {
	case TEXT:
	case BLOB:
	case TOPIC:
	case GROUP:
	case MEMBER_OF:
	case NAME:
	case REASON: return take_string(r, what);
	case INTS:
	case NODES:
	case LONGS: return take_numbers(r, what);
	case RECORDS: return open_records(r);
	default: break;
	}
	got = there(r, fixed);
	if (got != GOT)
		return got;
	at = take(r, fixed);
	switch (what) {
	case TOPIC_ID: take_topic_id(s, at); break;
	case PARTITION: s->partitions++; break;
	case ACKS: message_text(s->m, KAFKA_ACKS, decimal((int16_t)be16(at), room)); break;
	case ERROR:
		take_error(s, (int16_t)be16(at));
		/* KIP-511: the broker does not know the version that it is asked in. Some answer in
		 * version 0, as they should, and some do not. */
		s->refused = s->api == API_VERSIONS && be16(at) == ERROR_UNSUPPORTED_VERSION;
		break;
	default: break;
	}
	return GOT;
}

static enum got take_op(struct reader *r)
{
	struct kafka_side *s = r->s;
	enum got got;

	if (s->op->what == END || s->op->what == LIST_END)
		return end_element(r);
	if (s->version < s->op->from || s->version > s->op->to) {
		s->op = s->op->what == ARRAY || s->op->what == LIST ? behind_array(s->op)
								    : s->op + 1;
		return GOT;
	}
	if (s->op->what == ARRAY || s->op->what == LIST)
		return open_array(r);
	got = take_field(r);
	if (got == GOT)
		s->op++;
	s->whole = s->refused;
	return got;
}

static void skip_rest(struct reader *r)
{
	if (r->s->left > 0)
		skip(r, r->s->left, IN_REST);
	else
		message_over(r);
}

/* The fields are read. In flexible versions tags end the body. */
static enum got end_body(struct reader *r)
{
	struct kafka_side *s = r->s;
	enum got got = GOT;

	if (s->flexible && !s->whole)
		got = read_tags(r);
	if (got == GOT)
		s->whole = true;
	return got;
}

/* The side ends, or has a hole, in what is there. */
static void torn(struct reader *r)
{
	r->s->torn = true;
	if (r->in.bytes > 0)
		r->in = slice_after(r->in, r->in.bytes);
	r->stop = true;
}

static void in_body(struct reader *r)
{
	struct kafka_side *s = r->s;
	enum got got = GOT;

	while (!r->stop && got == GOT) {
		if (s->drop > 0) {
			size_t n = r->in.bytes < s->drop ? r->in.bytes : s->drop;

			take(r, n);
			s->drop -= (uint32_t)n;
			got = s->drop > 0 ? MORE : GOT;
		} else if (s->tags > 0) {
			got = take_tag(r);
		} else if (s->records_left > 0) {
			got = take_batch(r);
		} else if (s->op->what != DONE && !s->refused) {
			got = take_op(r);
		} else if (!s->whole) {
			got = end_body(r);
		} else {
			break;
		}
	}
	if (r->stop || (got == MORE && !r->all))
		return;
	if (got == MORE) {
		s->left -= (uint32_t)r->in.bytes;
		torn(r);
		return;
	}
	if (got == BAD || (s->left > 0 && !s->refused)) {
		message_flag(s->m, FLAG_anomaly);
		s->whole = s->whole && got != BAD;
	}
	skip_rest(r);
}

/* ---- headers ---- */

static uint64_t key_of(uint32_t correlation_id)
{
	return UINT64_C(1) << 32 | correlation_id;
}

struct request_header {
	uint32_t length, correlation_id;
	uint16_t api, version;
	struct slice client_id;
	size_t bytes;
};

static bool is_version_known(uint16_t api, uint16_t version)
{
	return version <= apis[api].newest + NEWER_VERSIONS;
}

/* As strict as can be: it is what tells Kafka from all else. */
static enum got read_request_header(struct slice in, struct request_header *ret)
{
	struct cursor c = cursor_over(in);
	int16_t client;

	ret->length = cursor_be32(&c);
	ret->api = cursor_be16(&c);
	ret->version = cursor_be16(&c);
	if (in.bytes >= 4 && (ret->length < REQUEST_HEADER_BYTES - 4 || ret->length > LENGTH_MAX))
		return BAD;
	if (in.bytes >= 6 && ret->api >= API_COUNT)
		return BAD;
	if (in.bytes >= 8 && !is_version_known(ret->api, ret->version))
		return BAD;
	ret->correlation_id = cursor_be32(&c);
	client = (int16_t)cursor_be16(&c);
	ret->bytes = REQUEST_HEADER_BYTES;
	ret->client_id = slice_of(NULL, 0);
	if (c.failed)
		return MORE;
	if (ret->api == API_CONTROLLED_SHUTDOWN && ret->version == 0) { /* has no client id */
		ret->bytes -= 2;
		return GOT;
	}
	if (client < -1 || client > CLIENT_ID_BYTES ||
	    (client > 0 && (size_t)client + 10 > ret->length))
		return BAD;
	if (client > 0) {
		size_t n = (size_t)client < c.left.bytes ? (size_t)client : c.left.bytes;

		for (size_t i = 0; i < n; i++)
			if (c.left.at[i] < ' ' || c.left.at[i] == 0x7f)
				return BAD;
		ret->client_id = cursor_take(&c, (size_t)client);
		ret->bytes += (size_t)client;
	}
	return c.failed ? MORE : GOT;
}

/* Produce says in its body whether it wants an answer: behind the tags of its header and the
 * transactional id. */
static enum got read_acks(struct slice body, const struct request_header *h, bool *ret_silent)
{
	struct cursor c = cursor_over(body);
	bool flexible = h->version >= apis[API_PRODUCE].flexible;
	size_t most = h->length + 4 - h->bytes, text = 0;
	uint8_t tags = 0, low;

	*ret_silent = false;
	if (flexible)
		tags = cursor_u8(&c);
	if (flexible) {
		low = cursor_u8(&c);
		text = low & 0x7f;
		if ((low & 0x80) != 0)
			text |= (size_t)cursor_u8(&c) << 7;
		text -= text > 0;
	} else if (h->version >= 3) {
		text = cursor_be16(&c);
		text = text > INT16_MAX ? 0 : text;
	}
	if (c.failed)
		return body.bytes < most && body.bytes < 4 ? MORE : GOT;
	if (tags != 0 || text > TEXT_BYTES)
		return GOT;
	cursor_take(&c, text);
	*ret_silent = cursor_be16(&c) == 0 && !c.failed;
	return c.failed && body.bytes < most ? MORE : GOT;
}

static bool is_topic(struct slice s)
{
	if (s.bytes == 0 || s.bytes > 249)
		return false;
	for (size_t i = 0; i < s.bytes; i++) {
		uint8_t c = s.at[i], low = c | 0x20;

		if ((low < 'a' || low > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' &&
		    c != '-')
			return false;
	}
	return true;
}

/* The response to a request of a small number looks like a Produce request up to here. Told apart
 * as far as a count and a length of one byte go; longer ones no response has there. */
static enum got check_produce(struct slice body, const struct request_header *h)
{
	struct cursor c = cursor_over(body);
	bool flexible = h->version >= apis[API_PRODUCE].flexible;
	int16_t acks, text = 0;
	uint32_t timeout, topics, bytes;

	if (flexible && (cursor_u8(&c) != 0 || cursor_u8(&c) > 1) && !c.failed)
		return GOT; /* tags, or in a transaction */
	if (!flexible && h->version >= 3)
		text = (int16_t)cursor_be16(&c);
	if (text < -1 || text > TEXT_BYTES)
		return BAD;
	cursor_take(&c, text > 0 ? (size_t)text : 0);
	acks = (int16_t)cursor_be16(&c);
	if (acks < -1 || acks > 1)
		return BAD;
	timeout = cursor_be32(&c);
	topics = flexible ? cursor_u8(&c) : cursor_be32(&c);
	if (!c.failed && (timeout > INT32_MAX || topics == 0 || topics > h->length))
		return BAD;
	if (h->version >= 13 || (flexible && topics > 0x7f))
		return c.failed ? MORE : GOT;
	bytes = flexible ? cursor_u8(&c) : cursor_be16(&c);
	if (flexible && bytes > 0x7f)
		return GOT;
	bytes -= flexible && bytes > 0;
	if (c.failed)
		return MORE;
	if (bytes == 0 || bytes > 249)
		return BAD;
	return c.left.bytes < bytes ? MORE : is_topic(slice_of(c.left.at, bytes)) ? GOT : BAD;
}

/* Does a request begin here, as far as can be told from bytes of which nothing is known? */
static enum got is_request(struct slice in, struct request_header *h)
{
	enum got got = read_request_header(in, h);

	if (in.bytes >= 4 && h->length > FIRST_LENGTH_MAX)
		return BAD;
	if (got == GOT && h->api == API_PRODUCE)
		return check_produce(slice_after(in, h->bytes), h);
	return got;
}

static void begin(struct reader *r, uint32_t length, uint16_t api, uint16_t version,
		  const struct op *layout)
{
	struct kafka_side *s = r->s;

	s->left = length + 4;
	s->api = (uint8_t)api;
	s->version = (uint8_t)version;
	s->op = version <= apis[api].newest ? layout : NULL;
	s->flexible = version >= apis[api].flexible;
	s->headed = s->whole = s->refused = s->targeted = s->reasoned = s->has_records = false;
	s->depth = 0;
	s->drop = s->tags = s->records_left = 0;
	s->error = 0;
	s->topics = s->partitions = 0;
	s->records = 0;
	memset(s->seen, 0, sizeof(s->seen));
	s->state = IN_BODY;
}

/* Behind the header: its tags are the body's first ones, as far as reading goes. */
static void enter_body(struct reader *r, bool tags)
{
	struct kafka_side *s = r->s;
	uint32_t tag_count = 0;
	size_t n = 0;

	if (s->op == NULL) {
		skip_rest(r);
		return;
	}
	if (tags && read_uvarint(r, &tag_count, &n) == GOT && tag_count <= s->left) {
		take(r, n);
		s->tags = tag_count;
	} else if (tags) {
		message_flag(s->m, FLAG_anomaly);
		skip_rest(r);
	}
}

static void request_start(struct reader *r)
{
	struct kafka_side *s = r->s;
	struct request_header h;
	struct message_open open = { .kind = MESSAGE_REQUEST };
	enum got got = read_request_header(r->in, &h);
	uint8_t room[24];
	bool silent = false, flexible;

	if (got == GOT && h.api == API_PRODUCE)
		got = read_acks(slice_after(r->in, h.bytes), &h, &silent);
	flexible = got == GOT && h.version >= apis[h.api].flexible;
	/* One byte more: the count of the header's tags. */
	if (got == GOT && flexible && h.length + 4 > h.bytes && r->in.bytes <= h.bytes)
		got = MORE;
	if (got == BAD) {
		give_up(r);
		return;
	}
	if (got == MORE) {
		if (r->all)
			torn(r);
		return;
	}
	open.key = key_of(h.correlation_id);
	open.note = (uint64_t)h.api << 16 | h.version;
	if (silent)
		open.kind = MESSAGE_ONEWAY;
	s->m = message_begin(r->c, r->side, r->in.at, open);
	s->response = false;
	begin(r, h.length, h.api, h.version, apis[h.api].request);
	put_text(s->m, FIELD_METHOD, apis[h.api].name);
	message_text(s->m, FIELD_VERSION, decimal(h.version, room));
	if (h.client_id.bytes > 0)
		message_text(s->m, KAFKA_CLIENT_ID, h.client_id);
	message_number(s->m, KAFKA_CORRELATION_ID, h.correlation_id);
	r->h->sasl_tokens = r->h->sasl_tokens || (h.api == API_SASL_HANDSHAKE && h.version == 0);
	take(r, h.bytes);
	enter_body(r, flexible);
}

/* What it answers tells what it is. False: the request may only be late, or there is not enough. */
static void response_start(struct reader *r)
{
	struct kafka_side *s = r->s;
	uint32_t length, id;
	uint64_t note = 0;
	enum request_known known;
	uint16_t api, version;
	bool flexible;

	if (r->in.bytes >= 4 && (be32(r->in.at) < 4 || be32(r->in.at) > LENGTH_MAX)) {
		give_up(r);
		return;
	}
	if (r->in.bytes < RESPONSE_HEADER_BYTES) {
		if (r->all)
			torn(r);
		return;
	}
	length = be32(r->in.at);
	id = be32(r->in.at + 4);
	known = conn_request_note(r->c, r->side, r->in.at, key_of(id), &note);
	if (known == REQUEST_NONE && !conn_waited(r->c, r->side)) {
		conn_wait_peer(r->c, r->side);
		r->stop = true;
		return;
	}
	api = (uint16_t)(note >> 16);
	version = (uint16_t)note;
	/* The header of ApiVersions never has tags: whoever asks may not know them. */
	flexible = known == REQUEST_FOUND && version >= apis[api].flexible && api != API_VERSIONS;
	if (flexible && length > 4 && r->in.bytes == RESPONSE_HEADER_BYTES) {
		if (r->all)
			torn(r);
		return;
	}
	s->m = message_begin(r->c, r->side, r->in.at,
			     (struct message_open){ .kind = MESSAGE_RESPONSE, .key = key_of(id) });
	s->response = true;
	begin(r, length, api, version, known == REQUEST_FOUND ? apis[api].response : NULL);
	message_number(s->m, KAFKA_CORRELATION_ID, id);
	take(r, RESPONSE_HEADER_BYTES);
	enter_body(r, flexible);
}

/* ---- finding it again ---- */

static enum got may_start(struct reader *r)
{
	struct request_header h;
	uint64_t note;

	if (r->client)
		return is_request(r->in, &h);
	if (r->in.bytes < RESPONSE_HEADER_BYTES)
		return MORE;
	if (be32(r->in.at) < 4 || be32(r->in.at) > LENGTH_MAX)
		return BAD;
	return conn_request_note(r->c, r->side, r->in.at, key_of(be32(r->in.at + 4)), &note) ==
			       REQUEST_FOUND
		       ? GOT
		       : BAD;
}

/* Do whole messages fill the bytes to the last? */
static bool is_filled(struct slice in)
{
	size_t at = 0;

	while (in.bytes - at >= RESPONSE_HEADER_BYTES) {
		size_t n = be32(in.at + at);

		if (n < RESPONSE_HEADER_BYTES - 4 || n > in.bytes - at - 4)
			return false;
		at += n + 4;
	}
	return at == in.bytes && at > 0;
}

/* A whole segment is dropped if nothing begins at its beginning. */
static void searching(struct reader *r)
{
	enum got got = may_start(r);

	if (got == MORE && !r->all)
		return;
	if (got == BAD && !r->client) {
		if (!conn_waited(r->c, r->side)) {
			conn_wait_peer(r->c, r->side);
			r->stop = true;
			return;
		}
		/* Responses to requests nobody saw. */
		got = is_filled(r->in) ? GOT : BAD;
	}
	if (got == GOT)
		r->s->state = AT_START;
	else
		r->in = slice_after(r->in, r->in.bytes);
}

static void dropping(struct reader *r)
{
	struct kafka_side *s = r->s;
	size_t n = r->in.bytes < s->left ? r->in.bytes : s->left;

	take(r, n);
	if (s->left == 0)
		s->state = AT_START;
}

/* Without a SYN: who sends a request is the client. */
static bool find_client(struct reader *r)
{
	enum side client = conn_client(r->c);
	struct request_header h;
	enum got got;

	if (client != SIDE_UNKNOWN) {
		r->client = client == r->side;
		return true;
	}
	got = is_request(r->in, &h);
	r->client = got == GOT;
	if (got == GOT)
		return true;
	if (got == MORE && !r->all)
		return false;
	if (!conn_waited(r->c, r->side) && !r->all)
		conn_wait_peer(r->c, r->side);
	else
		r->in = slice_after(r->in, r->in.bytes);
	return false;
}

static void step(struct reader *r)
{
	struct kafka_side *s = r->s;

	if (s->state == IN_REST) {
		message_over(r);
		return;
	}
	if (s->state == IN_BODY) {
		if (s->torn)
			give_up(r);
		else
			in_body(r);
		return;
	}
	if (r->in.bytes == 0)
		return;
	if (s->torn) {
		give_up(r);
		return;
	}
	if (!find_client(r)) {
		r->stop = true;
		return;
	}
	switch ((enum state)s->state) {
	case AT_START:
		if (!r->client)
			response_start(r);
		else if (r->h->sasl_tokens)
			give_up(r);
		else
			request_start(r);
		break;
	case DROPPING: dropping(r); break;
	case SEARCHING: searching(r); break;
	case IN_BODY:
	case IN_REST: break;
	}
}

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct kafka_conn *h = conn_state(c);
	struct reader r = { .c = c, .side = side, .h = h, .s = &h->side[side], .in = in };
	size_t before;
	uint8_t state;

	if (!r.s->begun) {
		r.s->begun = true;
		if (conn_is_midstream(c, side))
			r.s->state = SEARCHING;
	}
	do {
		before = r.in.bytes;
		state = r.s->state;
		r.all = r.in.at == in.at && conn_full(c, side);
		step(&r);
	} while (!r.stop && (r.in.bytes > 0 || r.s->state == IN_BODY) &&
		 (r.in.bytes < before || r.s->state != state));
	return in.bytes - r.in.bytes;
}

static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	struct kafka_side *s = &((struct kafka_conn *)conn_state(c))->side[side];
	bool within = s->m != NULL || s->state == DROPPING;

	s->begun = true;
	s->torn = false;
	if (s->m != NULL && bytes <= s->drop) {
		message_flag(s->m, FLAG_gap_in_body);
		s->drop -= (uint32_t)bytes;
		s->left -= (uint32_t)bytes;
		return RESYNC_SEARCH;
	}
	if (s->m != NULL) {
		message_flag(s->m, s->headed ? FLAG_gap_in_body : FLAG_gap_in_head);
		s->whole = false;
		put_counts(s);
		message_end(s->m, NULL);
		s->m = NULL;
	}
	s->state = SEARCHING;
	if (within && bytes <= s->left) {
		s->left -= (uint32_t)bytes;
		s->state = s->left > 0 ? DROPPING : AT_START;
	}
	return RESYNC_SEARCH;
}

static void close_side(struct conn *c, enum side side, enum why why)
{
	struct kafka_side *s = &((struct kafka_conn *)conn_state(c))->side[side];

	(void)why;
	if (s->m == NULL)
		return;
	message_flag(s->m, s->headed ? FLAG_body_cut : FLAG_head_cut);
	s->whole = false;
	put_counts(s);
	message_end(s->m, NULL);
	s->m = NULL;
}

/* ---- identification ---- */

/* Length, API key, version. */
static const struct pattern patterns[] = {
	{ "^[\\x00-\\x07][\\x00-\\xff]{3}\\x00[\\x00-\\x5f]\\x00[\\x00-\\x1f]", 0 },
};

static enum guess probe(struct slice first, uint16_t port_hint)
{
	struct request_header h;

	(void)port_hint;
	switch (is_request(first, &h)) {
	case BAD: return GUESS_NO;
	case MORE: return GUESS_MORE;
	case GOT: break;
	}
	return h.client_id.bytes > 0 ? GUESS_YES : GUESS_MAYBE;
}

const struct dissector dissector_kafka = {
	.name = "kafka",
	.proto = "kafka",
	.title = "Apache Kafka",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.conn_bytes = sizeof(struct kafka_conn),
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.close = close_side,
};
