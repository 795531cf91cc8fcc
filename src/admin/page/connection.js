// The connection: the event stream while it lasts, and the search for the process when it is gone.

// Without a sign of life for so long the connection is dead, whatever the browser believes. The server gives one each
// ten seconds.
const SILENCE_MS = 25000;
// A lost connection is tried again at once, and then this often.
const RETRY_MS = 400;
// A process that has answered nothing for so long is gone.
const GONE_AFTER_MS = 1000;
// How often the successor of a process that is gone is looked for.
const SUCCESSOR_MS = 2000;

let token = "";
let stream = null;
let heardAt = 0;
let lostAt = 0;

const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

/** Follows the events to their end. */
async function connect() {
  const abort = new AbortController();
  stream = abort;
  const response = await request("events", abort.signal);
  if (stream !== abort) return;
  if (response?.status === 401) return unlock();
  if (!response?.ok) return (await poll(response)) ? undefined : lost();
  heardAt = performance.now();
  let isComplete = false;
  try {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      isComplete = done;
      if (done || stream !== abort) break;
      heardAt = performance.now();
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) if (event.startsWith("data: ")) receive(JSON.parse(event.slice(6)));
    }
  } catch {
    // The connection broke: what follows is the same as at its end.
  }
  if (stream !== abort || isOver()) return;
  if (isComplete && silence() === "unseen") fallSilent();
  else lost();
}

/** What it means that nothing more is heard: a server that closes before the exit is over leaves the rest of it unseen. */
const silence = () => (isExiting() && document.body.dataset.ends !== "exited" ? "unseen" : "gone");

/** Nothing more is heard of the process. */
function fallSilent() {
  stream = null;
  if (model.link === "live") broke();
  model.link = silence();
  render();
  setTimeout(seek, SUCCESSOR_MS);
}

/** The connection broke at this moment. */
function broke() {
  model.brokeAt = performance.now();
  model.heard = new Date();
}

/** An answer, or nothing where none came. */
function request(path, signal) {
  return fetch(path, { headers: headers(), cache: "no-store", signal }).catch(() => null);
}

async function readStatus() {
  const response = await request("status", AbortSignal.timeout(SUCCESSOR_MS));
  return response?.ok ? response.json().catch(() => null) : null;
}

/** Where there is no place for one more stream, the status is asked for each second. */
async function poll(refused) {
  if (!refused) return false;
  const status = await readStatus();
  if (status) {
    receive(status);
    setTimeout(() => { if (!isOver()) connect(); }, 1000);
  }
  return status !== null;
}

/** A status has come: of the process that is shown, or of its successor. */
function receive(status) {
  const known = model.status;
  if (known?.pid !== undefined && (known.pid !== status.pid || known.started_at !== status.started_at)) return succeeded(status);
  model.status = status;
  model.at = model.brokeAt = performance.now();
  model.successor = null;
  model.link = isOver() ? "closed" : "live";
  lostAt = 0;
  if (isOver()) ended();
  render();
}

/** The process is known to have ended: its successor is looked for. */
function ended() {
  stream?.abort();
  stream = null;
  setTimeout(seek, SUCCESSOR_MS);
}

function succeeded(status) {
  stream?.abort();
  stream = null;
  model.successor = status;
  model.brokeAt ||= model.at;
  model.heard ??= new Date();
  if (!isOver()) model.link = silence();
  render();
}

function lost() {
  stream = null;
  if (model.link === "live") broke();
  lostAt ||= performance.now();
  model.link = "lost";
  if (model.status && performance.now() - lostAt >= GONE_AFTER_MS) return fallSilent();
  render();
  setTimeout(connect, model.status ? RETRY_MS : SUCCESSOR_MS);
}

/** Asks whether a process answers here again. */
async function seek() {
  if (model.successor) return;
  const status = document.hidden ? null : await readStatus();
  // The same process: the network was down.
  if (status && status.pid === model.status.pid && status.started_at === model.status.started_at && !isOver()) return connect();
  if (status && status.outcome === undefined) return succeeded(status);
  setTimeout(seek, SUCCESSOR_MS);
}

/** Goes over to the new process. */
function follow() {
  model.status = null;
  model.successor = null;
  model.link = "connecting";
  lostAt = 0;
  render();
  connect();
}

/** Between two events only what moves is drawn again. */
function tick() {
  if (stream && model.link === "live" && performance.now() - heardAt > SILENCE_MS) {
    stream.abort();
    lost();
  }
  if (document.hidden || model.link !== "live" || !model.status || isOver()) return;
  clock();
  if (isExiting()) {
    hero();
    phases();
  }
  if (model.status.servers.some((server) => server.oldest.length > 0)) servers();
}
