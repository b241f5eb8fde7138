// What a page adds if scripts run: keys, and the document beside its hits. Everything works without it.
"use strict";

const search = document.getElementById("q");
const side = document.getElementById("side");
const links = [...document.querySelectorAll(".hit h2 a")];
const isWide = () => matchMedia("(min-width: 64rem)").matches;
let asked = 0; // Number of the last document asked for: an answer that comes late is dropped.

document.getElementById("keys").hidden = links.length === 0 || matchMedia("(hover: none)").matches;

function close() {
  const opened = document.querySelector(".hit.open");
  asked += 1;
  side.hidden = true;
  side.replaceChildren();
  document.body.classList.remove("beside");
  opened?.classList.remove("open");
  opened?.querySelector("h2 a").focus();
}

async function open(link) {
  const mine = ++asked;
  const response = await fetch(link.href);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const found = page.getElementById("document");
  if (mine !== asked) return;
  if (!found) {
    location.assign(link.href);
    return;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.className = "close";
  button.textContent = "Close";
  button.addEventListener("click", close);
  const whole = document.createElement("a");
  whole.href = link.href;
  whole.textContent = found.querySelector("h1").textContent;
  found.querySelector("h1").replaceChildren(whole);
  document.querySelector(".hit.open")?.classList.remove("open");
  link.closest(".hit").classList.add("open");
  side.replaceChildren(button, document.adoptNode(found));
  side.hidden = false;
  document.body.classList.add("beside");
  side.scrollTop = 0;
  side.querySelector("#here")?.scrollIntoView({ block: "center" });
}

function move(step) {
  const at = links.indexOf(document.activeElement);
  const next = at < 0 && step > 0 ? 0 : at + step;
  if (next < 0) search.focus();
  else links[Math.min(next, links.length - 1)]?.focus();
}

for (const link of links) {
  link.addEventListener("click", (event) => {
    if (!isWide() || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    open(link).catch(() => location.assign(link.href));
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const focused = document.activeElement;
  const isTyping = focused.matches("input, select, textarea");
  const isAmongHits = focused === search || links.includes(focused);
  const does =
    event.key === "Escape" && !side.hidden ? close
    : event.key === "/" && !isTyping ? () => search.select()
    : event.key === "j" && !isTyping ? () => move(1)
    : event.key === "k" && !isTyping ? () => move(-1)
    : event.key === "ArrowDown" && isAmongHits ? () => move(1)
    : event.key === "ArrowUp" && links.includes(focused) ? () => move(-1)
    : null;
  if (!does) return;
  event.preventDefault();
  does();
});
