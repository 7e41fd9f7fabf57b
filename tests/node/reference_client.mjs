// What the reference's own client does, with the package that it uses. Prints READY when subscribed, then expects an
// alert, tries an invalid frame and a ping, and ends with 0; anything unexpected ends with 1.
import WebSocket from 'ws';

const [url, token, frameworkId, mode] = process.argv.slice(2);
const fail = (why) => {
  console.error(why);
  process.exit(1);
};
const expect = (condition, why) => condition || fail(why);

const socket = new WebSocket(url);
const send = (message) => socket.send(JSON.stringify(message));
const seen = [];

socket.on('open', () => {
  expect(socket.protocol === '', 'a subprotocol was chosen that nobody offered');
  send({ type: 'auth', token });
  if (mode === 'burst') send({ type: 'subscribe', frameworkId });
});

socket.on('message', (data, isBinary) => {
  expect(!isBinary, 'a binary frame without the binary subprotocol');
  const message = JSON.parse(data);
  seen.push(message.type);
  switch (message.type) {
    case 'auth_success':
      expect(typeof message.clientId === 'string' && message.clientId.length > 0, 'no clientId');
      if (mode !== 'burst') send({ type: 'subscribe', frameworkId });
      break;
    case 'subscribed':
      expect(message.channel === `alerts:main:${frameworkId}`, `channel ${message.channel}`);
      console.log('READY');
      break;
    case 'alert':
      for (const field of ['id', 'current_value', 'threshold_value', 'triggered_at', 'notification_sent'])
        expect(field in message.data, `alert without ${field}`);
      expect(message.data.current_value === 95 && message.data.threshold_value === 90, 'wrong values');
      expect(!Number.isNaN(Date.parse(message.timestamp)), `timestamp ${message.timestamp}`);
      socket.send('this is not JSON');
      break;
    case 'error':
      expect(typeof message.message === 'string', 'error without message');
      send({ type: 'ping' });
      break;
    case 'pong':
      expect(seen.join() === 'auth_success,subscribed,alert,error,pong', seen.join());
      send({ type: 'unsubscribe', frameworkId });
      break;
    case 'unsubscribed':
      socket.close();
      break;
    case 'position':
      seen.pop(); // unknown to the reference, ignored by its client
      break;
    default:
      fail(`unexpected ${message.type}`);
  }
});

socket.on('error', (error) => fail(error.message));
socket.on('close', (code) => process.exit(code === 1005 ? 0 : 1));
