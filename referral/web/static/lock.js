// Shows the lock over the page when nobody has used it for so long; what was typed on it stays where it is.
// It is a courtesy: the server locks the session by its own clock.

const USED = "referral-used";

export function enhanceLock() {
  const template = document.getElementById("lock");
  if (template) new Lock(template.content.querySelector("dialog").cloneNode(true));
}

class Lock {
  constructor(dialog) {
    this.dialog = dialog;
    this.form = dialog.querySelector("form");
    this.password = this.form.elements.password;
    this.told = dialog.querySelector("[role=alert]");
    this.limit = Number(dialog.dataset.lock) * 1000;
    this.title = document.title;
    this.locked = false;
    // The server has heard of us just now, by this page.
    this.heard = Date.now();
    this.used();
    for (const kind of ["keydown", "pointerdown", "input"]) {
      document.addEventListener(kind, () => this.used(), { passive: true });
    }
    for (const kind of ["visibilitychange", "pageshow", "focus"]) addEventListener(kind, () => this.look());
    // Unlocked, or used, in another tab of the same session.
    addEventListener("storage", (event) => event.key === USED && this.look());
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => this.locked && dialog.showModal());
    this.form.addEventListener("submit", (event) => this.unlock(event));
    this.wait();
  }

  last() {
    return Math.max(this.heard, Number(localStorage.getItem(USED)) || 0);
  }

  used() {
    if (this.locked) return;
    if (Date.now() - this.last() >= this.limit) return this.lock();
    localStorage.setItem(USED, String(Date.now()));
    // Typing is use, and the server does not see it.
    if (Date.now() - this.heard > Math.min(this.limit / 3, 60000)) this.tell();
  }

  wait() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), Math.max(this.last() + this.limit - Date.now(), 0) + 50);
  }

  look() {
    const over = Date.now() - this.last() >= this.limit;
    if (this.locked) return void (!over && this.ask());
    if (over) this.lock();
    else this.wait();
  }

  async send(path, data = new FormData(this.form)) {
    return fetch(path, {
      method: "POST",
      body: new URLSearchParams(data),
      headers: { Accept: "application/json" },
      redirect: "manual",
    });
  }

  token() {
    const data = new FormData();
    data.set("csrf_token", this.form.elements.csrf_token.value);
    return data;
  }

  async tell() {
    this.heard = Date.now();
    try {
      const answer = await this.send("/here", this.token());
      if (!answer.ok) this.cover();
    } catch {
      // Offline: the next page says so.
    }
  }

  // Another tab may have unlocked the session that both share.
  async ask() {
    try {
      if ((await this.send("/here", this.token())).ok) this.open();
    } catch {
      // Offline: it stays locked.
    }
  }

  lock() {
    this.cover();
    this.send("/lock", this.token()).catch(() => {});
  }

  cover() {
    if (this.locked) return;
    this.locked = true;
    this.focused = document.activeElement;
    document.title = "Locked · Referral";
    document.documentElement.classList.add("is-locked");
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.password.focus();
  }

  open() {
    this.locked = false;
    this.heard = Date.now();
    this.say("");
    this.password.value = "";
    document.title = this.title;
    document.documentElement.classList.remove("is-locked");
    this.dialog.close();
    this.dialog.remove();
    this.focused?.focus();
    dispatchEvent(new Event("referral-unlocked"));
    this.used();
    this.wait();
  }

  async unlock(event) {
    event.preventDefault();
    event.stopPropagation();
    this.say("");
    try {
      const answer = await this.send("/sign-in/unlock");
      if (answer.ok) return this.open();
      this.say((await answer.json()).sentence);
    } catch {
      this.say("The service does not answer just now. Please try again.");
    }
    this.password.value = "";
    this.password.focus();
  }

  say(sentence) {
    this.told.textContent = sentence;
    this.told.hidden = !sentence;
  }
}
