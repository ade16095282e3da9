#include "ceilings.h"
#include "cleanup.h"
#include "declared.h"
#include "hookd.h"
#include "reach.h"
#include "wall.h"
#include <errno.h>
#include <stdlib.h>

#define JOURNAL_BYTES (256 << 10)
#define ENDING_MS 10

static void undone(void *context)
{
	struct hookd *hookd = context;

	hear_rewind(hookd->hear);
}

static void failed(void *context, const struct hs_hook_failed *failure)
{
	tell_failed(context, failure);
}

/* Ports that the configuration names in URLs are open; so is what it lists in allow_networks. */
static void open_rules(struct hookd *hookd)
{
	const struct hs_config_webhooks *webhooks = hookd->house->config->webhooks;
	struct declared declared[DECLARED_MAX];
	size_t count = declared_list(webhooks, declared);

	egress_rules_init(&hookd->rules, webhooks->allow_networks, webhooks->allow_networks_count);
	for (size_t i = 0; i < count; i++) {
		struct egress_url url;
		char why[EGRESS_WHY];

		if (!egress_parse_url(declared[i].url, EGRESS_HTTP, &url, why))
			egress_rules_add_port(&hookd->rules, url.port);
	}
}

static struct deliver *make_deliver(struct hookd *hookd)
{
	struct deliver_setup setup = {
		.loop = hookd->house->loop,
		.resolve = hookd->resolve,
		.rules = &hookd->rules,
		.timeout_ms = (int)hookd->house->config->webhooks->timeout_s * 1000,
		.ca_file = hookd->house->config->webhooks->ca_file,
	};

	return deliver_create(&setup);
}

static struct dispatch *make_dispatch(struct hookd *hookd)
{
	struct dispatch_setup setup = {
		.house = hookd->house,
		.outbox = hookd->outbox,
		.deliver = hookd->deliver,
		.rules = &hookd->rules,
		.undone = undone,
		.failed = failed,
		.context = hookd,
	};

	return dispatch_create(&setup);
}

static int start(struct hs_house *house)
{
	struct hookd *hookd = hs_zalloc(sizeof(*hookd));

	house->daemon = hookd;
	hookd->house = house;
	uv_timer_init(house->loop, &hookd->ending);
	hookd->ending.data = hookd;
	open_rules(hookd);
	hookd->ceiling = reach_ceiling(house, &hookd->rules);
	reach_check(house);
	hookd->resolve = resolve_create(house->loop);
	hookd->outbox = outbox_open(house->folder, house->config->store->durability == HS_DURABILITY_FULL);
	if (!hookd->resolve || !hookd->outbox)
		return -EIO;
	hookd->deliver = make_deliver(hookd);
	if (!hookd->deliver)
		return -EIO;
	hookd->dispatch = make_dispatch(hookd);
	declare_endpoints(hookd);
	dispatch_start(hookd->dispatch);
	hookd->hear = hear_create(hookd);
	return 0;
}

static int reseal(struct hs_house *house)
{
	struct hookd *hookd = house->daemon;

	return dispatch_reseal(hookd->dispatch);
}

/* Requests under way may end; no new ones begin. */
static void look_if_done(uv_timer_t *timer)
{
	struct hookd *hookd = timer->data;

	if (!deliver_count(hookd->deliver))
		hs_daemon_stopped(hookd->house);
}

static void stop(struct hs_house *house)
{
	struct hookd *hookd = house->daemon;

	dispatch_stop(hookd->dispatch);
	uv_timer_start(&hookd->ending, look_if_done, 0, ENDING_MS);
}

static void free_hookd(uv_handle_t *handle)
{
	free(handle->data);
}

static void finish(struct hs_house *house)
{
	struct hookd *hookd = house->daemon;

	if (!hookd)
		return;
	serve_finish(hookd);
	hear_destroy(hookd->hear);
	deliver_destroy(hookd->deliver);
	dispatch_destroy(hookd->dispatch);
	outbox_close(hookd->outbox);
	resolve_destroy(hookd->resolve);
	egress_rules_finish(&hookd->rules);
	hs_ceiling_destroy(hookd->ceiling);
	uv_close((uv_handle_t *)&hookd->ending, free_hookd);
}

static const struct hs_daemon daemon_table = {
	.name = "hookd",
	.role = HS_ROLE_HOOKD,
	.sandbox = &hookd_wall,
	.journal_bytes = JOURNAL_BYTES,
	.doors = serve_doors,
	.doors_count = HS_COUNT(serve_doors),
	.start = start,
	.reseal = reseal,
	.stop = stop,
	.finish = finish,
};

int main(int argc, char **argv)
{
	return hs_daemon_main(argc, argv, &daemon_table);
}
