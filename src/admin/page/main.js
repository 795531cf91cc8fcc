// The question before the exit, the one for the token, and the start.

const TICK_MS = 100;
let purpose = "stop";

/** Asks for a confirmation (`stop`) or for the token that reading needs (`unlock`). */
function ask(what) {
  purpose = what;
  const needsToken = what === "unlock" || (document.body.dataset.token !== "no" && !token);
  text($("ask-title"), say(what === "unlock" ? "unlock_title" : "ask_title"));
  text($("ask-text"), say(what === "unlock" ? "unlock_text" : "ask_text"));
  text($("ask-yes"), say(what === "unlock" ? "unlock_yes" : "ask_yes"));
  $("ask-yes").classList.toggle("danger", what === "stop");
  $("ask-no").hidden = what === "unlock";
  text($("ask-error"), what === "unlock" && token ? say("wrong_token") : "");
  $("token").value = "";
  $("token-field").hidden = !needsToken;
  $("ask-yes").disabled = false;
  if (!$("ask").open) $("ask").showModal();
  (needsToken ? $("token") : $("ask-no")).focus();
}

function unlock() {
  stream = null;
  model.link = "locked";
  render();
  ask("unlock");
}

async function answer(event) {
  event.preventDefault();
  if (purpose === "unlock") {
    token = $("token").value;
    $("ask").close();
    connect();
    return;
  }
  const given = $("token").value || token;
  $("ask-yes").disabled = true;
  let problem = "";
  try {
    const response = await fetch("shutdown", { method: "POST", headers: given ? { Authorization: `Bearer ${given}` } : {} });
    if (response.status === 401) problem = say("wrong_token");
    else if (!response.ok) problem = say("refused", { why: (await response.text()).trim() });
  } catch {
    problem = say("unreachable");
  }
  $("ask-yes").disabled = false;
  text($("ask-error"), problem);
  if (!problem) $("ask").close();
  else if (!$("token-field").hidden) $("token").focus();
}

document.documentElement.lang = NAMES[LANGUAGE].tag;
text($("host"), location.host);
for (const [id, key] of [["phases-title", "phases"], ["servers-title", "servers"], ["lines-title", "lines"], ["stop", "stop"], ["follow", "follow"], ["token-label", "token"], ["ask-no", "cancel"]]) text($(id), say(key));
$("stop").addEventListener("click", () => ask("stop"));
$("follow").addEventListener("click", follow);
$("ask-no").addEventListener("click", () => $("ask").close());
$("ask").addEventListener("cancel", (event) => { if (purpose === "unlock") event.preventDefault(); });
$("ask-form").addEventListener("submit", answer);
render();
connect();
setInterval(tick, TICK_MS);
