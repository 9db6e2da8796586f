/**
 * The least fan-out server there is on Deno: no store, no checks, no reply to the sender. The service is measured beside it.
 * It speaks as much Phoenix V2 as the load client needs, and its messages are as long as the service's.
 * @module
 */

const topics = new Map<string, Set<WebSocket>>();
let seq = 0;

Deno.serve({
  hostname: "127.0.0.1",
  port: Number(Deno.env.get("PORT") ?? 0),
  onListen: ({ port }) => {
    Deno.stdout.writeSync(new TextEncoder().encode(`${port}\n`));
  },
}, (request) => {
  const url = new URL(request.url);
  if (request.headers.get("upgrade") !== "websocket") {
    return new Response(null, { status: url.pathname === "/api/health" ? 200 : 404 });
  }
  const userId = url.searchParams.get("token") ?? "anonymous";
  const { socket, response } = Deno.upgradeWebSocket(request);
  const joined = new Set<string>();
  socket.onmessage = ({ data }) => receive(socket, joined, userId, data);
  socket.onclose = () => {
    for (const topic of joined) topics.get(topic)?.delete(socket);
  };
  return response;
});

function receive(socket: WebSocket, joined: Set<string>, userId: string, data: string): void {
  const [joinRef, ref, topic, event, payload] = JSON.parse(data);
  if (event === "new_message") {
    const text = broadcast(topic, userId, payload.content);
    for (const member of topics.get(topic) ?? []) member.send(text);
  } else if (event === "phx_join") {
    let members = topics.get(topic);
    if (!members) topics.set(topic, members = new Set());
    members.add(socket);
    joined.add(topic);
    reply(socket, joinRef, ref, topic, { messages: [] });
  } else {
    reply(socket, joinRef, ref, topic, {});
  }
}

function broadcast(topic: string, userId: string, content: string): string {
  seq++;
  return JSON.stringify([null, null, topic, "new_message", {
    id: seq.toString(32).toUpperCase().padStart(26, "0"),
    channel_id: topic.slice(topic.indexOf(":") + 1),
    user_id: userId,
    content,
    timestamp: new Date().toISOString(),
    seq,
    version: seq,
  }]);
}

function reply(socket: WebSocket, joinRef: unknown, ref: unknown, topic: string, response: unknown): void {
  socket.send(JSON.stringify([joinRef, ref, topic, "phx_reply", { status: "ok", response }]));
}
