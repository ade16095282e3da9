#include "serve.h"
#include "lamp.h"
#include "leg.h"
#include "sipd.h"

static void originate(void *context, struct hs_request *request)
{
	leg_originate(context, request);
}

static void progress(void *context, struct hs_request *request)
{
	leg_progress(context, request);
}

static void answer(void *context, struct hs_request *request)
{
	leg_answer(context, request);
}

static void hangup(void *context, struct hs_request *request)
{
	leg_hangup(context, request);
}

static void hold(void *context, struct hs_request *request)
{
	leg_hold(context, request);
}

static void digits(void *context, struct hs_request *request)
{
	leg_digits(context, request);
}

static void recall(void *context, struct hs_request *request)
{
	leg_recall(context, request);
}

static void messages(void *context, struct hs_request *request)
{
	lamps_messages(((struct sipd *)context)->lamps, request);
}

const struct hs_door serve_doors[SERVE_DOORS] = {
	{HS_LEG_ORIGINATE, originate}, {HS_LEG_PROGRESS, progress},  {HS_LEG_ANSWER, answer},
	{HS_LEG_HANGUP, hangup},       {HS_LEG_HOLD, hold},          {HS_LEG_DIGITS, digits},
	{HS_LEG_RECALL, recall},       {HS_LINE_MESSAGES, messages},
};
