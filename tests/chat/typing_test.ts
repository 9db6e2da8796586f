import { assertEquals } from "@std/assert";
import type { Seat } from "../../src/phoenix/channel.ts";
import { Typing } from "../../src/chat/typing.ts";
import { FakeSeat } from "./support/fake_seat.ts";

/** A {@linkcode Typing} with a clock that a test sets, and what it announced. */
function open(): { typing: Typing; clock: { nowMs: number }; announced: [string, string, Seat | undefined][] } {
  const clock = { nowMs: 1_000_000 };
  const announced: [string, string, Seat | undefined][] = [];
  const typing = new Typing((event, userId, except) => announced.push([event, userId, except]), () => clock.nowMs);
  return { typing, clock, announced };
}

Deno.test("Typing start() is announced to all but the seat that types", () => {
  const { typing, announced } = open();
  const alice = new FakeSeat("alice");
  typing.start(alice.identity.userId, alice);
  assertEquals(announced, [["user_typing", "alice", alice]]);
});

Deno.test("Typing start() again within 3 s is not announced", () => {
  const { typing, clock, announced } = open();
  typing.start("alice", new FakeSeat("alice"));
  clock.nowMs += 2_999;
  typing.start("alice", new FakeSeat("alice"));
  assertEquals(announced.length, 1);
});

Deno.test("Typing start() again after 3 s is announced again", () => {
  const { typing, clock, announced } = open();
  typing.start("alice", new FakeSeat("alice"));
  clock.nowMs += 3_000;
  typing.start("alice", new FakeSeat("alice"));
  assertEquals(announced.map(([event]) => event), ["user_typing", "user_typing"]);
});

Deno.test("Typing start() counts the 3 s from the last announcement", () => {
  const { typing, clock, announced } = open();
  typing.start("alice", new FakeSeat("alice"));
  for (let times = 0; times < 4; times++) {
    clock.nowMs += 1_000;
    typing.start("alice", new FakeSeat("alice"));
  }
  assertEquals(announced.length, 2);
});

Deno.test("Typing stop() is announced to all but the seat that typed", () => {
  const { typing, announced } = open();
  const alice = new FakeSeat("alice");
  typing.start(alice.identity.userId, alice);
  typing.stop("alice");
  assertEquals(announced[1], ["user_stopped_typing", "alice", alice]);
});

Deno.test("Typing stop() of someone who does not type says nothing", () => {
  const { typing, announced } = open();
  typing.start("alice", new FakeSeat("alice"));
  typing.stop("bob");
  assertEquals(announced.length, 1);
});

Deno.test("Typing stop() again says nothing", () => {
  const { typing, announced } = open();
  typing.start("alice", new FakeSeat("alice"));
  typing.stop("alice");
  typing.stop("alice");
  assertEquals(announced.length, 2);
});

Deno.test("Typing stop() at the seat that types ends it", () => {
  const { typing, announced } = open();
  const alice = new FakeSeat("alice");
  typing.start(alice.identity.userId, alice);
  typing.stop("alice", alice);
  assertEquals(announced.map(([event]) => event), ["user_typing", "user_stopped_typing"]);
});

Deno.test("Typing stop() at another seat of the user leaves it", () => {
  const { typing, announced } = open();
  typing.start("alice", new FakeSeat("alice"));
  typing.stop("alice", new FakeSeat("alice"));
  assertEquals(announced.length, 1);
});

Deno.test("Typing start() after stop() is announced at once", () => {
  const { typing, announced } = open();
  const alice = new FakeSeat("alice");
  typing.start(alice.identity.userId, alice);
  typing.stop("alice");
  typing.start(alice.identity.userId, alice);
  assertEquals(announced.map(([event]) => event), ["user_typing", "user_stopped_typing", "user_typing"]);
});

Deno.test("Typing sweep() ends typing that was not renewed for 10 s", () => {
  const { typing, clock, announced } = open();
  const alice = new FakeSeat("alice");
  typing.start(alice.identity.userId, alice);
  clock.nowMs += 10_000;
  typing.sweep();
  assertEquals(announced[1], ["user_stopped_typing", "alice", alice]);
});

Deno.test("Typing sweep() leaves typing alone before 10 s have passed", () => {
  const { typing, clock, announced } = open();
  typing.start("alice", new FakeSeat("alice"));
  clock.nowMs += 9_999;
  typing.sweep();
  assertEquals(announced.length, 1);
});

Deno.test("Typing sweep() counts the 10 s from the last start(), announced or not", () => {
  const { typing, clock, announced } = open();
  typing.start("alice", new FakeSeat("alice"));
  clock.nowMs += 2_000;
  typing.start("alice", new FakeSeat("alice"));
  clock.nowMs += 9_999;
  typing.sweep();
  assertEquals(announced.length, 1);
  clock.nowMs += 1;
  typing.sweep();
  assertEquals(announced.length, 2);
});

Deno.test("Typing sweep() ends typing once", () => {
  const { typing, clock, announced } = open();
  typing.start("alice", new FakeSeat("alice"));
  clock.nowMs += 10_000;
  typing.sweep();
  typing.sweep();
  assertEquals(announced.length, 2);
});

Deno.test("Typing tells users apart", () => {
  const { typing, clock, announced } = open();
  typing.start("alice", new FakeSeat("alice"));
  clock.nowMs += 5_000;
  typing.start("__proto__", new FakeSeat("__proto__"));
  clock.nowMs += 5_000;
  typing.sweep();
  assertEquals(announced.map(([event, userId]) => `${userId} ${event}`), [
    "alice user_typing",
    "__proto__ user_typing",
    "alice user_stopped_typing",
  ]);
});
