// What is shown of the model. Nothing is ever parsed as HTML.

// How much of a long list is shown, the unfinished first.
const MOST = 40;
let announced = "";

// What a reader cannot see, or what changes how the rest is seen: the same characters as in the log and in the report.
const MISLEADING = /(?![\n\t])\p{Cc}|[\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}-\u{180f}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{3164}\u{fe00}-\u{fe0f}\u{feff}\u{ffa0}\u{fff0}-\u{fffb}\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;
const visible = (value) => value.replace(MISLEADING, (it) => `\\u{${it.codePointAt(0).toString(16)}}`);

function text(node, value) {
  const shown = visible(value);
  if (node.textContent !== shown) node.textContent = shown;
}

function tone(node, value) {
  if (node.dataset.tone !== value) node.dataset.tone = value;
}

function element(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** Makes `parent` have one child for each item, keeping those that are there. */
function each(parent, items, create, update) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  items.forEach((item, index) => {
    if (!parent.children[index]) parent.append(create(item));
    update(parent.children[index], item, index);
  });
}

/** The headline's first words, the rest of it, the detail and the tone. */
function headline() {
  const { status, link } = model;
  if (isOver()) {
    const { verdict, outcome, exit_code: code, reason } = status;
    const tone = { clean: "good", incomplete: "warn" }[outcome] ?? "bad";
    const [lead, ...rest] = verdict ? verdict.split(/(?<=[:：。])/) : [say("ended", { outcome: lower("outcome", outcome), code })];
    return { lead, rest: rest.join(""), detail: say("ended_by", { reason, code }), tone };
  }
  if (isGone()) {
    const detail = say(model.successor ? "replaced_detail" : "gone_detail", { host: location.host });
    return { lead: say(hasBegun() ? "gone_exiting" : "gone_serving"), rest: "", detail, tone: "bad" };
  }
  if (isSilent()) return { lead: say("unseen_exiting"), rest: "", detail: say("unseen_detail", { reason: status.reason }), tone: "none" };
  if (!status) return { lead: "…", rest: "", detail: "", tone: "none" };
  if (isExiting()) {
    const detail = link === "lost" ? say("lost_detail") : [say("asked_by", { reason: status.reason }), waitingFor(), problems()].filter(Boolean).join(say("sentence"));
    return { lead: named("headline", status.phase), rest: "", detail, tone: link === "lost" ? "warn" : "live" };
  }
  return { lead: say("serving"), rest: "", detail: say(link === "lost" ? "lost_detail" : "ready"), tone: link === "lost" ? "warn" : "live" };
}

function hero() {
  const { lead, rest, detail, tone: value } = headline();
  text($("headline").firstElementChild, lead);
  text($("headline").lastElementChild, rest);
  text($("detail"), detail);
  tone(document.querySelector(".hero"), value);
  const isEnd = isOver() || isSilent();
  document.body.toggleAttribute("data-over", isEnd);
  $("stop").hidden = !model.status || isEnd || isExiting() || model.link !== "live";
  $("deadline").hidden = !isExiting() || isEnd;
  clock();
  successor();
  announce(lead, rest, isEnd ? detail : "");
}

function successor() {
  const { successor } = model;
  $("successor").hidden = !successor;
  if (!successor) return;
  const exit = successor.previous_exit;
  const says = exit ? say("successor_says", { exit: previousExit(exit) }) : "";
  text($("successor-text"), [say("successor", { pid: successor.pid ?? "?" }), says].join(say("sentence")));
}

/** Counts to what happens next; the deadline comes second. */
function clock() {
  const { status } = model;
  let shown = ["", "", ""];
  if (isSilent()) {
    shown = [model.heard ? model.heard.toLocaleTimeString(document.documentElement.lang) : "", say("last_heard"), ""];
  } else if (isOver()) {
    shown = [time(elapsed()), say("took"), say("deadline_total", { total: bound(status.timeout_ms) })];
  } else if (isExiting()) {
    const now = current();
    const deadline = deadlineLeft();
    const second = say("deadline", { left: running(deadline), total: bound(status.timeout_ms) });
    const isFirst = now && now.left < deadline;
    shown = isFirst ? [running(now.left), say("until_phase", { phase: lower("phase", now.phase.name) }), second] : [running(deadline), say("until_deadline"), say("deadline_total", { total: bound(status.timeout_ms) })];
    const used = Math.min(1, elapsed() / status.timeout_ms);
    $("deadline").firstElementChild.style.width = `${used * 100}%`;
    tone($("deadline"), used < 0.6 ? "live" : used < 0.85 ? "warn" : "bad");
  } else if (status) {
    const up = status.started_at ? uptime(Date.now() - Date.parse(status.started_at)) : "";
    const takes = say("exit_takes", { total: bound(status.timeout_ms) });
    shown = up ? [up, say("up"), takes] : [bound(status.timeout_ms), takes, ""];
  }
  const [value, label, second] = shown;
  const parts = value.split(" ");
  // Number and unit in turn; a time of day has no unit.
  each($("clock"), parts, () => element("span"), (node, part, index) => {
    node.className = index % 2 ? "unit" : "";
    text(node, part);
  });
  text($("clock-label"), label);
  text($("clock-second"), second);
}

/** Says each turn aloud, and never a number that moves. */
function announce(lead, rest, detail) {
  const said = [lead, rest, detail, model.successor && $("successor-text").textContent].filter(Boolean).join(" ");
  if (!model.status || said === announced) return;
  announced = said;
  text($("announce"), said);
  document.title = `${lead.replace(/[:：]$/, "")} · ${location.host}`;
}

function phases() {
  const rows = schedule();
  const { status } = model;
  const worst = status.phases.reduce((sum, phase) => sum + phase.bound_ms, 0);
  const span = Math.max(status.timeout_ms, worst, 1);
  const share = (ms) => `${Math.min(100, (ms / span) * 100)}%`;
  each($("phases"), rows, newPhase, (node, row) => {
    const [head, track] = node.children;
    const [name, duration] = head.children;
    text(name.firstChild, named("phase", row.name));
    text(name.lastChild, row.what ?? "");
    node.dataset.state = row.duration_ms !== null ? "over" : row.isRunning && !isSilent() ? "running" : "waiting";
    tone(node, row.tone);
    text(duration, phaseTime(row));
    const [planned, gone, due] = track.children;
    planned.hidden = row.start === null || row.duration_ms !== null;
    planned.style.left = share(row.start ?? 0);
    planned.style.width = share(row.bound_ms);
    gone.hidden = row.start_ms === null;
    gone.style.left = share(row.start_ms ?? 0);
    gone.style.width = share(row.done);
    due.hidden = worst <= status.timeout_ms;
    due.style.left = share(status.timeout_ms);
  });
  const total = bound(status.timeout_ms);
  text($("axis-deadline"), worst > status.timeout_ms ? say("axis_over", { worst: bound(worst), total }) : say("axis_deadline", { total }));
}

function newPhase() {
  const head = element("div", "phase-head", element("span", "phase-name", element("span"), element("small")), element("span", "phase-time"));
  const track = element("div", "track", element("i", "planned"), element("i", "gone"), element("i", "due"));
  track.setAttribute("aria-hidden", "true");
  return element("li", "phase", head, track);
}

function phaseTime(row) {
  if (isSilent() && (row.isRunning || (row.duration_ms === null && !isGone()))) return say("unknown");
  if (row.isRunning) return say("done_of", { done: running(row.done), bound: bound(row.bound_ms) });
  if (row.duration_ms === null) return isOver() || isGone() ? say("not_reached") : say("up_to", { bound: bound(row.bound_ms) });
  const how = row.ended_by === "done" ? row.failed && lower("state", row.failed.state) : lower("ended_by", row.ended_by);
  return how ? `${how} · ${time(row.duration_ms)}` : time(row.duration_ms);
}

function servers() {
  each($("servers"), model.status.servers, newServer, (node, server) => {
    const [head, counts, list] = node.children;
    text(head.firstChild, server.name);
    // Nothing is in flight in a process that has ended, and it is not known what is in one that ends out of sight.
    const inFlight = isOver() || isGone() ? 0 : isSilent() ? null : server.in_flight;
    [inFlight, server.completed, server.rejected].forEach((value, index) => text(counts.children[index].lastChild, value === null ? "–" : count(value)));
    const rows = requests(server);
    each(list, rows, () => element("li", "", element("code"), element("span")), (row, request) => {
      const [name, age] = row.children;
      row.className = request.kind;
      name.hidden = !request.name;
      text(name, request.name ?? "");
      name.title = name.textContent;
      text(age, request.text);
    });
  });
}

/** The rows below a server: what was cut off or lost, or what is in flight. */
function requests(server) {
  const row = (request, kind, text) => ({ kind, name: `${request.method} ${request.path}`, text });
  const rest = (n) => (n > 0 ? [{ kind: "none", text: say("more", { n: count(n) }) }] : []);
  if (server.cut_off.length) {
    const rows = server.cut_off.map((it) => row(it, "cut", say("cut_after", { age: time(it.age_ms) })));
    return [...rows, ...rest(server.abandoned - rows.length)];
  }
  if (isOver() || server.oldest.length === 0) return [{ kind: "none", text: say(isSilent() && !isGone() ? "unknown" : "none") }];
  const rows = server.oldest.map((it) =>
    isGone() ? row(it, "cut", say("lost_after", { age: time(it.age_ms + since()) })) : row(it, "", isSilent() ? say("unknown") : running(it.age_ms + since())));
  return [...rows, ...rest(server.in_flight - rows.length)];
}

function newServer() {
  const counted = (label) => element("div", "", element("dt", "", label), element("dd"));
  const counts = element("dl", "counts", counted(say("in_flight")), counted(say("completed")), counted(say("rejected")));
  const list = element("ul", "oldest");
  list.setAttribute("aria-label", say("oldest"));
  return element("section", "card server", element("div", "server-head", element("h3")), counts, list);
}

function members() {
  const kinds = JOBS.filter((kind) => jobs(kind).length > 0);
  each($("jobs"), kinds, () => element("section", "card", element("h2"), element("ul", "list")), (node, kind) => {
    const [title, list] = node.children;
    const all = jobs(kind);
    text(title, say(kind));
    const shown = all.length <= MOST ? all : [...all].sort((a, b) => (a.state === "done") - (b.state === "done")).slice(0, MOST);
    const rows = all.length > MOST ? [...shown, { name: say("more", { n: count(all.length - MOST) }), state: null }] : shown;
    each(list, rows, () => element("li", "", element("span", "what", element("span"), element("small")), element("span", "chip")), (row, member) => {
      const [what, chip] = row.children;
      text(what.firstChild, member.name);
      text(what.lastChild, member.error ?? "");
      chip.hidden = member.state === null;
      text(chip, memberState(member));
      tone(chip, isSilent() && member.state === "running" ? (isGone() ? "warn" : "none") : stateTone(member.state));
    });
  });
}

function memberState({ state, duration_ms: ms }) {
  if (state === null) return "";
  if (isSilent() && (state === "running" || (state === "not_started" && !isGone()))) return say("unknown");
  if (state === "not_started" && !isOver() && !isGone()) return say("waits");
  const word = lower("state", state);
  return ms !== null && ms !== undefined && state !== "running" && state !== "not_started" ? `${word} · ${time(ms)}` : word;
}

/** The program's own lines, and the run before this one. */
function lines() {
  const { previous_exit: exit, lines = [] } = model.status;
  const rows = exit ? [{ label: say("previous"), text: exit.verdict ?? previousExit(exit), tone: exit.outcome === "clean" ? "none" : "warn" }, ...lines] : lines;
  $("lines").hidden = rows.length === 0;
  each($("lines-list"), rows, () => element("div", "", element("dt"), element("dd")), (node, row) => {
    text(node.firstChild, row.label);
    text(node.lastChild, row.text);
    tone(node, row.tone ?? "none");
  });
}

function footer() {
  const { version, pid, started_at: started } = model.status;
  const parts = [
    version && say("version", { version }),
    pid && `pid ${pid}`,
    started && say("started", { time: new Date(started).toLocaleString(document.documentElement.lang) }).replaceAll(" ", "\u00a0"),
  ];
  text($("about"), parts.filter(Boolean).join(" · "));
}

function render() {
  $("link").dataset.state = model.link;
  text($("link-text"), say(model.link));
  hero();
  if (!model.status) return;
  phases();
  servers();
  members();
  lines();
  footer();
}
