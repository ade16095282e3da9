/* sofia_b2b: the least a two-leg call can cost on Sofia-SIP's user-agent layer: no media, no bus, no rights, no log.
 *
 *   sofia_b2b PORT NEXT_PORT
 *
 * INVITE -> INVITE to 127.0.0.1:NEXT_PORT; 180, 200 and BYE are carried across. One thread.
 */
#include <stdio.h>
#include <stdlib.h>

struct leg;
#define NUA_MAGIC_T void
#define NUA_HMAGIC_T struct leg
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/nua.h>
#include <sofia-sip/nua_tag.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_log.h>

struct leg {
	nua_handle_t *handle;
	struct leg *peer;
	int answered;
};

static char next[64];

static void leg_end(struct leg *leg)
{
	if (leg->peer) {
		leg->peer->peer = NULL;
		nua_bye(leg->peer->handle, TAG_END());
	}
	nua_handle_bind(leg->handle, NULL);
	nua_handle_destroy(leg->handle);
	free(leg);
}

static void on_invite(nua_t *nua, nua_handle_t *handle, const sip_t *sip)
{
	struct leg *in = calloc(1, sizeof(*in)), *out = calloc(1, sizeof(*out));
	*in = (struct leg){.handle = handle, .peer = out};
	*out = (struct leg){.peer = in};
	nua_handle_bind(handle, in);
	out->handle = nua_handle(nua, out, SIPTAG_TO_STR(next), TAG_END());
	nua_invite(out->handle, SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD(sip->sip_payload),
		   TAG_END());
}

static void on_answer(struct leg *leg, int status, const sip_t *sip)
{
	struct leg *in = leg->peer;
	if (!in || in->answered || status < 180)
		return;
	if (status >= 200)
		in->answered = 1;
	nua_respond(in->handle, status, status < 200 ? "Ringing" : "OK",
		    TAG_IF(status == 200, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
		    TAG_IF(status == 200, SIPTAG_PAYLOAD(sip->sip_payload)), TAG_END());
}

static void on_event(nua_event_t event, int status, const char *phrase, nua_t *nua, void *context, nua_handle_t *handle,
		     struct leg *leg, const sip_t *sip, tagi_t tags[])
{
	(void)phrase, (void)context, (void)tags;
	if (event == nua_i_invite && !leg)
		on_invite(nua, handle, sip);
	else if (event == nua_r_invite && leg)
		on_answer(leg, status, sip);
	else if (event == nua_i_terminated && leg)
		leg_end(leg);
	else if (event == nua_i_terminated)
		nua_handle_destroy(handle);
}

int main(int argc, char **argv)
{
	char url[64];
	if (argc != 3)
		return 2;
	snprintf(next, sizeof(next), "<sip:x@127.0.0.1:%s>", argv[2]);
	snprintf(url, sizeof(url), "sip:127.0.0.1:%s;transport=udp", argv[1]);
	su_init();
	su_log_set_level(NULL, 0);
	su_root_t *root = su_root_create(NULL);
	su_root_threading(root, 0);
	nua_t *nua = nua_create(root, on_event, NULL, NUTAG_URL(url), NUTAG_MEDIA_ENABLE(0), NUTAG_AUTOALERT(0),
				NUTAG_AUTOANSWER(0), NUTAG_AUTOACK(1), NUTAG_ENABLEINVITE(1), NUTAG_SESSION_TIMER(0),
				NTATAG_UDP_MTU(65535), TAG_END());
	if (!nua)
		return 1;
	puts("ready");
	fflush(stdout);
	su_root_run(root);
}
