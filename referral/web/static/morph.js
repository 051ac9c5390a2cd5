// Turns a part of the page into what the server says now, and leaves alone what somebody is working on:
// nodes that say the same stay the same nodes, so focus, scroll position and open folds survive.

const WITHOUT_MEANING = ["csrf_token", "form_key", "mark"];
const keys = new WeakMap();
const wanted = new WeakMap();

export function morph(old, fresh) {
  const focused = document.activeElement;
  const name = focused && label(focused);
  sync(old, document.importNode(fresh, true));
  if (focused && focused !== document.body && !focused.isConnected && name) {
    [...old.querySelectorAll(focused.tagName)].find((one) => label(one) === name)?.focus({ preventScroll: true });
  }
}

function label(element) {
  return element.id || element.getAttribute("href") || element.textContent.trim();
}

// What makes one of several siblings itself, wherever it stands; else what it looks like.
function key(node) {
  if (!isElement(node)) return node.nodeName;
  if (!keys.has(node)) {
    const row = node.matches("li, tr") && node.querySelector("a[href]");
    const own = node.id || node.getAttribute("aria-labelledby") || node.getAttribute("action");
    keys.set(node, `${node.nodeName} ${own || (row ? row.getAttribute("href") : node.className)}`);
  }
  return keys.get(node);
}

function isElement(node) {
  return node.nodeType === Node.ELEMENT_NODE;
}

function sync(old, fresh) {
  if (!isElement(old)) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.matches("[data-keep]")) return;
  if (old.matches("form") && isBusy(old)) {
    hold(old, fresh);
    return;
  }
  if (old.isEqualNode(fresh)) return;
  syncAttributes(old, fresh);
  syncChildren(old, fresh);
  syncField(old, fresh);
}

function syncAttributes(old, fresh) {
  keys.delete(old);
  for (const { name, value } of fresh.attributes) {
    if (!isOurs(old, name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!isOurs(old, name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}

// Whether a fold is open, and whether a form was sent, this page knows better.
function isOurs(element, name) {
  return (name === "open" && element.matches("details")) || name === "data-sent";
}

function syncField(old, fresh) {
  if (old.matches("input:not([type=file]), textarea") && old.value !== fresh.value) old.value = fresh.value;
  if (old.matches("input")) old.checked = fresh.checked;
  if (old.matches("select")) old.selectedIndex = fresh.selectedIndex;
}

function syncChildren(old, fresh) {
  const coming = [...fresh.childNodes];
  let at = old.firstChild;
  coming.forEach((child, index) => {
    const later = new Set(coming.slice(index + 1).filter(isElement).map(key));
    let match = at;
    // An element that is wanted later is not passed over.
    while (match && key(match) !== key(child)) {
      match = isElement(match) && later.has(key(match)) ? null : match.nextSibling;
    }
    if (!match) {
      old.insertBefore(child, at);
      return;
    }
    at = dropUntil(at, match);
    sync(match, child);
    at = match.nextSibling;
  });
  dropUntil(at, null);
}

function dropUntil(node, end) {
  while (node !== end) {
    const next = node.nextSibling;
    const busy = isElement(node) ? busyForms(node) : [];
    if (busy.length) busy.forEach((form) => hold(form, null));
    else if (!isElement(node) || !node.matches("[data-keep]")) node.remove();
    node = next;
  }
  return end;
}

function busyForms(node) {
  const forms = [...node.querySelectorAll("form")];
  if (node.matches("form")) forms.push(node);
  return forms.filter(isBusy);
}

// Somebody has typed into it, or stands in one of its fields.
function isBusy(form) {
  return [...form.elements].some(
    (field) => isChanged(field) || (field === document.activeElement && field.matches("input, textarea, select")),
  );
}

function isChanged(field) {
  if (field.type === "hidden" || !field.matches("input, textarea, select")) return false;
  if (field.matches("select")) {
    return [...field.options].some((one) => one.selected !== one.defaultSelected) && field.selectedIndex > 0;
  }
  if (field.type === "file") return field.files.length > 0;
  if (["checkbox", "radio"].includes(field.type)) return field.checked !== field.defaultChecked;
  return field.value !== field.defaultValue;
}

// What is typed stays as it is, with a line that says that the rest has moved on. Null: the form is gone.
function hold(form, fresh) {
  if (form.method !== "post") return;
  wanted.set(form, fresh);
  const differs = !fresh || words(form) !== words(fresh);
  const told = form.querySelector("[data-held]");
  if (told) told.hidden = !differs;
  else if (differs) form.prepend(line(form));
}

function words(form) {
  const copy = form.cloneNode(true);
  for (const field of copy.querySelectorAll("[data-held], input[type=hidden]")) {
    if (field.matches("[data-held]") || WITHOUT_MEANING.includes(field.name)) field.remove();
  }
  for (const fold of copy.querySelectorAll("details")) fold.open = false;
  return copy.innerHTML.replaceAll(/\s+/g, " ");
}

function line(form) {
  const told = document.createElement("div");
  told.className = "held";
  told.dataset.held = "yes";
  told.setAttribute("role", "status");
  const text = document.createElement("p");
  text.textContent = "This has changed since you began.";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button";
  button.textContent = "Show";
  button.addEventListener("click", () => show(form));
  told.append(text, button);
  return told;
}

// The form as it is now, with what was typed into the fields that it still has.
function show(form) {
  const fresh = wanted.get(form);
  if (!fresh) {
    location.reload();
    return;
  }
  const typed = [...form.elements].filter(isChanged);
  form.replaceWith(fresh);
  let first = null;
  for (const field of typed) {
    const same = [...fresh.elements].find(
      (one) => one.name === field.name && one.type === field.type && (field.type !== "radio" || one.value === field.value),
    );
    if (!same) continue;
    if (["checkbox", "radio"].includes(field.type)) same.checked = field.checked;
    else if (field.type !== "file") same.value = field.value;
    first ??= same;
  }
  (first ?? fresh.querySelector("input:not([type=hidden]), textarea, select, button"))?.focus();
}
