/* doctor: addresses, clock, disk, limits and keys of this machine. */
#include "cleanup.h"
#include "doctor.h"
#include "keys.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define ROOM_BYTES (512LL << 20) /* a day of events and webhooks to a dead endpoint */
#define DESCRIPTORS_A_CALL 4

/* ---- Addresses ---- */

static bool is_loopback(const char *host)
{
	return !strncmp(host, "127.", 4) || !strcmp(host, "::1");
}

static bool is_any(const char *host)
{
	return !strcmp(host, "0.0.0.0") || !strcmp(host, "::");
}

/* The addresses others may know this machine by, with blanks between them; how many. */
static int list_addresses(char *ret_text, size_t size)
{
	struct ifaddrs *all = NULL;
	int count = 0;
	*ret_text = '\0';
	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
		char text[INET_ADDRSTRLEN];
		size_t used = strlen(ret_text);
		if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || one->ifa_flags & IFF_LOOPBACK ||
		    !(one->ifa_flags & IFF_UP))
			continue;
		inet_ntop(AF_INET, &((struct sockaddr_in *)one->ifa_addr)->sin_addr, text, sizeof(text));
		snprintf(ret_text + used, size - used, "%s%s", count++ ? " " : "", text);
	}
	freeifaddrs(all);
	return count;
}

void doctor_addresses(struct doctor *doctor)
{
	const struct hs_config_server *server = doctor->ctl->config->server;
	char text[256];
	int count = list_addresses(text, sizeof(text));
	if (is_loopback(server->host))
		doctor_find(doctor, FINDING_NOTE, "addresses",
			    "server.host: 0.0.0.0, for phones and clients of other machines",
			    "server.host is %s: only programs on this machine reach us", server->host);
	else if (server->advertised_host)
		doctor_find(doctor, FINDING_OK, "addresses", NULL,
			    "phones are told to reach us at %s (server.advertised_host)", server->advertised_host);
	else if (is_any(server->host) && count == 0)
		doctor_find(doctor, FINDING_NOTE, "addresses", "bring up a network interface",
			    "this machine has no address but its own loopback");
	else
		doctor_find(doctor, FINDING_OK, "addresses", NULL, "registrar of a phone: %s port %" PRId64 "%s",
			    is_any(server->host) ? text : server->host, server->sip_port,
			    count > 1 && is_any(server->host) ? ", whichever of them it can reach" : "");
	if (!is_loopback(server->host) && !server->advertised_host)
		doctor_find(doctor, FINDING_OK, "NAT", NULL,
			    "a router between us and a phone that forwards ports to us needs server.advertised_host; "
			    "one in "
			    "front of the phone needs nothing");
}

/* ---- Clock ---- */

static void examine_clock(struct doctor *doctor)
{
	struct timex state = {0};
	struct tm now;
	char text[32];
	time_t seconds = time(NULL);
	int result = adjtimex(&state);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%SZ", gmtime_r(&seconds, &now));
	if (result == TIME_ERROR || state.status & STA_UNSYNC)
		doctor_find(doctor, FINDING_NOTE, "clock", "apt-get install chrony (webhook signatures carry the time)",
			    "nothing keeps it right; it says %s", text);
	else
		doctor_find(doctor, FINDING_OK, "clock", NULL, "it is kept right; it says %s", text);
}

/* ---- Disk ---- */

static void examine_disk(struct doctor *doctor)
{
	const char *home = doctor->ctl->home;
	struct statvfs disk;
	if (statvfs(home, &disk) < 0) {
		doctor_find(doctor, FINDING_NOTE, "disk", NULL, "%s is not there yet: the first start makes it", home);
		return;
	}
	int64_t room = (int64_t)(disk.f_bavail * disk.f_frsize);
	doctor_find(doctor, room < ROOM_BYTES ? FINDING_FAULT : FINDING_OK, "disk",
		    room < ROOM_BYTES ? "make room, or shorten store.retention_days; a full disk refuses calls" : NULL,
		    "%" PRId64 " MiB are free for %s", room >> 20, home);
}

/* ---- Limits ---- */

static void examine_descriptors(struct doctor *doctor)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	int64_t wanted = doctor->ctl->config->calls->max_active * DESCRIPTORS_A_CALL;
	if (limit.rlim_max != RLIM_INFINITY && (int64_t)limit.rlim_max < wanted)
		doctor_find(doctor, FINDING_NOTE, "descriptors",
			    "raise it: LimitNOFILE= of the unit, ulimits of the container, or \"ulimit -Hn\" before "
			    "the start",
			    "from here %" PRId64 " may be open: enough for %" PRId64 " of calls.max_active %" PRId64
			    " calls",
			    (int64_t)limit.rlim_max, (int64_t)limit.rlim_max / DESCRIPTORS_A_CALL,
			    doctor->ctl->config->calls->max_active);
	else
		doctor_find(doctor, FINDING_OK, "descriptors", NULL, "enough for calls.max_active");
}

/* ---- The kernel's table of flows ---- */

static int64_t read_number(const char *path)
{
	int64_t number = -1;
	AUTO(file) FILE *file = fopen(path, "re");
	if (file && fscanf(file, "%" SCNd64, &number) != 1)
		number = -1;
	return number;
}

/* Where packets are tracked, a full table drops audio without a word. */
static void examine_tracking(struct doctor *doctor)
{
	int64_t count = read_number("/proc/sys/net/netfilter/nf_conntrack_count");
	int64_t most = read_number("/proc/sys/net/netfilter/nf_conntrack_max");
	if (count < 0 || most <= 0)
		return;
	if (count > most / 10 * 8)
		doctor_find(doctor, FINDING_FAULT, "flows",
			    "raise net.netfilter.nf_conntrack_max, or do not track SIP and the audio ports",
			    "%" PRId64 " of %" PRId64 " are tracked: beyond them packets are dropped", count, most);
	else
		doctor_find(doctor, FINDING_OK, "flows", NULL, "the kernel tracks %" PRId64 " of at most %" PRId64,
			    count, most);
}

void doctor_host(struct doctor *doctor)
{
	examine_tracking(doctor);
	examine_clock(doctor);
	examine_disk(doctor);
	examine_descriptors(doctor);
}

/* ---- Keys ---- */

static void examine_key(struct doctor *doctor, enum hs_role role, bool *has_copies)
{
	struct hs_keys_status status;
	hs_keys_status(doctor->ctl->home, role, &status);
	*has_copies &= status.has_copy || !status.is_there;
	if (!status.is_there)
		doctor_find(doctor, doctor->is_up ? FINDING_FAULT : FINDING_OK, "keys",
			    doctor->is_up ? "hookctl keys makes it; from a backup: hookctl keys recover" : NULL,
			    "%s has none yet%s", hs_role_names[role],
			    doctor->is_up ? ", though the suite runs" : ": the first start makes it");
	else if (status.has_old)
		doctor_find(doctor, FINDING_NOTE, "keys", "hookctl keys finish",
			    "a rotation of the key of %s was not finished", hs_role_names[role]);
}

void doctor_keys(struct doctor *doctor)
{
	static const enum hs_role owners[] = {HS_ROLE_SIPD, HS_ROLE_HOOKD, HS_ROLE_HOOK_STREAM};
	bool has_copies = true;
	int before = doctor->counts[FINDING_OK] + doctor->counts[FINDING_FAULT] + doctor->counts[FINDING_NOTE];
	AUTO(free) char *folder = hs_printf("%s/keys", doctor->ctl->home);
	if (access(folder, R_OK | X_OK) < 0 && errno == EACCES) {
		doctor_find(doctor, FINDING_NOTE, "keys", "run hookctl doctor as root",
			    "this user may not look at them");
		return;
	}
	for (size_t i = 0; i < HS_COUNT(owners); i++)
		if (!hookctl_is_elsewhere(doctor->ctl, owners[i]))
			examine_key(doctor, owners[i], &has_copies);
	if (!has_copies)
		doctor_find(doctor, FINDING_NOTE, "keys", "hookctl keys recovery-key",
			    "if this machine is lost, so is every secret sealed here");
	if (before == doctor->counts[FINDING_OK] + doctor->counts[FINDING_FAULT] + doctor->counts[FINDING_NOTE])
		doctor_find(doctor, FINDING_OK, "keys", NULL,
			    "they are there, and copies of them for the recovery key");
}
