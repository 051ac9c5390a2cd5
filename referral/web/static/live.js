// Keeps the page as the database is: the server says that something has changed, and the page asks for itself.
// Where the server does not say, the page looks every minute. Nothing of this is needed to work with the page.

import { morph } from "./morph.js";

// Both are asked for by nobody: they do not keep a session alive.
const HEADERS = { "Referral-Live": "1", Accept: "text/html, text/event-stream" };
const REGIONS = [".bar", "[data-follow]"];
const GATHER = 300;
const BETWEEN = 3_000;
const SILENCE = 50_000;
const MINUTE = 60_000;

export function keepLive(page, mark) {
  // When what is shown was asked for, by the page's own clock, which began when it was opened.
  let shown = 0;
  let looking = null;
  let again = false;
  let listening = null;
  let wake = () => {};

  async function refresh() {
    const asked = performance.now();
    const answer = await fetch(location.pathname + location.search, {
      headers: HEADERS,
      redirect: "error",
      cache: "no-store",
    });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!fresh.querySelector("[data-follow]")) return;
    for (const region of REGIONS) morph(document.querySelector(region), fresh.querySelector(region));
    shown = asked;
  }

  // Several changes at once are one look, and looks are not more often than every few seconds.
  function look() {
    again = true;
    looking ??= (async () => {
      while (again) {
        await pause(Math.max(GATHER, shown + BETWEEN - performance.now()));
        again = false;
        try {
          await refresh();
        } catch {
          // Signed out, or out of reach: the page keeps what it shows, and the stream tells which.
        }
      }
      looking = null;
    })();
  }

  // Ends when the stream ends; true where another attempt makes sense.
  async function listen() {
    const query = new URLSearchParams(page.dataset.follow.split(" ").map((name) => ["follow", name]));
    query.set("age", ((performance.now() - shown) / 1000).toFixed(3));
    listening = new AbortController();
    let watch = setTimeout(() => listening.abort(), SILENCE);
    try {
      const answer = await fetch(`/live?${query}`, {
        headers: HEADERS,
        redirect: "manual",
        cache: "no-store",
        signal: listening.signal,
      });
      if (answer.type === "opaqueredirect" || answer.status === 403) return false;
      if (!answer.ok) throw new Error("refused");
      mark.hidden = true;
      let said = "";
      for (const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) return true;
        clearTimeout(watch);
        watch = setTimeout(() => listening.abort(), SILENCE);
        said += value;
        const messages = said.split("\n\n");
        said = messages.pop();
        if (messages.some((message) => message.startsWith("event: changed"))) look();
      }
    } finally {
      clearTimeout(watch);
    }
  }

  async function follow() {
    for (let failures = 0; ; ) {
      while (document.hidden) await waking();
      const began = performance.now();
      let goOn = true;
      try {
        goOn = await listen();
      } catch {
        // Dropped, refused, or the tab was put away.
      }
      if (document.hidden) continue;
      if (performance.now() - began > SILENCE) failures = 0;
      failures += 1;
      // A short interruption is nobody's business.
      mark.hidden = goOn && failures < 2;
      if (!goOn) await waking();
      else await Promise.race([pause(Math.min(MINUTE, 500 * 2 ** failures) * (0.75 + Math.random() / 2)), waking()]);
      if (!document.hidden && performance.now() - shown > MINUTE) look();
    }
  }

  function waking() {
    return new Promise((done) => {
      wake = done;
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) listening?.abort();
    wake();
  });
  for (const again of ["online", "referral-unlocked"]) addEventListener(again, () => wake());
  addEventListener("pagehide", () => listening?.abort());
  follow();
}

function pause(milliseconds) {
  return new Promise((done) => {
    setTimeout(done, milliseconds);
  });
}
