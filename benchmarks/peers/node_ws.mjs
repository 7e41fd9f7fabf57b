// Node's `ws` as a broadcaster (see benchmarks/floor.py for the control, load.mjs for the arguments).
import process from 'node:process';
import { load } from './load.mjs';

const { WebSocketServer, WebSocket } = load('ws');

const AWAKE_NS = 2_000_000n; // timers are whole milliseconds; the rest of the way is waited for awake
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, backlog: 1024 });
server.on('listening', () => say({ port: server.address().port }));
server.on('connection', (client) => client.on('error', () => client.terminate()));

let waiting = Buffer.alloc(0);
let busy = false;
process.stdin.on('data', (chunk) => {
  waiting = Buffer.concat([waiting, chunk]);
  if (!busy) obey();
});
process.stdin.on('end', () => process.exit(0));

function say(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

async function obey() {
  const end = waiting.indexOf('\n');
  if (end < 0) return;
  const [, messages, size, start, interval] = waiting.subarray(0, end).toString().split(' ').map(Number);
  if (waiting.length < end + 1 + messages * size) return;
  const data = waiting.subarray(end + 1, end + 1 + messages * size);
  waiting = waiting.subarray(end + 1 + messages * size);
  busy = true;
  for (let i = 0; i < messages; i++) {
    await until(BigInt(start) + BigInt(i) * BigInt(interval));
    const payload = data.subarray(i * size, (i + 1) * size);
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(payload, { binary: false });
    }
  }
  busy = false;
  say({ sent: messages });
}

async function until(due) {
  const left = due - process.hrtime.bigint();
  if (left > AWAKE_NS) await new Promise((wake) => setTimeout(wake, Number((left - AWAKE_NS) / 1_000_000n)));
  else await new Promise((wake) => setImmediate(wake)); // the loop gets its turn between two broadcasts
  while (process.hrtime.bigint() < due);
}
