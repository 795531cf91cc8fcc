"use strict";
// The page shows one thing: the last status, as /events sends it. Between two events only clocks move.
(() => {
  const ENGLISH = {
    live: "live", connecting: "connecting", lost: "connection lost, trying again", closed: "the process is gone",
    serving: "Serving",
    outcome: { clean: "clean", incomplete: "incomplete", timed_out: "timed out", forced: "forced" },
    endedAs: (outcome, code) => `Ended: ${outcome}, exit code ${code}`, gone: (reason) => `The process is gone. The exit was asked for by ${reason}.`,
    doing: { ready_delay: "Not ready, still serving", drain: "Draining", close_servers: "Closing servers", callbacks: "Running callbacks", release: "Releasing resources", close_last: "Closing the last servers" },
    ready: "Ready. Nothing has asked for the exit.",
    reason: (reason) => `Shutting down, asked for by ${reason}.`,
    lostServing: "The server does not answer any more. What is shown is the last that was known.",
    lostExiting: "The connection ended during the exit, and with it what can be known here: the log and the report have the outcome.",
    waitingRequests: (n, oldest) => `Waiting for ${n} request${n === 1 ? "" : "s"}${oldest ? `; the oldest is ${oldest}` : ""}.`,
    waitingMembers: (names) => `Waiting for ${names}.`,
    separator: ", ", more: (n) => `and ${n} more`,
    left: (total) => `until the deadline of ${total}`, deadline: "overall deadline", took: "from the first request to stop",
    phasesTitle: "The exit, phase by phase", serversTitle: "Servers",
    phase: { ready_delay: "Not ready yet serving", drain: "Drain", close_servers: "Close servers", callbacks: "Callbacks", release: "Release", close_last: "Close last servers" },
    upTo: (bound) => `up to ${bound}`, of: (done, bound) => `${done} of ${bound}`,
    endedBy: { done: "", timeout: "timed out", deadline: "cut by the deadline", signal: "cut by a second signal" },
    axisDeadline: (total) => `deadline ${total}`, axisOver: (worst, total) => `worst case ${worst}, deadline ${total}`,
    inFlight: "in flight", completed: "completed", rejected: "rejected", none: "No request in flight", oldest: "Oldest requests in flight",
    cutAfter: (age) => `cut off after ${age}`,
    callbacks: "Callbacks", resources: "Resources", workers: "Background workers",
    state: { not_started: "not started", running: "running", done: "done", failed: "failed", panicked: "panicked", unreachable: "unreachable", timed_out: "timed out", cut_off: "cut off" },
    stop: "Start the exit…", again: "Connect again",
    askTitle: "Start the exit?", askText: "New requests are rejected from then on, and the process ends. It cannot be taken back.",
    token: "Token", no: "Cancel", yes: "Start the exit", wrongToken: "This token is not the one that is set.", refused: (why) => `Refused: ${why}`, unreachable: "The server cannot be reached.",
    ms: "ms", s: "s", min: "min",
  };
  const CHINESE = {
    live: "实时", connecting: "连接中", lost: "连接中断，正在重试", closed: "进程已退出",
    serving: "服务中",
    outcome: { clean: "正常", incomplete: "未全部完成", timed_out: "超时", forced: "强制" },
    endedAs: (outcome, code) => `已退出：${outcome}，退出码 ${code}`, gone: (reason) => `进程已结束，退出由 ${reason} 发起。`,
    doing: { ready_delay: "未就绪，继续服务", drain: "等待请求完结", close_servers: "关闭服务器", callbacks: "执行回调", release: "释放资源", close_last: "关闭最后的服务器" },
    ready: "就绪，尚无退出请求。",
    reason: (reason) => `正在关闭，由 ${reason} 发起。`,
    lostServing: "服务器不再应答，以下是最后已知的状态。",
    lostExiting: "连接在退出过程中断开，此处无法得知结果：请查看日志和报告。",
    waitingRequests: (n, oldest) => `正在等待 ${n} 个请求${oldest ? `，最早的是 ${oldest}` : ""}。`,
    waitingMembers: (names) => `正在等待 ${names}。`,
    separator: "、", more: (n) => `等另外 ${n} 个`,
    left: (total) => `距总时限 ${total}`, deadline: "总时限", took: "自首次退出请求起",
    phasesTitle: "退出各阶段", serversTitle: "服务器",
    phase: { ready_delay: "未就绪但继续服务", drain: "等待请求完结", close_servers: "关闭服务器", callbacks: "执行回调", release: "释放资源", close_last: "关闭最后的服务器" },
    upTo: (bound) => `最长 ${bound}`, of: (done, bound) => `${done} / ${bound}`,
    endedBy: { done: "", timeout: "超时", deadline: "因总时限中断", signal: "因第二个信号中断" },
    axisDeadline: (total) => `总时限 ${total}`, axisOver: (worst, total) => `最长 ${worst}，总时限 ${total}`,
    inFlight: "执行中", completed: "已完成", rejected: "已拒绝", none: "没有正在执行的请求", oldest: "执行最久的请求",
    cutAfter: (age) => `执行 ${age} 后被中断`,
    callbacks: "回调", resources: "资源", workers: "后台任务",
    state: { not_started: "未开始", running: "进行中", done: "完成", failed: "失败", panicked: "崩溃", unreachable: "无法联系", timed_out: "超时", cut_off: "中断" },
    stop: "开始退出…", again: "重新连接",
    askTitle: "开始退出？", askText: "此后新请求将被拒绝，进程随后结束。此操作无法撤销。",
    token: "令牌", no: "取消", yes: "开始退出", wrongToken: "令牌不正确。", refused: (why) => `已拒绝：${why}`, unreachable: "无法连接服务器。",
    ms: "毫秒", s: "秒", min: "分",
  };
  const chinese = /^zh\b/i.test(navigator.language || "");
  const words = chinese ? CHINESE : ENGLISH;
  // How much of a long list is shown, the unfinished first.
  const MOST = 40;
  // Without a sign of life for so long, the connection is dead, whatever the browser believes. The server gives one
  // each ten seconds.
  const SILENCE_MS = 25000;
  const RETRY_MS = 2000;
  const TICK_MS = 100;

  const $ = (id) => document.getElementById(id);
  let status = null;
  let receivedAt = 0;
  let link = "connecting";
  let source = null;
  let heardAt = 0;
  let announced = "";

  // ---- Words and numbers

  function time(ms) {
    const [value, unit] = split(ms);
    return `${value} ${unit}`;
  }

  /** A bound is a round number more often than not: it goes without a needless ".0". */
  function bound(ms) {
    return time(ms).replace(/\.0(?= )/, "");
  }

  function split(ms) {
    const whole = Math.max(0, Math.round(ms));
    if (whole < 1000) return [String(whole), words.ms];
    if (whole < 120000) return [(whole / 1000).toFixed(1), words.s];
    return [`${Math.floor(whole / 60000)}:${String(Math.floor(whole / 1000) % 60).padStart(2, "0")}`, words.min];
  }

  /** A moving clock keeps its unit: a countdown that turns from seconds to milliseconds cannot be read. */
  function running(ms) {
    return ms < 120000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} ${words.s}` : time(ms);
  }

  const count = (n) => n.toLocaleString(document.documentElement.lang);
  const isOver = () => status !== null && status.outcome !== undefined;
  const isExiting = () => status !== null && !isOver() && status.deadline_left_ms !== null;
  /** How long ago the status was true. A lost connection stops the clocks: nobody knows how it goes on. */
  const since = () => (link === "live" ? performance.now() - receivedAt : 0);

  // ---- Small tools for the tree. Nothing is ever parsed as HTML.

  function text(node, value) {
    if (node.textContent !== value) node.textContent = value;
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

  // ---- What is shown

  function elapsed() {
    if (status.deadline_left_ms === null) return 0;
    return status.timeout_ms - status.deadline_left_ms + (isOver() ? 0 : since());
  }

  const names = () => {
    const pending = [...status.callbacks, ...status.resources, ...status.workers].filter((it) => it.state === "running").map((it) => it.name);
    const shown = pending.slice(0, 5).join(words.separator);
    return pending.length > 5 ? `${shown} ${words.more(pending.length - 5)}` : shown;
  };

  function oldestOf(servers) {
    const all = servers.flatMap((server) => server.oldest);
    return all.reduce((oldest, it) => (!oldest || it.age_ms > oldest.age_ms ? it : oldest), null);
  }

  function waitingFor() {
    const requests = status.servers.reduce((sum, server) => sum + server.in_flight, 0);
    if (status.phase === "drain" && requests > 0) {
      const oldest = oldestOf(status.servers);
      return words.waitingRequests(requests, oldest && `${oldest.method} ${oldest.path} (${running(oldest.age_ms + since())})`);
    }
    const pending = names();
    return pending ? words.waitingMembers(pending) : "";
  }

  function hero() {
    const hero = document.querySelector(".hero");
    if (isOver()) {
      text($("headline"), words.endedAs(words.outcome[status.outcome] || status.outcome, status.exit_code));
      text($("detail"), words.gone(status.reason || ""));
      tone(hero, { clean: "good", incomplete: "warn" }[status.outcome] || "bad");
    } else if (link === "lost" && status) {
      text($("headline"), isExiting() ? words.doing[status.phase] : words.serving);
      text($("detail"), words[isExiting() ? "lostExiting" : "lostServing"]);
      tone(hero, "warn");
    } else if (isExiting()) {
      text($("headline"), words.doing[status.phase] || status.phase);
      text($("detail"), words.reason(status.reason || "") + (chinese ? "" : " ") + waitingFor());
      tone(hero, "live");
    } else {
      text($("headline"), status ? words.serving : "…");
      text($("detail"), status ? words.ready : "");
      tone(hero, status ? "live" : "none");
    }
    clock();
    $("stop").hidden = !status || isOver() || isExiting() || link !== "live";
    $("again").hidden = !isOver();
    $("deadline").hidden = !isExiting();
    document.body.toggleAttribute("data-over", isOver());
  }

  function clock() {
    if (!status) return;
    const exiting = isExiting();
    const used = Math.min(1, elapsed() / status.timeout_ms);
    $("deadline").firstElementChild.style.width = `${used * 100}%`;
    tone($("deadline"), used < 0.6 ? "live" : used < 0.85 ? "warn" : "bad");
    const ms = isOver() ? elapsed() : exiting ? status.deadline_left_ms - since() : status.timeout_ms;
    const [value, unit] = (exiting ? running(ms) : isOver() ? time(ms) : bound(ms)).split(" ");
    const node = $("clock");
    if (node.children.length === 0) node.append(document.createTextNode(""), element("small"));
    if (node.firstChild.data !== value) node.firstChild.data = value;
    text(node.lastChild, unit);
    text($("clock-label"), isOver() ? words.took : exiting ? words.left(bound(status.timeout_ms)) : words.deadline);
  }

  /** Each phase with its place on the axis: as it went, and as it would go if each took its whole bound. */
  function schedule() {
    const released = [...status.resources].reverse();
    let next = 0;
    let release = 0;
    return status.phases.slice(0, MOST).map((phase) => {
      const start = phase.start_ms ?? (isOver() ? null : next);
      const isRunning = phase.start_ms !== null && phase.duration_ms === null;
      const done = phase.duration_ms ?? (isRunning ? Math.max(0, elapsed() - phase.start_ms) : 0);
      next = (start ?? next) + (phase.duration_ms ?? Math.max(phase.bound_ms, done));
      const what = phase.name === "release" ? released[release++]?.name : undefined;
      return { ...phase, start, done, isRunning, what };
    });
  }

  function phases() {
    if (!status) return;
    const rows = schedule();
    const worst = status.phases.reduce((sum, phase) => sum + phase.bound_ms, 0);
    const span = Math.max(status.timeout_ms, worst, 1);
    const share = (ms) => `${Math.min(100, (ms / span) * 100)}%`;
    each($("phases"), rows, newPhase, (node, row) => {
      const [head, track] = node.children;
      const [name, duration] = head.children;
      text(name.firstChild, words.phase[row.name] || row.name);
      text(name.lastChild, row.what || "");
      node.dataset.state = row.isRunning ? "running" : row.duration_ms === null ? "waiting" : "over";
      tone(node, { timeout: "warn", deadline: "bad", signal: "bad" }[row.ended_by] || "none");
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
    text($("axis-start"), "0");
    text($("axis-deadline"), worst > status.timeout_ms ? words.axisOver(bound(worst), bound(status.timeout_ms)) : words.axisDeadline(bound(status.timeout_ms)));
  }

  function newPhase() {
    const head = element("div", "phase-head", element("span", "phase-name", element("span"), element("small")), element("span", "phase-time"));
    const track = element("div", "track", element("i", "planned"), element("i", "gone"), element("i", "due"));
    track.setAttribute("aria-hidden", "true");
    return element("li", "phase", head, track);
  }

  function phaseTime(row) {
    if (row.isRunning) return words.of(running(row.done), bound(row.bound_ms));
    if (row.duration_ms === null) return isOver() ? words.state.not_started : words.upTo(bound(row.bound_ms));
    const how = words.endedBy[row.ended_by];
    return how ? `${how} · ${time(row.duration_ms)}` : time(row.duration_ms);
  }

  function servers() {
    if (!status) return;
    each($("servers"), status.servers, newServer, (node, server) => {
      const [head, counts, list] = node.children;
      text(head.firstChild, server.name);
      const values = [server.in_flight, server.completed, server.rejected];
      values.forEach((value, index) => text(counts.children[index].lastChild, count(value)));
      list.setAttribute("aria-label", words.oldest);
      // What was cut off is named to the end; it is in flight for a moment longer.
      const cut = server.cut_off.map((request) => ({ ...request, cut: true }));
      const rows = cut.length ? cut : server.oldest.length ? server.oldest : [null];
      if (cut.length && server.abandoned > cut.length) rows.push({ more: server.abandoned - cut.length });
      each(list, rows, () => element("li", "", element("code"), element("span")), (row, request) => {
        const [name, age] = row.children;
        const named = request !== null && request.more === undefined;
        row.className = named ? (request.cut ? "cut" : "") : "none";
        name.hidden = !named;
        text(name, named ? `${request.method} ${request.path}` : "");
        name.title = name.textContent;
        if (!named) text(age, request ? words.more(request.more) : words.none);
        else text(age, request.cut ? words.cutAfter(time(request.age_ms)) : running(request.age_ms + (isOver() ? 0 : since())));
      });
    });
  }

  function newServer() {
    const counted = (label) => element("div", "", element("dt", "", label), element("dd"));
    const counts = element("dl", "counts", counted(words.inFlight), counted(words.completed), counted(words.rejected));
    return element("section", "card server", element("div", "server-head", element("h3")), counts, element("ul", "oldest"));
  }

  function jobs() {
    if (!status) return;
    const kinds = ["callbacks", "resources", "workers"].filter((kind) => status[kind].length > 0);
    each($("jobs"), kinds, () => element("section", "card", element("h2"), element("ul", "list")), (node, kind) => {
      const [title, list] = node.children;
      const all = status[kind];
      text(title, words[kind]);
      const shown = all.length <= MOST ? all : [...all].sort((a, b) => (a.state === "done") - (b.state === "done")).slice(0, MOST);
      const rows = all.length > MOST ? [...shown, { name: words.more(all.length - MOST), state: null }] : shown;
      each(list, rows, () => element("li", "", element("span", "what"), element("span", "chip")), (row, member) => {
        const [what, chip] = row.children;
        text(what, member.name);
        chip.hidden = member.state === null;
        text(chip, words.state[member.state] || member.state || "");
        tone(chip, { running: "live", done: "good", not_started: "none", timed_out: "warn", cut_off: "warn" }[member.state] || "bad");
      });
    });
  }

  /** Said aloud at each turn, and never for a number. */
  function announce() {
    const said = `${$("headline").textContent}. ${isOver() ? $("detail").textContent : ""}`;
    if (status && said !== announced) {
      announced = said;
      text($("announce"), said);
      document.title = `${$("headline").textContent} · graceful-exit`;
    }
  }

  function linked() {
    $("link").dataset.state = link;
    text($("link-text"), words[link]);
  }

  function render() {
    linked();
    hero();
    phases();
    servers();
    jobs();
    announce();
  }

  /** Between two events only what moves is drawn again. */
  function tick() {
    if (source && link === "live" && performance.now() - heardAt > SILENCE_MS) lost();
    if (document.hidden || link !== "live" || !status || isOver()) return;
    if (isExiting()) {
      hero();
      phases();
    }
    if (status.servers.some((server) => server.oldest.length > 0)) servers();
  }

  // ---- The connection

  function connect() {
    if (source) source.close();
    source = new EventSource("/events");
    source.onopen = () => { heardAt = performance.now(); };
    source.onmessage = (event) => {
      status = JSON.parse(event.data);
      receivedAt = heardAt = performance.now();
      link = "live";
      if (isOver()) {
        link = "closed";
        source.close();
        source = null;
      }
      render();
    };
    source.addEventListener("beat", () => { heardAt = performance.now(); });
    source.onerror = lost;
  }

  /** The browser would try again by itself, but not after an answer that is no stream. */
  function lost() {
    if (source) source.close();
    source = null;
    link = "lost";
    render();
    setTimeout(() => { if (!source && !isOver()) connect(); }, RETRY_MS);
  }

  // ---- The button

  function ask() {
    $("ask-error").textContent = "";
    $("token").value = "";
    $("token-field").hidden = document.body.dataset.token !== "yes";
    $("ask-yes").disabled = false;
    $("ask").showModal();
    (document.body.dataset.token === "yes" ? $("token") : $("ask-no")).focus();
  }

  async function shutdown(event) {
    event.preventDefault();
    const headers = document.body.dataset.token === "yes" ? { Authorization: `Bearer ${$("token").value}` } : {};
    $("ask-yes").disabled = true;
    let problem = "";
    try {
      const response = await fetch("/shutdown", { method: "POST", headers });
      if (response.status === 401) problem = words.wrongToken;
      else if (!response.ok) problem = words.refused((await response.text()).trim());
    } catch {
      problem = words.unreachable;
    }
    $("ask-yes").disabled = false;
    text($("ask-error"), problem);
    if (!problem) $("ask").close();
    else if (document.body.dataset.token === "yes") $("token").focus();
  }

  // ---- The start

  document.documentElement.lang = chinese ? "zh-CN" : "en";
  text($("host"), location.host);
  text($("phases-title"), words.phasesTitle);
  text($("servers-title"), words.serversTitle);
  text($("stop"), words.stop);
  text($("again"), words.again);
  text($("ask-title"), words.askTitle);
  text($("ask-text"), words.askText);
  text($("token-label"), words.token);
  text($("ask-no"), words.no);
  text($("ask-yes"), words.yes);
  $("stop").addEventListener("click", ask);
  $("again").addEventListener("click", () => { status = null; link = "connecting"; location.reload(); });
  $("ask-no").addEventListener("click", () => $("ask").close());
  $("ask-form").addEventListener("submit", shutdown);
  linked();
  connect();
  setInterval(tick, TICK_MS);
})();
