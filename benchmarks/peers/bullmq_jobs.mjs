// BullMQ's queues with the no-op jobs of benchmarks/jobs.py, once: first a backlog, then so many a second in each.
// Reads one line, {where, queues, slots, backlog, at_once, rate, seconds}, and answers with one (see queues.py; for
// the arguments load.mjs).
import { once } from 'node:events';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { load } from './load.mjs';

const { Queue, Worker } = load('bullmq');
const [line] = await once(createInterface({ input: process.stdin }), 'line');
const { where, queues: names, slots, backlog, at_once, rate, seconds } = JSON.parse(line);
const connection = { path: where, maxRetriesPerRequest: null };
const queues = names.map((name) => new Queue(name, { connection }));
const now = () => Number(process.hrtime.bigint()) / 1e6;
const started = [];
let ended = 0;
let wanted = Infinity;
let allEnded;

async function work(job) {
  started.push(now() - job.data.at);
}

function begin() {
  return queues.map((queue) => {
    const worker = new Worker(queue.name, work, { connection, concurrency: slots });
    worker.on('completed', () => ++ended === wanted && allEnded());
    worker.on('error', (fault) => { throw fault; });
    return worker;
  });
}

function until(count) {
  wanted = count;
  return new Promise((resolve) => (ended >= wanted ? resolve() : (allEnded = resolve)));
}

async function fill(count) {
  let made = 0;
  while (made < count) {
    const each = Math.ceil(Math.min(count - made, at_once) / queues.length);
    const jobs = Array.from({ length: each }, () => ({ name: 'noop', data: { at: now() } }));
    await Promise.all(queues.map((queue) => queue.addBulk(jobs)));
    made += each * queues.length;
  }
  return made;
}

const waiting = await fill(backlog / 2);
const began = now();
const workers = begin();
const made = waiting + (await fill(backlog / 2));
await until(made);
const jobs_per_s = (made / (now() - began)) * 1_000;

started.length = 0;
const ticks = Math.floor(rate * seconds);
const paced = until(ended + ticks * queues.length);
const start = now();
for (let tick = 0; tick < ticks; ) {
  // Timers are whole milliseconds: what has become due meanwhile is added at once. As in ours, time counts from here.
  for (; tick < ticks && start + (tick * 1_000) / rate <= now(); tick++) {
    for (const queue of queues) queue.add('noop', { at: now() });
  }
  await new Promise((wake) => setTimeout(wake, 1));
}
await paced;
started.sort((a, b) => a - b);
const percentile = (share) => started[Math.max(0, Math.ceil(share * started.length) - 1)];
console.log(JSON.stringify({ jobs_per_s, start_p50_ms: percentile(0.5), start_p99_ms: percentile(0.99) }));
await Promise.all(workers.map((worker) => worker.close(true)));
process.exit(0);
