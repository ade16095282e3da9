/* doctor: what the running suite says of its daemons and lines. */
#include "cleanup.h"
#include "doctor.h"
#include "link.h"
#include <inttypes.h>
#include <string.h>

#define MANY_RESTARTS 3

static const char *text_of(struct json_object *object, const char *name)
{
	return json_object_get_string(json_object_object_get(object, name));
}

/* ---- Daemons ---- */

static void examine_daemon(struct doctor *doctor, enum hs_role role, const struct reply *reply)
{
	const char *name = hs_role_names[role];
	struct json_object *part = reply->error ? NULL : json_object_object_get(reply->body, "part");
	AUTO(free)
	char *log =
		hs_printf("%s/logs/%s.log, or journalctl, or the container's log, says why", doctor->ctl->home, name);
	if (!part) {
		doctor_find(doctor, FINDING_FAULT, "daemons", log, "%s is away: %s", name,
			    hs_errors[reply->error].title);
		return;
	}
	const char *state = text_of(part, "state"), *why = text_of(part, "why");
	int64_t restarts = json_object_get_int64(json_object_object_get(part, "restarts"));
	if (state && strcmp(state, hs_enum_health_state.names[HS_HEALTH_STATE_OK]) != 0)
		doctor_find(doctor, FINDING_NOTE, "daemons", NULL, "%s is %s: %s", name, state,
			    why ? why : "it does not say why");
	if (restarts >= MANY_RESTARTS)
		doctor_find(doctor, FINDING_NOTE, "daemons", log, "%s was restarted %" PRId64 " times", name, restarts);
}

void doctor_daemons(struct doctor *doctor)
{
	struct reply replies[HS_ROLES];
	int before = doctor->counts[FINDING_FAULT] + doctor->counts[FINDING_NOTE], here = 0;
	if (!link_open(doctor->ctl)) {
		doctor_find(doctor, FINDING_NOTE, "daemons", "run hookctl doctor as root, or as the user of the suite",
			    "this user may not ask the suite: lines and daemons are not examined");
		return;
	}
	link_ask_all(doctor->ctl, HS_DAEMON_STATUS, NULL, replies);
	for (enum hs_role role = HS_ROLE_NONE + 1; role < HS_ROLES; role++)
		here += replies[role].error == HS_OK;
	doctor->is_up = here > 0;
	for (enum hs_role role = HS_ROLE_NONE + 1; role < HS_ROLES; role++) {
		if (doctor->is_up && replies[role].error != HS_ERROR_UNKNOWN_MESSAGE)
			examine_daemon(doctor, role, &replies[role]);
		reply_finish(&replies[role]);
	}
	if (!doctor->is_up)
		doctor_find(doctor, FINDING_NOTE, "daemons",
			    "deploy/quickstart --background; or systemctl, or docker-compose",
			    "the suite does not run: what only it can tell is not examined");
	else if (before == doctor->counts[FINDING_FAULT] + doctor->counts[FINDING_NOTE])
		doctor_find(doctor, FINDING_OK, "daemons", NULL, "all %d answer and are well", here);
}

/* ---- Lines ---- */

static void examine_line(struct doctor *doctor, struct json_object *line)
{
	const struct hs_config_server *server = doctor->ctl->config->server;
	const char *id = text_of(line, "id"), *state = text_of(line, "state"), *driver = text_of(line, "driver");
	if (json_object_object_get(line, "why")) {
		doctor_find(doctor, FINDING_FAULT, "lines", text_of(line, "why"), "%s: %s", id,
			    text_of(line, "trouble"));
		return;
	}
	if (!state || strcmp(state, hs_enum_line_state.names[HS_LINE_STATE_OFFLINE]) != 0) {
		const char *address = text_of(line, "address");
		doctor_find(doctor, FINDING_OK, "lines", NULL, "%s is %s%s%s", id, state ? state : "-",
			    address ? ", at " : "", address ? address : "");
		return;
	}
	const struct hs_config_line *mine = hs_config_find_line(doctor->ctl->config, id);
	AUTO(free)
	char *mend = driver && !strcmp(driver, hs_enum_driver.names[HS_DRIVER_SIP])
			     ? hs_printf("type into the phone: registrar this machine, port %" PRId64
					 ", domain %s, user %s, and its password (quickstart.json)",
					 server->sip_port, server->domain, mine && mine->user ? mine->user : id)
			     : NULL;
	doctor_find(doctor, FINDING_NOTE, "lines", mend, "%s is offline: no phone has registered", id);
}

/* Asks for a list that needs a token; false where there is none, which is said. */
static bool ask_list(struct doctor *doctor, enum hs_message_id message, const char *about, struct reply *ret_reply)
{
	AUTO(free) char *token = hookctl_token(doctor->ctl);
	*ret_reply = (struct reply){0};
	if (!doctor->is_up)
		return false;
	link_ask(doctor->ctl, HS_ROLE_APID, message, NULL, token, 0, ret_reply);
	if (ret_reply->error)
		doctor_find(doctor, FINDING_NOTE, about, "give a token with --token or in HOOKSWITCH_TOKEN",
			    "apid does not tell them: %s", hs_errors[ret_reply->error].title);
	return !ret_reply->error;
}

static void each_row(struct doctor *doctor, enum hs_message_id message, const char *about,
		     void (*examine)(struct doctor *doctor, struct json_object *row))
{
	struct reply reply;
	struct json_object *list =
		ask_list(doctor, message, about, &reply) ? json_object_object_get(reply.body, about) : NULL;
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		examine(doctor, json_object_array_get_idx(list, i));
	reply_finish(&reply);
}

void doctor_lines(struct doctor *doctor)
{
	if (doctor->ctl->config->lines_count == 0)
		doctor_find(doctor, FINDING_NOTE, "lines", "add one under lines: in hookswitch.yaml",
			    "none is configured");
	each_row(doctor, HS_LINES_LIST, "lines", examine_line);
}

/* ---- Webhooks ---- */

static void examine_webhook(struct doctor *doctor, struct json_object *hook)
{
	const char *why = text_of(hook, "last_error");
	int64_t pending = json_object_get_int64(json_object_object_get(hook, "pending"));
	int64_t dead = json_object_get_int64(json_object_object_get(hook, "dead"));
	if (why)
		doctor_find(doctor, FINDING_FAULT, "webhooks", "mend the receiver; what waits is sent again by itself",
			    "%s: %s; %" PRId64 " wait, %" PRId64 " were given up", text_of(hook, "url"), why, pending,
			    dead);
	else
		doctor_find(doctor, FINDING_OK, "webhooks", NULL, "%s: %" PRId64 " delivered, %" PRId64 " wait",
			    text_of(hook, "url"), json_object_get_int64(json_object_object_get(hook, "delivered")),
			    pending);
}

void doctor_webhooks(struct doctor *doctor)
{
	each_row(doctor, HS_WEBHOOKS_LIST, "webhooks", examine_webhook);
}
