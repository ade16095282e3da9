/* rtp_load: paced two-way G.711 RTP through a relay; loss, latency, and nothing else. Spins: give it a core of its own.
 *
 *   rtp_load STREAMS CALLS SECONDS BASE_A BASE_B SOCKETS
 *
 * STREAMS has a line a call: "host port host port", where side A and side B of the call send to. Call i uses the local
 * ports BASE_A + 2 * (i % SOCKETS) and BASE_B + 2 * (i % SOCKETS) on 127.0.0.1. Identity and time of sending stand in
 * the payload, so that a relay may rewrite the RTP header. The first second is warm-up. Prints one JSON object.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { PACKET = 172, BATCH = 64, SLOTS = 20, BUCKETS = 65536, MARK = 0x48534c44 };

struct stream {
	struct sockaddr_in to;
	int socket;
	uint32_t number, timestamp;
	uint16_t sequence;
};

struct mark {
	uint32_t magic, number;
	uint64_t sent_ns;
};

struct load {
	int sockets, streams_count, seconds;
	int *fds;
	struct stream *streams; /* ordered by slot, then socket */
	int slot_start[SLOTS + 1];
	uint64_t histogram[BUCKETS]; /* microseconds, the last one holds the rest */
	uint64_t sent, received, foreign, begin_ns, end_ns;
};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *why)
{
	perror(why);
	exit(1);
}

static int open_socket(int port)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = 32 << 20;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die("bind");
	return fd;
}

static void read_streams(struct load *load, const char *path, int calls)
{
	FILE *file = fopen(path, "r");
	char host[2][64];
	int port[2];
	if (!file)
		die(path);
	load->streams = calloc((size_t)calls * 2, sizeof(*load->streams));
	for (int slot = 0; slot < SLOTS; slot++) {
		load->slot_start[slot] = load->streams_count;
		rewind(file);
		for (int call = 0;
		     call < calls && fscanf(file, "%63s %d %63s %d", host[0], &port[0], host[1], &port[1]) == 4; call++)
			for (int side = 0; side < 2 && call % SLOTS == slot; side++) {
				struct stream *s = &load->streams[load->streams_count++];
				s->to.sin_family = AF_INET;
				s->to.sin_port = htons((uint16_t)port[side]);
				s->to.sin_addr.s_addr = inet_addr(host[side]);
				s->socket = side * load->sockets + call % load->sockets;
				s->number = (uint32_t)(2 * call + side);
			}
	}
	load->slot_start[SLOTS] = load->streams_count;
	fclose(file);
	if (load->streams_count != 2 * calls)
		die("too few streams in the file");
}

static void fill(struct stream *s, uint8_t packet[PACKET])
{
	struct mark mark = {MARK, s->number, now_ns()};
	uint16_t sequence = htons(s->sequence++);
	uint32_t timestamp = htonl(s->timestamp), ssrc = htonl(s->number + 1);
	memset(packet, 0xd5, PACKET);
	packet[0] = 0x80;
	packet[1] = 0;
	memcpy(packet + 2, &sequence, 2);
	memcpy(packet + 4, &timestamp, 4);
	memcpy(packet + 8, &ssrc, 4);
	memcpy(packet + 12, &mark, sizeof(mark));
	s->timestamp += 160;
}

static void send_slot(struct load *load, int slot)
{
	uint8_t packet[PACKET];
	for (int i = load->slot_start[slot]; i < load->slot_start[slot + 1]; i++) {
		struct stream *s = &load->streams[i];
		fill(s, packet);
		if (sendto(load->fds[s->socket], packet, PACKET, 0, (struct sockaddr *)&s->to, sizeof(s->to)) < 0)
			continue;
		uint64_t t = now_ns();
		load->sent += t >= load->begin_ns && t < load->end_ns;
	}
}

static void take(struct load *load, const uint8_t *packet, size_t bytes, uint64_t arrived_ns)
{
	struct mark mark;
	if (bytes < 12 + sizeof(mark))
		return;
	memcpy(&mark, packet + 12, sizeof(mark));
	if (mark.magic != MARK) {
		load->foreign++;
		return;
	}
	if (mark.sent_ns < load->begin_ns || mark.sent_ns >= load->end_ns)
		return;
	uint64_t us = (arrived_ns - mark.sent_ns) / 1000;
	load->histogram[us < BUCKETS ? us : BUCKETS - 1]++;
	load->received++;
}

static void receive(struct load *load)
{
	static uint8_t data[BATCH][2048];
	static struct mmsghdr messages[BATCH];
	static struct iovec parts[BATCH];
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){data[i], sizeof(data[i])};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	}
	for (int fd = 0; fd < 2 * load->sockets; fd++) {
		int got = recvmmsg(load->fds[fd], messages, BATCH, MSG_DONTWAIT, NULL);
		uint64_t t = now_ns();
		for (int i = 0; i < got; i++)
			take(load, data[i], messages[i].msg_len, t);
	}
}

static void run(struct load *load)
{
	uint64_t start = now_ns(), tick = 0, step = 20000000u / SLOTS;
	uint64_t ticks = (uint64_t)(load->seconds + 1) * 50 * SLOTS;
	load->begin_ns = start + 1000000000u;
	load->end_ns = load->begin_ns + (uint64_t)load->seconds * 1000000000u;
	while (now_ns() < load->end_ns + 300000000u) {
		if (tick < ticks && now_ns() >= start + tick * step)
			send_slot(load, (int)(tick++ % SLOTS));
		receive(load);
	}
}

static unsigned percentile(const struct load *load, double share)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < BUCKETS; i++) {
		sum += load->histogram[i];
		if (load->received && (double)sum >= share * (double)load->received)
			return i;
	}
	return BUCKETS;
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		fprintf(stderr, "usage: rtp_load STREAMS CALLS SECONDS BASE_A BASE_B SOCKETS\n");
		return 2;
	}
	struct load load = {.seconds = (int)strtol(argv[3], NULL, 10), .sockets = (int)strtol(argv[6], NULL, 10)};
	load.fds = calloc((size_t)load.sockets * 2, sizeof(int));
	for (int i = 0; i < 2 * load.sockets; i++) {
		long base = strtol(argv[i < load.sockets ? 4 : 5], NULL, 10);
		load.fds[i] = open_socket((int)base + 2 * (i % load.sockets));
	}
	read_streams(&load, argv[1], (int)strtol(argv[2], NULL, 10));
	run(&load);
	double loss = load.sent ? 100.0 * (1.0 - (double)load.received / (double)load.sent) : 100.0;
	printf("{\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"loss_pct\": %.3f, \"p50_us\": %u, \"p99_us\": %u, "
	       "\"foreign\": %" PRIu64 "}\n",
	       load.sent, load.received, loss, percentile(&load, 0.5), percentile(&load, 0.99), load.foreign);
	return 0;
}
