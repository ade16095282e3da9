#include "call_record.h"
#include "cleanup.h"
#include "gather.h"
#include <stdlib.h>
#include <string.h>

static const char *const ended_bys[] = {"line", "api", "system"};

static int word_of(const char *const *words, int count, const char *word)
{
	for (int i = 0; word && i < count; i++)
		if (words[i] && strcmp(words[i], word) == 0)
			return i;
	return 0;
}

/* A word of the contract's, or NULL when it is absent. */
static const char *word(const struct hs_enum *words, int number)
{
	return number > 0 && number < words->count ? words->names[number] : NULL;
}

static const char *filled(const char *text)
{
	return text && text[0] ? text : NULL;
}

static void save_leg(struct store *store, const struct call *call, size_t i)
{
	const struct leg *leg = &call->legs[i];
	const char open[2] = {leg->digits.open, '\0'};

	store_write(store, STORE_LEG_PUT, STORE_V_INT(call->n), STORE_V_INT((int64_t)i), STORE_V_TEXT(leg->id),
		    STORE_V_TEXT(leg->line_id), STORE_V_TEXT(hs_role_names[leg->driver]),
		    STORE_V_TEXT(leg_state_names[leg->state]), STORE_V_TEXT(leg_media_names[leg->media]),
		    STORE_V_INT(leg->incoming), STORE_V_INT(leg->held), STORE_V_INT(leg->asked_at),
		    STORE_V_INT(leg->media_at), STORE_V_INT(leg->answered_at), STORE_V_INT(leg->ended_at),
		    STORE_V_TEXT(word(&hs_enum_cause, leg->cause)), STORE_V_INT(leg->status), STORE_V_TEXT(leg->why),
		    STORE_V_TEXT(word(&hs_enum_codec, leg->codec)), STORE_V_TEXT(leg->figures),
		    STORE_V_INT(leg->hung_up), STORE_V_INT(leg->digits.audio), STORE_V_TEXT(filled(open)),
		    STORE_V_INT(leg->digits.open_sequence), STORE_V_TEXT(leg->number), STORE_V_INT(leg->muted));
}

void call_record_save(struct store *store, const struct call *call)
{
	AUTO(free) char *gather = gather_save(call);

	store_write(store, STORE_CALL_PUT, STORE_V_INT(call->n), STORE_V_TEXT(call->id),
		    STORE_V_TEXT(call_state_names[call->state]), STORE_V_TEXT(word(&hs_enum_call_state, call->shown)),
		    STORE_V_TEXT(word(&hs_enum_call_direction, call->direction)), STORE_V_TEXT(call->line_id),
		    STORE_V_TEXT(call->target ? call->target->config->id : NULL), STORE_V_INT(call->to_operator),
		    STORE_V_TEXT(call->dialled), STORE_V_TEXT(call->caller_number), STORE_V_TEXT(call->caller_name),
		    STORE_V_INT(call->created_at), STORE_V_INT(call->answered_at), STORE_V_INT(call->ended_at),
		    STORE_V_TEXT(word(&hs_enum_cause, call->cause)), STORE_V_TEXT(call->ended_by),
		    STORE_V_TEXT(call->why), STORE_V_INT(call->digits), STORE_V_TEXT(filled(call->collected)),
		    STORE_V_INT(call->ring_ms), STORE_V_INT(call->deadline_at),
		    STORE_V_TEXT(word(&hs_enum_tone, call->tone)), STORE_V_INT(call->state == CALL_ENDED),
		    STORE_V_TEXT(filled(call->route_id)), STORE_V_TEXT(filled(call->to_route_id)),
		    STORE_V_TEXT(call->to_number), STORE_V_INT((int64_t)call->second_at), STORE_V_INT(call->max_ms),
		    STORE_V_TEXT(gather), STORE_V_INT((int64_t)call->first + 1), STORE_V_INT((int64_t)call->second),
		    STORE_V_TEXT(filled(call->group_id)), STORE_V_INT(call->group_at), STORE_V_INT(call->hops),
		    STORE_V_INT(call->is_onward), STORE_V_TEXT(filled(call->bridged)));
	for (size_t i = 0; i < call->legs_count; i++)
		save_leg(store, call, i);
}

void call_record_load(const struct store_row *row, struct call *ret_call)
{
	const char *by = store_text(row, 15);

	ret_call->n = store_int(row, 0);
	hs_copy(ret_call->id, sizeof(ret_call->id), store_text(row, 1));
	ret_call->state = word_of(call_state_names, CALL_STATES, store_text(row, 2));
	ret_call->shown = hs_wire_word(&hs_enum_call_state, store_text(row, 3));
	ret_call->direction = hs_wire_word(&hs_enum_call_direction, store_text(row, 4));
	hs_copy(ret_call->line_id, sizeof(ret_call->line_id), store_text(row, 5));
	ret_call->to_operator = store_int(row, 7) != 0;
	ret_call->dialled = hs_strdup(store_text(row, 8));
	ret_call->caller_number = hs_strdup(store_text(row, 9));
	ret_call->caller_name = hs_strdup(store_text(row, 10));
	ret_call->created_at = store_int(row, 11);
	ret_call->answered_at = store_int(row, 12);
	ret_call->ended_at = store_int(row, 13);
	ret_call->cause = hs_wire_word(&hs_enum_cause, store_text(row, 14));
	ret_call->ended_by = by ? ended_bys[word_of(ended_bys, HS_COUNT(ended_bys), by)] : NULL;
	ret_call->why = hs_strdup(store_text(row, 16));
	ret_call->digits = store_int(row, 17);
	hs_copy(ret_call->collected, sizeof(ret_call->collected), store_text(row, 18));
	ret_call->ring_ms = store_int(row, 19);
	ret_call->deadline_at = store_int(row, 20);
	ret_call->tone = hs_wire_word(&hs_enum_tone, store_text(row, 21));
	hs_copy(ret_call->route_id, sizeof(ret_call->route_id), store_text(row, 22));
	hs_copy(ret_call->to_route_id, sizeof(ret_call->to_route_id), store_text(row, 23));
	ret_call->to_number = hs_strdup(store_text(row, 24));
	ret_call->second_at = (size_t)store_int(row, 25);
	ret_call->max_ms = store_int(row, 26);
	ret_call->first = call_record_knows_parties(row) ? (size_t)store_int(row, 28) - 1 : 0;
	ret_call->second = (size_t)store_int(row, 29);
	hs_copy(ret_call->group_id, sizeof(ret_call->group_id), store_text(row, 30));
	ret_call->group_at = store_int(row, 31);
	ret_call->hops = store_int(row, 32);
	ret_call->is_onward = store_int(row, 33) != 0;
	hs_copy(ret_call->bridged, sizeof(ret_call->bridged), store_text(row, 34));
}

bool call_record_knows_parties(const struct store_row *row)
{
	return store_int(row, 28) > 0;
}

const char *call_record_gather(const struct store_row *row)
{
	return store_text(row, 27);
}

const char *call_record_target(const struct store_row *row)
{
	return store_text(row, 6);
}

bool call_record_load_leg(const struct store_row *row, struct call *call)
{
	struct leg *leg = &call->legs[call->legs_count];

	if (call->legs_count == CALL_LEGS)
		return false;
	call->legs_count++;
	leg->call = call;
	hs_copy(leg->id, sizeof(leg->id), store_text(row, 2));
	hs_copy(leg->line_id, sizeof(leg->line_id), store_text(row, 3));
	leg->driver = word_of(hs_role_names, HS_ROLES, store_text(row, 4));
	leg->state = word_of(leg_state_names, LEG_STATES, store_text(row, 5));
	leg->media = word_of(leg_media_names, LEG_MEDIAS, store_text(row, 6));
	leg->incoming = store_int(row, 7) != 0;
	leg->held = store_int(row, 8) != 0;
	leg->asked_at = store_int(row, 9);
	leg->media_at = store_int(row, 10);
	leg->answered_at = store_int(row, 11);
	leg->ended_at = store_int(row, 12);
	leg->cause = hs_wire_word(&hs_enum_cause, store_text(row, 13));
	leg->status = store_int(row, 14);
	leg->why = hs_strdup(store_text(row, 15));
	leg->codec = hs_wire_word(&hs_enum_codec, store_text(row, 16));
	leg->figures = hs_strdup(store_text(row, 17));
	leg->hung_up = store_int(row, 18) != 0;
	leg->digits.audio = store_int(row, 19) != 0;
	leg->digits.open = store_text(row, 20) ? store_text(row, 20)[0] : '\0';
	leg->digits.open_sequence = store_int(row, 21);
	leg->number = hs_strdup(store_text(row, 22));
	leg->muted = store_int(row, 23) != 0;
	return true;
}

/* ---- the public form ---- */

static const char *kept(struct hs_arena *arena, const char *text)
{
	return text && text[0] ? hs_arena_copy(arena, text, strlen(text)) : NULL;
}

static struct hs_media_figures *figures(const struct leg *leg, struct hs_arena *arena)
{
	struct hs_media_figures *one;
	struct hs_wire_fault fault;
	const struct hs_json *json;

	if (!leg->figures || hs_wire_parse(leg->figures, strlen(leg->figures), arena, &json, &fault) != 0)
		return NULL;
	one = hs_arena_alloc(arena, sizeof(*one));
	return hs_wire_decode(&hs_shape_media_figures, json, false, arena, one, &fault) == 0 ? one : NULL;
}

static void describe_leg(const struct leg *leg, struct hs_arena *arena, struct hs_leg *ret_leg)
{
	*ret_leg = (struct hs_leg){
		.id = kept(arena, leg->id),
		.kind = "line",
		.line = kept(arena, leg->line_id),
		.state = leg_state_names[leg->state],
		.held = leg->held,
		.has_muted = leg->muted,
		.muted = leg->muted,
		.answered_at = leg->answered_at,
		.ended_at = leg->ended_at,
		.cause = leg->cause,
		.has_sip_status = leg->status > 0,
		.sip_status = leg->status,
		.why = kept(arena, leg->why),
		.media = figures(leg, arena),
		.number = kept(arena, leg->number),
	};
}

void call_record_describe(const struct call *call, struct hs_arena *arena, struct hs_call *ret_call)
{
	bool over = call->shown == HS_CALL_STATE_ENDED;
	int64_t talked = call->answered_at && over ? call->ended_at - call->answered_at : 0;

	*ret_call = (struct hs_call){
		.id = kept(arena, call->id),
		.state = call->shown,
		.direction = call->direction,
		.line = kept(arena, call->line_id),
		.dialled = kept(arena, call->dialled),
		.route = kept(arena, call->route_id),
		.to_number = kept(arena, call->to_number),
		.to_route = kept(arena, call->to_route_id),
		.group = kept(arena, call->group_id),
		.bridged_with = kept(arena, call->bridged),
		.caller_number = kept(arena, call->caller_number),
		.caller_name = kept(arena, call->caller_name),
		.created_at = call->created_at,
		.answered_at = call->answered_at,
		.ended_at = call->ended_at,
		.has_duration_ms = over,
		.duration_ms = talked > 0 ? talked : 0,
		.cause = call->cause,
		.ended_by = call->ended_by,
		.has_max_duration_s = call->max_ms > 0,
		.max_duration_s = call->max_ms / 1000,
		.digits = call->digits,
		.legs_count = call->legs_count,
		.legs = hs_arena_alloc(arena, CALL_LEGS * sizeof(struct hs_leg)),
	};
	for (size_t i = 0; i < call->legs_count; i++)
		describe_leg(&call->legs[i], arena, &ret_call->legs[i]);
}

static size_t length(const char *text)
{
	return text ? strlen(text) : 0;
}

size_t call_record_bytes(const struct call *call)
{
	size_t bytes = 500 + length(call->dialled) + 2 * (length(call->caller_number) + length(call->caller_name));

	for (size_t i = 0; i < call->legs_count; i++)
		bytes += 400 + 2 * length(call->legs[i].why) + length(call->legs[i].figures);
	return bytes;
}

void call_record_finish(struct call *call)
{
	free(call->dialled);
	free(call->to_number);
	free(call->caller_number);
	free(call->caller_name);
	free(call->cadence);
	free(call->request);
	free(call->why);
	for (size_t i = 0; i < call->legs_count; i++)
		leg_finish(&call->legs[i]);
}
