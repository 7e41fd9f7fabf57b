// The alerts of a workspace in a page without any framework. `?url=` is the engine's socket, `#token=` a token.
import { AlertBook, Client } from "@tocsin/client";

const url = new URLSearchParams(location.search).get("url") ?? undefined;
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const client = new Client({ url, token });
const book = new AlertBook();
const element = (id) => document.getElementById(id);

client.onState((state, why) => (element("state").textContent = why ? `${state}: ${why}` : state));
book.follow(client);
book.onChange(() => element("alerts").replaceChildren(...book.list().map(show)));
element("ring").onclick = () => client.trigger({ framework_id: "page", title: `Rung at ${new Date().toISOString()}` });

client.connect();
client.subscribe("workspace", { snapshot: true }).catch((fault) => (element("state").textContent = fault.message));

function show(alert) {
  const item = document.createElement("li");
  item.textContent = `${alert.severity} ${alert.state} ${alert.title}`; // as text: a title may have markup in it
  const button = document.createElement("button");
  button.textContent = "Acknowledge";
  button.hidden = alert.state !== "active";
  button.onclick = () => client.acknowledge(alert.id);
  item.append(" ", button);
  return item;
}
