/**
 * The load of `scale.ts`, a process of its own: one channel, many receivers and one sender, who may be at another instance.
 * Takes a {@linkcode Crowd} as JSON, its one argument, and prints a {@linkcode CrowdLoad}.
 *
 * @module
 */
import { cpuUsage } from "node:process";

/** What is measured. */
export interface Crowd {
  readonly senderPort: number;
  readonly receiverPort: number;
  readonly receivers: number;
  /** Messages under way at once: one is over when it is acknowledged and all receivers have it. */
  readonly window: number;
  /** Seconds before the measurement. */
  readonly warm: number;
  readonly secs: number;
  /** The processes whose CPU time is read. */
  readonly pids: readonly number[];
}

/** What happened between the two readings. */
export interface CrowdLoad {
  readonly secs: number;
  /** Messages that were acknowledged. */
  readonly messages: number;
  /** What reached the receivers. */
  readonly deliveries: number;
  /** What reached the sender, who is a member too. */
  readonly echoes: number;
  /** Seconds of CPU, user and system, all threads, of each of the processes. */
  readonly cpu: readonly number[];
  /** Seconds of CPU of this client. */
  readonly clientCpu: number;
}

const TOPIC = "text_channel:scale";
const JOIN = JSON.stringify(["1", "1", TOPIC, "phx_join", {}]);
const CONTENT = "x".repeat(64);
/** Joins at once. */
const JOINING = 25;
const TICKS_PER_SECOND = 100; // what /proc counts in, on every Linux

if (import.meta.main) {
  const load = await measureCrowd(JSON.parse(Deno.args[0] ?? ""));
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(load)));
  Deno.exit(0);
}

async function measureCrowd(crowd: Crowd): Promise<CrowdLoad> {
  const { senderPort, receiverPort, receivers, window, warm, secs, pids } = crowd;
  let sent = 0;
  const seen = { messages: 0, deliveries: 0, echoes: 0 };
  const push = () => {
    while (sent - Math.min(seen.messages, Math.floor(seen.deliveries / receivers)) < window) {
      sender.send(JSON.stringify(["1", String(++sent + 1), TOPIC, "new_message", { content: CONTENT }]));
    }
  };
  let pushing = false;
  const sender = await join(senderPort, "sender", (frame) => {
    if (frame.includes('"new_message",{')) seen.echoes++;
    else if (frame.includes('"phx_reply"')) {
      if (!frame.includes('"status":"ok"')) fail(`a message was refused: ${frame}`);
      seen.messages++;
      if (pushing) push();
    }
  });
  const receive = (frame: string) => {
    if (!frame.includes('"new_message",{')) return;
    if (++seen.deliveries % receivers === 0 && pushing) push();
  };
  for (let from = 0; from < receivers; from += JOINING) {
    const count = Math.min(JOINING, receivers - from);
    await Promise.all(Array.from({ length: count }, (_, n) => join(receiverPort, `receiver${from + n}`, receive)));
  }
  await sleep(0.5); // for the presence of them all

  pushing = true;
  push();
  await sleep(warm);
  const cpuBefore = cpuOf(pids);
  const before = { ...seen, at: performance.now(), client: cpuUsage() };
  await sleep(secs);
  const client = cpuUsage(before.client);
  const cpu = cpuOf(pids).map((seconds, n) => seconds - (cpuBefore[n] ?? NaN));
  return {
    secs: (performance.now() - before.at) / 1_000,
    messages: seen.messages - before.messages,
    deliveries: seen.deliveries - before.deliveries,
    echoes: seen.echoes - before.echoes,
    cpu,
    clientCpu: (client.user + client.system) / 1_000_000,
  };
}

/** Resolves with the socket once it has joined; `receive` hears of what comes after that. */
async function join(port: number, userId: string, receive: (frame: string) => void): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket/websocket?vsn=2.0.0&token=${userId}`);
  socket.onclose = ({ code, reason }) => fail(`${userId} was closed with ${code} ${reason}`);
  socket.onerror = (event) => event.preventDefault();
  await new Promise<void>((resolve) => {
    socket.onopen = () => socket.send(JOIN);
    socket.onmessage = ({ data }) => {
      if (!data.includes('"phx_reply"')) return;
      if (!data.includes('"status":"ok"')) fail(`${userId} could not join: ${data}`);
      resolve();
    };
  });
  socket.onmessage = ({ data }) => receive(data);
  return socket;
}

/** Seconds of each process, user and system, since it began. Deno itself reads `/proc` for none but `--allow-all`. */
function cpuOf(pids: readonly number[]): number[] {
  const paths = pids.map((pid) => `/proc/${pid}/stat`);
  const { success, stdout } = new Deno.Command("cat", { args: paths, stderr: "inherit" }).outputSync();
  if (!success) fail("a server has ended");
  return new TextDecoder().decode(stdout).trim().split("\n").map((stat) => {
    const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13).map(Number);
    return ((user ?? NaN) + (system ?? NaN)) / TICKS_PER_SECOND;
  });
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}

function fail(reason: string): never {
  Deno.stderr.writeSync(new TextEncoder().encode(`${reason}\n`));
  Deno.exit(1);
}
