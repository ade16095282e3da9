/* Which legs of a call are whose. Who is outside may be called over one line after the other, and who is inside at
 * several at once: the newest leg of a party is the one that counts, or the one that was answered. */
#include "call.h"
#include "cleanup.h"

/* Earlier versions knew of one party outside only: legs with a number at the beginning were all of it. */
void call_find_parties(struct call *call)
{
	size_t first = 0;

	while (call->legs[first].number && first + 1 < call->legs_count && call->legs[first + 1].number)
		first++;
	if (call->second_at == 0 || call->second_at >= call->legs_count)
		call->second_at = first + 1 < call->legs_count ? first + 1 : 0;
	call->first = (call->second_at ? call->second_at : call->legs_count) - 1;
}

struct leg *call_first(struct call *call)
{
	return &call->legs[call->first];
}

void call_set_route(struct call *call, const struct hs_config_route *route)
{
	call->route = route;
	hs_copy(call->route_id, sizeof(call->route_id), route ? route->id : "");
}

void call_set_to_route(struct call *call, const struct hs_config_route *route)
{
	call->to_route = route;
	hs_copy(call->to_route_id, sizeof(call->to_route_id), route ? route->id : "");
}

void call_set_group(struct call *call, const struct hs_config_group *group)
{
	call->group = group;
	call->group_at = 0;
	hs_copy(call->group_id, sizeof(call->group_id), group ? group->id : "");
}

const struct hs_config_route *call_route_of(const struct leg *leg, const char **ret_dialled)
{
	const struct call *call = leg->call;
	bool is_to = call->to_route && call->second_at && (size_t)(leg - call->legs) >= call->second_at;

	*ret_dialled = is_to ? call->to_number : call->dialled;
	return is_to ? call->to_route : call->route;
}

struct leg *call_second(const struct call *call)
{
	return (struct leg *)&call->legs[call->second ? call->second : call->legs_count - 1];
}

const struct hs_config_route *call_second_route(const struct call *call)
{
	if (call->to_route || call->is_onward)
		return call->to_route;
	return call->legs[0].number ? NULL : call->route; /* else it is the first one's */
}

bool call_is_rung(const struct call *call, const struct leg *leg)
{
	size_t at = (size_t)(leg - call->legs);

	return call->second_at > 0 ? at >= call->second_at : at + 1 == call->legs_count && !leg->incoming;
}
