// Type-ahead: an ARIA combobox over /lookups/…, made from the search box that works without script.
// The answer is JSON: {"items": [{"value", "label", "detail", "warning"}], "more": bool}.

const PAUSE = 120;

export function enhanceFinders() {
  for (const root of document.querySelectorAll("[data-finder]")) new Finder(root);
}

class Finder {
  constructor(root) {
    this.root = root;
    this.name = root.dataset.name;
    this.input = root.querySelector("input[id]");
    this.status = root.querySelector("[role=status]");
    this.picked = root.querySelector("[data-picked]");
    this.newcomer = root.querySelector(".newcomer-choice");
    this.items = [];
    this.active = -1;
    this.stale = false;
    this.build();
    this.listen();
    // Typed while this script was on its way.
    if (this.input.value && this.input === document.activeElement) this.later();
  }

  build() {
    this.list = document.createElement("ul");
    this.list.className = "finder__list";
    this.list.id = `${this.name}-list`;
    this.list.role = "listbox";
    this.list.ariaLabel = this.root.querySelector("label").textContent;
    this.list.hidden = true;
    this.input.after(this.list);
    this.input.role = "combobox";
    this.input.ariaAutoComplete = "list";
    this.input.ariaExpanded = "false";
    this.input.setAttribute("aria-controls", this.list.id);
    for (const box of this.picked.querySelectorAll("input")) ownOnly(box);
  }

  listen() {
    this.input.addEventListener("input", () => this.later());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("focus", () => {
      if (this.root.dataset.recent && !this.input.value) this.search();
    });
    // Keeps the focus in the box while the mouse picks.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.pick(this.items[Number(option.dataset.index)]);
    });
  }

  // What is shown answers what stood here before: the keyboard takes none of it.
  later() {
    this.forget();
    this.stale = true;
    this.move(-1);
    this.timer = setTimeout(() => this.search(), PAUSE);
  }

  // An answer that is still on its way belongs to other words, or to a list that was closed.
  forget() {
    clearTimeout(this.timer);
    this.running?.abort();
  }

  async search() {
    this.forget();
    const query = this.input.value.trim();
    if (!query && !this.root.dataset.recent) return this.close();
    this.running = new AbortController();
    const address = new URL(this.root.dataset.url, location.href);
    address.searchParams.set("q", query);
    const beside = this.root.dataset.recent;
    const chosen = beside && document.querySelector(`input[name="${beside}"]:checked`);
    if (chosen) address.searchParams.set(beside, chosen.value);
    try {
      const answer = await fetch(address, {
        headers: { Accept: "application/json" },
        redirect: "error",
        signal: this.running.signal,
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const found = await answer.json();
      if (document.activeElement === this.input) this.show(query, found);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.close();
      this.tell("The search did not answer. What you typed is kept; you may be signed out or offline.");
    }
  }

  show(query, found) {
    this.stale = false;
    this.items = found.items.slice();
    if (this.newcomer && query) {
      this.items.push({ value: "new", label: `${this.root.dataset.newcomer}: ${query}`, detail: "Not in the list", warning: "" });
    }
    this.list.replaceChildren(...this.items.map((item, index) => this.option(item, index)));
    this.list.hidden = this.items.length === 0;
    this.input.ariaExpanded = String(!this.list.hidden);
    this.move(query && this.items.length ? 0 : -1);
    this.tell(this.say(query, found));
  }

  // Read out always; shown too, unless the page shows the same already.
  tell(sentence, onlyAloud = false) {
    this.status.classList.toggle("visually-hidden", onlyAloud);
    this.status.textContent = sentence;
  }

  say(query, found) {
    if (!query) return "";
    if (found.items.length === 0) return "Nothing found. Try fewer letters.";
    return found.more ? "There are more; type further to narrow them down." : "";
  }

  option(item, index) {
    const option = document.createElement("li");
    option.className = "finder__option";
    option.role = "option";
    option.id = `${this.name}-option-${index}`;
    option.dataset.index = String(index);
    option.append(span("choice__label", item.label), span("choice__detail", item.detail || ""));
    if (item.warning) option.append(span("choice__detail", item.warning));
    return option;
  }

  key(event) {
    const open = !this.list.hidden && !this.stale;
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) {
      event.preventDefault();
      if (open) this.move((this.active + steps[event.key] + this.items.length) % this.items.length);
      else if (!this.stale) this.search();
    } else if (event.key === "Enter") {
      // Enter in a search box never sends the form.
      event.preventDefault();
      if (open && this.active >= 0) this.pick(this.items[this.active]);
    } else if (event.key === "Escape" && !this.list.hidden) {
      event.preventDefault();
      this.close();
    }
  }

  move(index) {
    this.active = index;
    for (const [at, option] of [...this.list.children].entries()) {
      option.ariaSelected = String(at === index);
      if (at === index) option.scrollIntoView({ block: "nearest" });
    }
    if (index >= 0) this.input.setAttribute("aria-activedescendant", `${this.name}-option-${index}`);
    else this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.forget();
    this.stale = false;
    this.list.hidden = true;
    this.input.ariaExpanded = "false";
    this.input.removeAttribute("aria-activedescendant");
  }

  pick(item) {
    const typed = this.input.value.trim();
    this.close();
    this.input.value = "";
    const box = item.value === "new" ? this.newcomer.querySelector("input") : this.add(item);
    box.checked = true;
    box.dispatchEvent(new Event("change", { bubbles: true }));
    this.tell(item.value === "new" ? "" : `Chosen: ${item.label}`, true);
    this.goOn(item, typed);
  }

  add(item) {
    const known = [...this.picked.querySelectorAll("input")].find((box) => box.value === item.value);
    if (known) return known;
    const choice = this.root.querySelector("template").content.cloneNode(true).firstElementChild;
    const box = ownOnly(choice.querySelector("input"));
    box.value = item.value;
    choice.querySelector(".choice__label").textContent = item.label;
    choice.querySelector(".choice__detail").textContent = item.detail || "";
    const badge = choice.querySelector(".badge");
    if (item.warning) badge.append(item.warning);
    else badge.remove();
    if (box.type === "radio") this.forgetOthers();
    this.picked.insertBefore(choice, this.newcomer);
    return box;
  }

  forgetOthers() {
    for (const choice of this.picked.querySelectorAll(":scope > .choice")) choice.remove();
  }

  // Typed words become the name of somebody new, and the keyboard goes on where the next answer belongs.
  goOn(item, typed) {
    if (item.value !== "new") {
      document.getElementById(this.root.dataset.next || "")?.focus();
      return;
    }
    const prefix = this.name === "patient" ? "" : `${this.name}_`;
    const given = document.getElementById(`${prefix}given`);
    const family = document.getElementById(`${prefix}family`);
    const words = typed.split(/\s+/).filter((word) => !/\d/.test(word));
    if (!given.value && !family.value && words.length) {
      family.value = words.length > 1 ? words.pop() : "";
      given.value = words.join(" ");
    }
    given.focus();
  }
}

// After Back a browser ticks boxes by their order, and knows nothing of those that a script had added: it would
// take another one for the chosen one. Told off, it brings none back, as with all that is typed here.
function ownOnly(box) {
  box.autocomplete = "off";
  return box;
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
