#!/usr/bin/env node
"use strict";

/*
 * A deputy client: it submits jobs, works on jobs, or both, on one connection. No dependencies.
 *
 *     const { Deputy } = require("./deputy.js");
 *     const deputy = await Deputy.connect({ port: 11746 });          // or { path: "/run/deputy.sock" }
 *     deputy.work(["reverse"], (arg) => [...arg].reverse().join(""), { jobs: 4 });
 *     console.log(await deputy.submit("reverse", "abc"));            // cba
 *     console.log(await deputy.metrics());
 *     deputy.close();
 *
 * Run it to see a worker and a master in one:
 *
 *     node examples/node/deputy.js [HOST:PORT | /path/to.sock]       # 127.0.0.1:11746
 *
 * The protocol: a message is one JSON object on a line.
 *
 *     → {"cmd":"can_do","types":["reverse"],"jobs":4}                what it works on, how many at once
 *     → {"cmd":"do","id":"a","type":"reverse","arg":"abc"}           a job for anybody
 *     ← {"cmd":"do","id":"a","type":"reverse","arg":"abc"}           a job for it
 *     → {"cmd":"did","id":"a","res":"cba"}                           its answer
 *     ← {"cmd":"did","id":"a","res":"cba"}                           the result of its own job
 *     ← {"cmd":"error","error":"id_exists","reason":…,"id":"a"}      or why there is none
 *     → {"cmd":"metrics"}
 *     ← {"cmd":"metrics","metrics":{"up_since":1700000000000,…}}
 */

const { EventEmitter } = require("node:events");
const { randomUUID } = require("node:crypto");
const { StringDecoder } = require("node:string_decoder");
const net = require("node:net");

const DEFAULT_PORT = 11746;

/** What the server said no to: `code` is stable, `reason` the detail, `id` the job's where known. */
class DeputyError extends Error {
  constructor({ error, reason, id }) {
    super(`${error}: ${JSON.stringify(reason)}`);
    this.name = "DeputyError";
    this.code = error;
    this.reason = reason;
    this.id = id;
  }
}

/**
 * One connection. Events: "close" (with the Error that ended it, or nothing), "error" (a DeputyError
 * about no job that was submitted here, or what a handler threw; only if somebody listens).
 */
class Deputy extends EventEmitter {
  /** Connects, with the options of net.connect: `{ host, port }` or `{ path }`. */
  static connect(options = { port: DEFAULT_PORT }) {
    return new Promise((resolve, reject) => {
      const socket = net.connect(options);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Deputy(socket));
      });
    });
  }

  #socket;
  #handlers = new Map();
  #submitted = new Map();
  #metrics = [];
  #failure;

  /** Takes over a connected socket. */
  constructor(socket) {
    super();
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    const decoder = new StringDecoder("utf8"); // A character may arrive in two pieces, too.
    let pieces = [];
    socket.on("data", (data) => {
      const [first, ...more] = decoder.write(data).split("\n");
      pieces.push(first);
      for (const piece of more) {
        this.#receive(pieces.join(""));
        pieces = [piece];
      }
    });
    socket.on("error", (error) => {
      this.#failure = error;
    });
    socket.on("close", () => this.#closed());
  }

  /**
   * Submits a job and gives a promise of its result. The promise is rejected with a DeputyError
   * (`id_exists`, `job_failed` …), or an Error when the connection is lost: the job still runs then,
   * and its result is dropped.
   *
   * `id`: a string or an integer, made here if absent. `priority`: larger goes first.
   */
  submit(type, arg, { id = randomUUID(), priority } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) throw new Error("the connection is closed");
      if (this.#submitted.has(id)) throw new DeputyError({ error: "id_exists", reason: id, id });
      this.#send({ cmd: "do", id, type, arg, priority });
      this.#submitted.set(id, { resolve, reject });
    });
  }

  /**
   * Works on jobs of these types, up to `jobs` at a time on this connection. The handler gets the
   * job's argument and the job, `{ id, type, arg }`; what it returns, or its promise gives, is the
   * result. The protocol has no word for a failed attempt: when a handler throws, the connection is
   * closed, and the server gives its jobs to another worker.
   */
  work(types, handler, { jobs = 1 } = {}) {
    for (const type of types) this.#handlers.set(type, handler);
    this.#send({ cmd: "can_do", types, jobs });
  }

  /** A promise of the server's counters. */
  metrics() {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) throw new Error("the connection is closed");
      this.#send({ cmd: "metrics" });
      this.#metrics.push({ resolve, reject });
    });
  }

  /** Leaves. Promises that are still open are rejected. */
  close() {
    this.#socket.destroySoon();
  }

  #send(message) {
    this.#socket.write(JSON.stringify(message) + "\n");
  }

  #receive(line) {
    if (line.trim() === "") return;
    let message;
    try {
      message = JSON.parse(line);
    } catch (error) {
      this.#socket.destroy(error);
      return;
    }
    switch (message.cmd) {
      case "do":
        this.#perform(message);
        break;
      case "did":
        this.#settle(message.id)?.resolve(message.res);
        break;
      case "metrics":
        this.#metrics.shift()?.resolve(message.metrics);
        break;
      case "error":
        this.#refused(new DeputyError(message));
        break;
      // What a later server may have to tell is not for us.
    }
  }

  async #perform({ id, type, arg }) {
    try {
      const res = await this.#handlers.get(type)(arg, { id, type, arg });
      this.#send({ cmd: "did", id, res: res ?? null });
    } catch (error) {
      this.#socket.destroy(error);
    }
  }

  #settle(id) {
    const promise = this.#submitted.get(id);
    this.#submitted.delete(id);
    return promise;
  }

  #refused(error) {
    // An unknown job is one that we answered, too late; it may be one that we submitted, as well.
    const promise = error.code === "unknown_job" ? undefined : this.#settle(error.id);
    if (promise) promise.reject(error);
    else if (this.listenerCount("error") > 0) this.emit("error", error);
  }

  #closed() {
    const error = new Error("the connection was closed", { cause: this.#failure });
    for (const { reject } of [...this.#submitted.values(), ...this.#metrics]) reject(error);
    this.#submitted.clear();
    this.#metrics = [];
    this.emit("close", this.#failure);
  }
}

/** `HOST:PORT` or a path, as options of net.connect. */
function parseAddress(address) {
  if (address.includes("/")) return { path: address };
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

async function demo(address) {
  const deputy = await Deputy.connect(parseAddress(address));
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const reverse = async (text) => {
    await pause(10);
    return [...text].reverse().join("");
  };
  deputy.work(["reverse"], reverse, { jobs: 4 });
  const words = ["deputy", "gloom", "procession", "stressed", "Ωμέγα", "🎈 up"];
  const results = await Promise.all(words.map((word) => deputy.submit("reverse", word)));
  words.forEach((word, index) => console.log(`${word} → ${results[index]}`));
  console.log(await deputy.metrics());
  deputy.close();
}

module.exports = { Deputy, DeputyError };

if (require.main === module) {
  const address = process.argv[2] ?? `127.0.0.1:${DEFAULT_PORT}`;
  demo(address).catch((error) => {
    console.error(`${address}: ${error.message}`);
    process.exitCode = 1;
  });
}
