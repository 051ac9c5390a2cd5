// What follows from what was typed so far: the server says it, the page puts it where it belongs.

const PAUSE = 200;

export function enhancePreview(form) {
  let timer = 0;
  let running = null;

  async function refresh() {
    running?.abort();
    running = new AbortController();
    try {
      const answer = await fetch(form.dataset.preview, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { Accept: "text/html" },
        redirect: "error",
        signal: running.signal,
      });
      if (answer.ok) show(form, await answer.text());
    } catch {
      // Aborted, signed out or offline: the page keeps what it shows, and sending says what is wrong.
    }
  }

  // An answer that is still on its way belongs to what stood here before.
  function later() {
    running?.abort();
    clearTimeout(timer);
    timer = setTimeout(refresh, PAUSE);
  }

  form.addEventListener("change", (event) => {
    if (event.target.name !== "ask_anyway") later();
  });
}

function show(form, html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const piece of fresh.querySelectorAll("[data-live]")) {
    const place = form.querySelector(`[data-live="${piece.dataset.live}"]`);
    // Unchanged words stay, so that nothing is read out twice and no focus is lost.
    if (place && place.innerHTML.trim() !== piece.innerHTML.trim()) place.replaceChildren(...piece.childNodes);
  }
}
