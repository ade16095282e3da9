#include "cause.h"
#include "cleanup.h"

struct status_row {
	int status;
	enum hs_cause cause;
	int rank; /* among forks: the highest is told */
	const char *sentence;
};

/* A code without a row counts as its class: x00. */
static const struct status_row status_rows[] = {
	{300, HS_CAUSE_FAILED, 1, "the phone redirects the call; redirections are not followed"},
	{400, HS_CAUSE_FAILED, 1, "the phone refused the request"},
	{401, HS_CAUSE_REJECTED, 1, "the phone asks us for a password; we never answer that"},
	{403, HS_CAUSE_DECLINED, 6, "the phone refused the call"},
	{404, HS_CAUSE_UNREACHABLE, 2, "the phone does not know the user it registered"},
	{407, HS_CAUSE_REJECTED, 1, "the phone asks us for a password; we never answer that"},
	{408, HS_CAUSE_NO_ANSWER, 3, "the phone did not answer in time"},
	{410, HS_CAUSE_UNREACHABLE, 2, "the user is gone from the phone"},
	{430, HS_CAUSE_UNREACHABLE, 2, "the phone's connection is gone"},
	{480, HS_CAUSE_NO_ANSWER, 4, "the phone is not available"},
	{484, HS_CAUSE_UNREACHABLE, 2, "the address is incomplete"},
	{486, HS_CAUSE_BUSY, 7, "the line is busy"},
	{487, HS_CAUSE_CANCELLED, 1, "the call was cancelled"},
	{488, HS_CAUSE_FAILED, 5, "the phone accepts none of our codecs"},
	{500, HS_CAUSE_FAILED, 1, "the phone failed"},
	{503, HS_CAUSE_UNREACHABLE, 2, "the phone cannot be reached"},
	{600, HS_CAUSE_BUSY, 9, "the line is busy everywhere"},
	{603, HS_CAUSE_DECLINED, 8, "the call was declined"},
	{604, HS_CAUSE_UNREACHABLE, 2, "the user exists nowhere"},
	{606, HS_CAUSE_FAILED, 5, "the phone accepts none of our codecs"},
};

static const struct status_row *row_of(int status)
{
	for (size_t i = 0; i < HS_COUNT(status_rows); i++)
		if (status_rows[i].status == status)
			return &status_rows[i];
	return status % 100 || status < 300 ? row_of(status < 300 || status > 699 ? 500 : status / 100 * 100)
					    : &status_rows[1];
}

enum hs_cause cause_of_status(int status)
{
	return row_of(status)->cause;
}

const char *cause_sentence(int status)
{
	return row_of(status)->sentence;
}

int cause_better_status(int a, int b)
{
	if (!a || !b)
		return a ? a : b;
	return row_of(a)->rank >= row_of(b)->rank ? a : b;
}

int status_of_cause(enum hs_cause cause)
{
	static const int statuses[HS_CAUSE_COUNT] = {
		[HS_CAUSE_NORMAL] = 480,       [HS_CAUSE_BUSY] = 486,
		[HS_CAUSE_DECLINED] = 603,     [HS_CAUSE_NO_ANSWER] = 480,
		[HS_CAUSE_CANCELLED] = 480,    [HS_CAUSE_UNREACHABLE] = 404,
		[HS_CAUSE_REJECTED] = 403,     [HS_CAUSE_FAILED] = 500,
		[HS_CAUSE_MEDIA_FAILED] = 500, [HS_CAUSE_DRIVER_RESTARTED] = 503,
		[HS_CAUSE_TIME_LIMIT] = 480,   [HS_CAUSE_OVERLOADED] = 503,
		[HS_CAUSE_LOST] = 480,
	};
	return cause > 0 && cause < HS_CAUSE_COUNT ? statuses[cause] : 500;
}
