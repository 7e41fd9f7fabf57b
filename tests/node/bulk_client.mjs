// A dashboard of thirty lines: keeps the open alerts of a framework, by `data` and by changes of many. Prints READY when
// subscribed, and ends with 0 when a change of many has closed all that it knows; anything unexpected ends with 1.
import WebSocket from 'ws';

const [url, token, frameworkId, wanted] = process.argv.slice(2);
const open = new Map();
const socket = new WebSocket(url);
const fail = (why) => {
  console.error(why);
  process.exit(1);
};

socket.on('open', () => {
  socket.send(JSON.stringify({ type: 'auth', token }));
  socket.send(JSON.stringify({ type: 'subscribe', frameworkId }));
});

socket.on('message', (text) => {
  const message = JSON.parse(text);
  if (message.type === 'subscribed') console.log('READY');
  if (message.type !== 'alert') return;
  if (message.data) open.set(message.data.id, message.data);
  for (const id of message.alertIds ?? []) {
    if (message.by !== 'ann' || message.change.state !== 'resolved') fail(`unexpected ${text}`);
    open.delete(id);
  }
  if (!message.alertIds) return;
  if (message.alertIds.length !== Number(wanted) || open.size) fail(`${open.size} are left after ${text}`);
  process.exit(0);
});

socket.on('error', (error) => fail(error.message));
socket.on('close', () => process.exit(1));
