#include "upload.h"
#include "audio.h"
#include "cleanup.h"
#include "clock.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VERDICT_MS 5000 /* from the grant to mediad's word */
#define AGAIN_MS 5      /* when mediad's queue is full */
#define SENTENCE 200

static const struct {
	const char *type;
	enum hs_upload_format format;
} types[] = {
	{"audio/wav", HS_UPLOAD_FORMAT_WAV},    {"audio/x-wav", HS_UPLOAD_FORMAT_WAV},
	{"audio/wave", HS_UPLOAD_FORMAT_WAV},   {"audio/vnd.wave", HS_UPLOAD_FORMAT_WAV},
	{"audio/basic", HS_UPLOAD_FORMAT_PCMU}, {"audio/pcmu", HS_UPLOAD_FORMAT_PCMU},
	{"audio/pcma", HS_UPLOAD_FORMAT_PCMA},
};

struct upload {
	struct audio_holder holder; /* first */
	struct request *request;
	struct audio *audio;
	struct hs_wire_out answer; /* apid's, open: the length is added */
	const uint8_t *body;
	size_t bytes, sent;
	uint32_t sequence;
	int64_t until_ms;
	uv_timer_t timer;
};

enum hs_upload_format upload_format(const char *content_type)
{
	size_t length = strcspn(content_type, " \t;");
	for (size_t i = 0; i < HS_COUNT(types); i++)
		if (strlen(types[i].type) == length && strncasecmp(content_type, types[i].type, length) == 0)
			return types[i].format;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void upload_destroy(struct upload *upload)
{
	if (!upload)
		return;
	audio_drop(upload->audio, &upload->holder);
	free(upload->answer.bytes);
	upload->timer.data = upload;
	uv_close((uv_handle_t *)&upload->timer, on_timer_closed);
}

static void refuse(struct upload *upload, enum hs_error error, const char *detail)
{
	struct request *request = upload->request;
	upload_destroy(TAKE(request->upload));
	rest_refuse(request, &(struct problem){.error = error, .detail = detail});
}

static void accept_upload(struct upload *upload, const struct hs_frame *frame)
{
	struct request *request = upload->request;
	char digits[16] = "";
	if (frame->payload_bytes < sizeof(digits))
		memcpy(digits, frame->payload, frame->payload_bytes);
	hs_wire_put_name(&upload->answer, "duration_ms");
	hs_wire_put_int(&upload->answer, strtoll(digits, NULL, 10));
	hs_wire_put(&upload->answer, "}", 1);
	AUTO(free) char *text = TAKE(upload->answer.bytes);
	size_t length = upload->answer.used;
	upload_destroy(TAKE(request->upload));
	rest_answer(request, hs_messages[request->message].status, "application/json", text, length);
}

static void on_heard(struct audio_holder *holder, const struct hs_frame *frame)
{
	struct upload *upload = (struct upload *)holder;
	char sentence[SENTENCE + 1] = "";
	if (frame->kind == HS_FRAME_ACCEPTED) {
		accept_upload(upload, frame);
	} else if (frame->kind == HS_FRAME_REFUSED) {
		size_t length = frame->payload_bytes < SENTENCE ? frame->payload_bytes : SENTENCE;
		memcpy(sentence, frame->payload, length);
		problem_clean(sentence, sentence, sizeof(sentence));
		refuse(upload, HS_ERROR_INVALID, sentence);
	}
}

static void on_changed(struct audio_holder *holder, bool up)
{
	if (!up)
		refuse((struct upload *)holder, HS_ERROR_UNAVAILABLE, "mediad went away; send the audio again.");
}

/* 0 when all is sent; else what audio_send said. */
static int send_some(struct upload *upload)
{
	while (upload->sent < upload->bytes) {
		size_t left = upload->bytes - upload->sent;
		size_t part = left < HS_FRAME_MAX_PAYLOAD ? left : HS_FRAME_MAX_PAYLOAD;
		struct hs_frame frame = {
			.kind = HS_FRAME_UPLOAD,
			.last = part == left,
			.sequence = upload->sequence,
			.payload = upload->body + upload->sent,
			.payload_bytes = part,
		};
		int error = audio_send(upload->audio, &upload->holder, &frame);
		if (error)
			return error;
		upload->sequence++;
		upload->sent += part;
	}
	return 0;
}

static void go_on(uv_timer_t *timer)
{
	struct upload *upload = timer->data;
	int64_t left = upload->until_ms - hs_clock_ms();
	int error = send_some(upload);
	if (error && error != -EAGAIN)
		refuse(upload, HS_ERROR_UNAVAILABLE, "mediad is away; try again.");
	else if (left <= 0)
		refuse(upload, HS_ERROR_TIMEOUT, "mediad did not take the audio in time.");
	else
		uv_timer_start(&upload->timer, go_on, error ? AGAIN_MS : (uint64_t)left, 0);
}

void upload_begin(struct request *request, const struct hs_answer *answer)
{
	struct front *front = rest_front(request->rest);
	struct upload *upload = hs_zalloc(sizeof(*upload));
	const struct hs_json *play = hs_json_member(answer->json, "play_id");
	struct hs_arena *arena = hs_arena_create();
	const char *grant = hs_json_text(play, arena);
	request->upload = upload;
	upload->request = request;
	upload->audio = front->audio;
	hs_wire_put(&upload->answer, answer->json->text, answer->json->bytes - 1);
	upload->body = http_body(request->exchange, &upload->bytes);
	upload->until_ms = hs_clock_ms() + VERDICT_MS;
	upload->holder.heard = on_heard;
	upload->holder.changed = on_changed;
	uv_timer_init(front->house->loop, &upload->timer);
	upload->timer.data = upload;
	int error = audio_hold(front->audio, &upload->holder, grant ? grant : "");
	hs_arena_destroy(arena);
	if (error)
		refuse(upload, HS_ERROR_INTERNAL, "apid gave a grant that does not fit a frame.");
	else
		go_on(&upload->timer);
}
