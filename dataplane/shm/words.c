#include "dataplane/shm/words.h"

#include <stddef.h>

#define NAME(name, meaning)    #name,
#define MEANING(name, meaning) meaning,

static const char *const outcomes[] = { OUTCOME_LIST(NAME) };
static const char *const whys[] = { WHY_LIST(NAME) };
static const char *const flags[] = { FLAG_LIST(NAME) };
static const char *const why_meanings[] = { WHY_LIST(MEANING) };
#define TUNNEL_NAME(id, name, meaning) name,
static const char *const tunnels[] = { TUNNEL_LIST(TUNNEL_NAME) };
static const char *const flag_meanings[] = { FLAG_LIST(MEANING) };

const char *outcome_name(unsigned outcome)
{
	return outcome < OUTCOME_COUNT ? outcomes[outcome] : NULL;
}

const char *why_name(unsigned why)
{
	return why < WHY_COUNT ? whys[why] : NULL;
}

const char *why_meaning(unsigned why)
{
	return why < WHY_COUNT ? why_meanings[why] : NULL;
}

const char *flag_name(unsigned bit)
{
	return bit < FLAG_COUNT ? flags[bit] : NULL;
}

const char *flag_meaning(unsigned bit)
{
	return bit < FLAG_COUNT ? flag_meanings[bit] : NULL;
}

const char *tunnel_name(unsigned type)
{
	return type < TUNNEL_COUNT ? tunnels[type] : NULL;
}
