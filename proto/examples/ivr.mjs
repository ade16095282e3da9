#!/usr/bin/env node
// The menu of ivr.py with nothing but Node: events come by Server-Sent Events.
//
//     node proto/examples/ivr.mjs var/quickstart.json MENU.wav 102 103        (with calls.operator_answers: true)
import { readFileSync } from 'node:fs';

const [, , factsFile, menuFile, ...numbers] = process.argv;
const facts = JSON.parse(readFileSync(factsFile, 'utf8'));
const menu = readFileSync(menuFile);
const auth = { Authorization: `Bearer ${facts.token}` };
const ours = new Set();

async function post(call, command, body, type = 'application/json') {
	const reply = await fetch(`${facts.api}/api/v1/calls/${call}/${command}`, {
		method: 'POST', body, headers: { ...auth, 'Content-Type': type },
	});
	console.log(command, reply.status);
	return reply.json();
}

async function ask(call) {
	const sound = await post(call, 'audio', menu, 'audio/wav');
	await post(call, 'gather', JSON.stringify({ max: 1, prompt: sound.play_id, first_timeout_ms: 5000 }));
}

async function react({ type, call_id: call, digits: key, reason }) {
	const number = numbers[Number(key) - 1];
	if (type === 'call.offered') {
		ours.add(call);
		await post(call, 'answer', '{}');
	} else if (!ours.has(call)) {
		return;
	} else if (type === 'call.answered' || (reason === 'complete' && !number && key !== '0')) {
		await ask(call);
	} else if (number) {
		ours.delete(call);
		await post(call, 'transfer', JSON.stringify({ to_number: number }));
	} else if (reason !== 'ended') {
		await post(call, 'hangup', '{}');
	}
}

const types = 'call.offered,call.answered,call.gathered';
const stream = await fetch(`${facts.api}/api/v1/events?type=${types}`, { headers: { ...auth, Accept: 'text/event-stream' } });
console.log('waiting for calls');
let text = '';
for await (const part of stream.body.pipeThrough(new TextDecoderStream())) {
	const blocks = (text + part).split('\n\n');
	text = blocks.pop();
	for (const block of blocks)
		for (const line of block.split('\n').filter((l) => l.startsWith('data:')))
			await react(JSON.parse(line.slice(5)));
}
