// The page: a list with search, an editor in a dialog, and what went wrong said plainly.
import * as api from "./client.js";

const $ = (id) => document.getElementById(id);
const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
let next = null;
let searching = null;
let count = 0;

api.onAnswer((response) => {
  const parts = [];
  const cache = response.headers.get("X-Cache");
  const revision = response.headers.get("X-Neargate-Revision");
  const task = response.headers.get("X-Neargate-Task");
  if (revision) parts.push(`revision ${revision}`);
  if (task) parts.push(`task ${task}`);
  if (cache) parts.push(`cache ${cache}`);
  if (parts.length) $("answer").textContent = parts.join(" · ");
});

function trouble(error) {
  $("trouble-text").textContent = error.message;
  $("trouble").hidden = false;
}

function card(note) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "note";
  button.dataset.id = note.id;
  button.append(text("strong", note.title), text("span", note.excerpt, "excerpt"));
  const meta = text("span", "", "meta");
  meta.append(...note.tags.map((tag) => text("span", tag, "tag")), text("span", dates.format(new Date(note.updated_at))));
  button.append(meta);
  button.addEventListener("click", () => edit(note.id));
  item.append(button);
  return item;
}

function text(name, content, className = "") {
  const element = document.createElement(name);
  element.textContent = content;
  if (className) element.className = className;
  return element;
}

async function load({ more = false, focus = null } = {}) {
  searching?.abort();
  searching = new AbortController();
  const q = $("q").value.trim();
  $("list").setAttribute("aria-busy", "true");
  try {
    const { data } = await api.list(q, more ? next : null, searching.signal);
    const cards = data.notes.map(card);
    if (more) $("list").append(...cards);
    else $("list").replaceChildren(...cards);
    if (more) cards[0]?.querySelector("button").focus();
    count = (more ? count : 0) + data.notes.length;
    next = data.next;
    $("more").hidden = !next;
    $("trouble").hidden = true;
    $("status").textContent = summary(q);
    if (focus) document.querySelector(`[data-id="${focus}"]`)?.focus();
  } catch (error) {
    if (error.name !== "AbortError") trouble(error);
  } finally {
    $("list").removeAttribute("aria-busy");
  }
}

function summary(q) {
  if (count === 0) return q ? `Nothing matches “${q}”.` : "No notes yet. Write the first one.";
  const notes = `${count}${next ? " or more" : ""} ${count === 1 && !next ? "note" : "notes"}`;
  return q ? `${notes} for “${q}”` : notes;
}

// The editor. `open` is {id, etag} of the note in it; both are null for a new one.
let open = { id: null, etag: null };

function show(title, note) {
  $("editor-title").textContent = title;
  fill(note);
  clearProblems();
  $("delete").hidden = open.id === null;
  $("editor").showModal();
  $("title").focus();
}

function fill(note) {
  $("title").value = note.title;
  $("body").value = note.body;
  $("tags").value = note.tags.join(", ");
}

function content() {
  const tags = $("tags").value.split(",").map((tag) => tag.trim()).filter(Boolean);
  return { title: $("title").value, body: $("body").value, tags };
}

function clearProblems() {
  $("conflict").hidden = true;
  problems({}, "");
}

function problems(fields, message) {
  for (const name of ["title", "body", "tags"]) {
    $(`${name}-problem`).textContent = fields[name] ?? "";
    $(name).setAttribute("aria-invalid", String(name in fields));
  }
  $("form-problem").textContent = message;
  $("form-problem").hidden = !message;
}

async function edit(id) {
  try {
    const { data, etag } = await api.read(id);
    open = { id, etag };
    show("Edit note", data);
  } catch (error) {
    trouble(error);
    if (error.status === 404) load();
  }
}

async function save() {
  clearProblems();
  $("save").disabled = true;
  try {
    const data = content();
    const answer = open.id === null ? await api.create(data) : await api.replace(open.id, open.etag, data);
    $("editor").close();
    await load({ focus: answer.data.id });
  } catch (error) {
    refused(error);
  } finally {
    $("save").disabled = false;
  }
}

function refused(error) {
  if (error.status === 412) {
    $("conflict").hidden = false;
    $("mine").focus();
    return;
  }
  const fields = error.fields ?? {};
  const named = Object.keys(fields).find((name) => $(`${name}-problem`));
  problems(fields, named ? "" : error.message);
  if (named) $(named).focus();
}

async function latest() {
  const { data, etag } = await api.read(open.id);
  open.etag = etag;
  return data;
}

async function remove() {
  const gone = { ...content() };
  try {
    await api.remove(open.id, open.etag);
    $("editor").close();
    await load();
    $("list").focus();
    toast(`Deleted “${gone.title}”`, async () => {
      const { data } = await api.create(gone);
      await load({ focus: data.id });
    });
  } catch (error) {
    refused(error);
  }
}

let fading = null;
function toast(message, undo) {
  clearTimeout(fading);
  $("toast-text").textContent = message;
  $("toast").hidden = false;
  $("undo").onclick = () => {
    $("toast").hidden = true;
    undo().catch(trouble);
  };
  fading = setTimeout(() => { $("toast").hidden = true; }, 12000);
}

let typing = null;
$("q").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => load(), 200);
});
$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  load();
});
$("new").addEventListener("click", () => {
  open = { id: null, etag: null };
  show("New note", { title: "", body: "", tags: [] });
});
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  save();
});
$("cancel").addEventListener("click", () => $("editor").close());
$("delete").addEventListener("click", remove);
$("theirs").addEventListener("click", () => latest().then(fill).then(clearProblems).catch(refused));
$("mine").addEventListener("click", () => latest().then(save).catch(refused));
$("more").addEventListener("click", () => load({ more: true }));
$("retry").addEventListener("click", () => load());
addEventListener("online", () => load());
addEventListener("offline", () => trouble(new Error("You are offline. What you see may be old.")));

load();
api.info().then(({ data }) => {
  $("about").textContent = `${data.name} ${data.version}`;
  $("banner").textContent = data.banner ?? "";
  $("banner").hidden = !data.banner;
}).catch(() => {});
